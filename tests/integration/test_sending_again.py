"""What has failed can be sent again by hand: all of it, or one recipient."""

import pytest

from chalicelib.domain.results import Permanent, RateLimited
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso, later
from chalicelib.services.errors import NotFoundError
from chalicelib.services.rights import Principal
from chalicelib.services.send_again import SETTLED_AFTER_SECONDS, send_failed_again
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.failed import failed_rows, reopen_failed
from chalicelib.tables.unsent import finish_unsent, settle_finished, unsent_keys, unsent_rows
from tests.support.aws import World
from tests.support.factories import SHOP, START, address_of, user_id, user_ids

DAY = 86_400
FULL = Permanent("smtp 552: Mailbox full")


@pytest.fixture
def failed(world: World) -> Dispatch:
    """A dispatch to three, two of whose mails were refused for good."""
    users = user_ids(3)
    world.knows(users)
    world.channel.answers = {address_of(user): [FULL] for user in users[:2]}
    dispatch = world.submit(users)
    world.settle()
    assert world.counts(dispatch) == {"sent": 1, "failed": 2}
    world.clock.advance(SETTLED_AFTER_SECONDS)
    return dispatch


def again(world: World, dispatch: Dispatch, user: str | None = None, by: Principal = SHOP) -> int:
    return send_failed_again(dispatch.notification_id, by, world.clock, user_id=user)


def test_the_failed_ones_are_sent_and_nobody_else(world: World, failed: Dispatch) -> None:
    assert again(world, failed) == 2
    assert world.counts(failed) == {"sent": 1, "unsent": 2}
    world.check()
    assert world.row(user_id(1))["reason"] == "sent again by hand"
    assert world.sweep() == {"requeued": 2}
    world.settle()
    assert world.counts(failed) == {"sent": 3}
    assert world.channel.addresses() == {
        address_of(user_id(1)): 2,
        address_of(user_id(2)): 2,
        address_of(user_id(3)): 1,
    }


def test_one_of_them(world: World, failed: Dispatch) -> None:
    assert again(world, failed, user_id(2)) == 1
    assert world.statuses() == {user_id(1): "failed", user_id(2): "unsent", user_id(3): "sent"}


def test_a_contact_that_was_mended_counts(world: World, failed: Dispatch) -> None:
    world.knows([user_id(1)], email="new@example.com")
    again(world, failed)
    world.sweep()
    world.settle()
    assert world.row(user_id(1))["address"] == "new@example.com"


def test_it_has_all_its_time_and_attempts_again(world: World, failed: Dispatch) -> None:
    world.clock.now = later(START, 3 * DAY)
    world.channel.answers = {address_of(user_id(1)): [RateLimited("429", 60)]}
    again(world, failed, user_id(1))
    world.sweep()
    world.settle(120)
    row = world.row(user_id(1))
    assert (row["status"], row["attempts"], row["due_at"]) == ("sent", 1, iso(later(START, 3 * DAY)))
    assert row["expires_at"] == int(later(START, 33 * DAY).timestamp())


def test_what_failed_again_is_seen_again(world: World, failed: Dispatch) -> None:
    world.channel.by_default = FULL
    again(world, failed)
    world.sweep()
    world.settle()
    assert world.counts(failed) == {"sent": 1, "failed": 2}
    assert again(world, failed) == 0, "not at once"
    world.clock.advance(SETTLED_AFTER_SECONDS)
    assert again(world, failed) == 2


def test_of_what_is_cancelled_nothing_is_sent_again(world: World, failed: Dispatch) -> None:
    world.cancel(failed)
    assert again(world, failed) == 0


def test_nobody_sends_another_ones_notification_again(world: World, failed: Dispatch) -> None:
    with pytest.raises(NotFoundError):
        again(world, failed, by=Principal("application", "other"))
    assert world.counts(failed) == {"sent": 1, "failed": 2}


def test_a_lost_answer_changes_nothing_and_who_is_not_failed_any_more_is_left_alone(
    world: World, failed: Dispatch
) -> None:
    row = next(failed_rows(failed.id, world.clock()))
    lost = world.database.lose_answers("UpdateItem", "users_notifications")
    assert again(world, failed) == 2
    assert len(lost) == 2
    assert world.counts(failed) == {"sent": 1, "unsent": 2}
    world.sweep()
    assert not reopen_failed(row, failed.lane, world.clock(), expires_at=0)


def test_a_late_echo_of_the_sweep_does_not_take_the_mark_of_who_was_sent_again(world: World) -> None:
    users = user_ids(1)
    world.knows(users)
    world.queues.down.add(world.queues.url("DELIVERY_REGULAR_QUEUE_URL"))
    dispatch = world.submit(users)
    world.fan_out()
    (row,) = unsent_rows(unsent_keys(dispatch.lane, world.clock(), 10))
    assert finish_unsent(row, Status.FAILED, "expired unsent", world.clock())
    settle_finished(row, Status.FAILED, world.clock())
    world.clock.advance(SETTLED_AFTER_SECONDS)
    assert again(world, dispatch) == 1
    settle_finished(row, Status.FAILED, world.clock())
    assert len(unsent_rows(unsent_keys(dispatch.lane, world.clock(), 10))) == 1


def test_whose_row_is_not_kept_any_more_cannot_be_sent_again(world: World, failed: Dispatch) -> None:
    row = next(failed_rows(failed.id, world.clock()))
    row.delete()
    assert not reopen_failed(row, failed.lane, world.clock(), expires_at=0)


def test_more_than_a_hundred(world: World) -> None:
    users = user_ids(230)
    world.knows(users)
    world.checks = False
    world.channel.by_default = FULL
    dispatch = world.submit(users)
    world.settle(200)
    world.clock.advance(SETTLED_AFTER_SECONDS)
    told: list[int] = []
    assert send_failed_again(dispatch.notification_id, SHOP, world.clock, tell=told.append) == 230
    assert told == [100, 200]
    assert world.counts(dispatch) == {"unsent": 230}
