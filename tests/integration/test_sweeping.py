"""Sweep: what is unsent goes out again and again, until it does or expires."""

from itertools import pairwise

import pytest

from chalicelib.domain.lanes import Lane
from chalicelib.domain.times import later, parse
from chalicelib.services import sweep_unsent
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.unsent import mark_requeued, unsent_keys, unsent_rows
from tests.support.aws import World
from tests.support.factories import START, user_ids

DELIVERY = "DELIVERY_REGULAR_QUEUE_URL"
HOUR = 3600


def unsent(world: World, count: int = 2, lane: Lane = Lane.REGULAR, known: bool = True) -> Dispatch:
    """A dispatch whose recipients did not get into their queue."""
    users = user_ids(count)
    if known:
        world.knows(users)
    url = world.queues.url(f"DELIVERY_{lane.upper()}_QUEUE_URL")
    dispatch = world.submit(users, is_express=lane is Lane.EXPRESS)
    world.queues.down.add(url)
    if not known:
        world.database.fail("BatchGetItem", if_body='"contacts"')
    world.fan_out(lane)
    world.queues.down.clear()
    assert world.counts(dispatch) == {"unsent": count}
    return dispatch


@pytest.mark.parametrize("lane", Lane)
def test_the_unsent_are_queued_and_sent(world: World, lane: Lane) -> None:
    dispatch = unsent(world, 3, lane)
    assert world.sweep() == {"requeued": 3}
    assert world.counts(dispatch) == {"queued": 3}
    assert {row["status"] for row in world.rows().values()} == {"queued"}
    assert all("attention" not in row and "reason" not in row for row in world.rows().values())
    assert world.sweep() == {}
    world.settle()
    assert world.counts(dispatch) == {"sent": 3}


def test_express_goes_first(world: World) -> None:
    order: list[str] = []
    unsent(world, 1, Lane.REGULAR)
    unsent(world, 1, Lane.EXPRESS)

    def note(body: str) -> bool:
        order.append(body)
        return False

    world.queues.refuses = note
    world.sweep()
    express = world.queues.waiting("DELIVERY_EXPRESS_QUEUE_URL")
    assert order[0] == express[0].body
    assert len(order) == 2


def test_the_oldest_go_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_unsent, "PART", 1)
    old = unsent(world, 1)
    world.clock.advance(10)
    new = unsent(world, 1)
    assert world.sweep() == {"requeued": 2}
    assert [each.delivery.dispatch_id for each in world.queues.waiting(DELIVERY)] == [old.id, new.id]


def test_what_the_throttle_put_off_is_not_sent_early(world: World) -> None:
    users = user_ids(101)
    world.knows(users)
    world.submit(users)
    world.fan_out(limit=1)
    world.queues.refuses = lambda body: users[100] in body
    world.fan_out()
    world.queues.refuses = lambda body: False
    assert world.sweep() == {"requeued": 1}
    (late,) = [each for each in world.queues.waiting(DELIVERY) if each.delivery.chunk == 1]
    assert late.delay == 60


def test_while_the_queue_is_away_the_pauses_grow(world: World) -> None:
    dispatch = unsent(world, 1)
    world.queues.down.add(world.queues.url(DELIVERY))
    tries = [START]
    for number in range(1, 9):
        assert world.sweep() == {"postponed": 1}
        (row,) = world.rows().values()
        assert (row["status"], row["reason"], row["sweeps"]) == ("unsent", "queue unavailable", number)
        due = parse(row["attention_at"])
        world.clock.now = later(due, -1)
        assert world.sweep() == {}  # its pause is not over
        world.clock.now = due
        tries.append(due)
    pauses = [(after - before).total_seconds() for before, after in pairwise(tries)]
    assert 45 <= pauses[0] <= 75
    assert max(pauses) >= 1800
    assert max(pauses) <= HOUR
    world.queues.down.clear()
    world.clock.advance(HOUR)
    assert world.sweep() == {"requeued": 1}
    assert world.counts(dispatch) == {"queued": 1}


def test_what_is_refused_in_part_is_postponed_in_part(world: World) -> None:
    dispatch = unsent(world, 3)
    refused = user_ids(3)[1]
    world.queues.refuses = lambda body: refused in body
    assert world.sweep() == {"requeued": 2, "postponed": 1}
    assert world.letters(dispatch) == ".u."


def test_a_directory_that_answers_again_gives_the_contact(world: World) -> None:
    dispatch = unsent(world, 2, known=False)
    world.knows(user_ids(1))
    assert world.sweep() == {"requeued": 1, "wrong contact": 1}
    assert world.letters(dispatch) == ".w"
    world.settle()
    assert world.counts(dispatch) == {"sent": 1, "wrong_contact": 1}
    row = world.row(user_ids(2)[1])
    assert (row["status"], row["reason"]) == ("wrong_contact", "unknown to the directory")
    assert "attention" not in row


def test_a_directory_that_is_still_away_postpones(world: World) -> None:
    dispatch = unsent(world, 2, known=False)
    world.database.fail("BatchGetItem", if_body='"contacts"')
    assert world.sweep() == {"postponed": 2}
    assert {row["reason"] for row in world.rows().values()} == {"directory unavailable"}
    assert world.counts(dispatch) == {"unsent": 2}


def test_after_three_days_they_have_failed_and_say_why(world: World) -> None:
    dispatch = unsent(world, 2)
    world.clock.advance(72 * HOUR)
    assert world.sweep() == {"expired": 2}
    assert world.counts(dispatch) == {"failed": 2}
    assert {row["reason"] for row in world.rows().values()} == {"expired unsent: queue unavailable"}
    assert {row["attention"] for row in world.rows().values()} == {f"failed#{dispatch.id}"}
    assert world.sweep() == {}


def test_expired_ones_do_not_hold_up_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_unsent, "PART", 2)
    old = unsent(world, 5)
    world.clock.advance(72 * HOUR)
    new = unsent(world, 1)
    assert world.sweep() == {"expired": 5, "requeued": 1}
    assert world.counts(old) == {"failed": 5}
    assert world.counts(new) == {"queued": 1}


def test_the_unsent_of_a_cancelled_dispatch_are_cancelled(world: World) -> None:
    dispatch = unsent(world, 2)
    world.cancel(dispatch)
    assert world.sweep() == {"cancelled": 2}
    assert world.letters(dispatch) == "cc"
    assert set(world.statuses().values()) == {"cancelled"}
    assert not world.queues.waiting(DELIVERY)


def test_a_row_whose_dispatch_is_gone_has_failed(world: World) -> None:
    dispatch = unsent(world, 1)
    dispatch.delete()
    assert world.sweep() == {"expired": 1}
    (row,) = world.rows().values()
    assert (row["status"], row["reason"]) == ("failed", "its dispatch is gone")


@pytest.mark.parametrize("table", ["progress", "users_notifications"])
def test_an_end_that_was_interrupted_is_repaired_by_the_next_run(world: World, table: str) -> None:
    dispatch = unsent(world, 1)
    world.clock.advance(72 * HOUR)
    mark = '"failed#' if table == "users_notifications" else ""
    world.database.fail("UpdateItem", table, if_body=mark)
    assert world.sweep()["errors"] == 1
    (row,) = world.rows().values()
    assert row["status"] == "failed"
    assert row["attention"].startswith("unsent#")
    world.sweep()
    assert world.counts(dispatch) == {"failed": 1}
    (row,) = world.rows().values()
    assert row["attention"] == f"failed#{dispatch.id}"


def test_two_runs_at_once_send_twice_and_the_claim_decides(world: World) -> None:
    dispatch = unsent(world, 1)
    (row,) = unsent_rows(unsent_keys(Lane.REGULAR, START, 10))
    assert world.sweep() == {"requeued": 1}
    assert mark_requeued(row, START)  # the other run comes to the same
    world.queues.put(DELIVERY, world.queues.waiting(DELIVERY)[0].body)
    world.settle()
    assert world.counts(dispatch) == {"sent": 1}
    assert len(world.channel.sent) == 1


def test_lost_answers_leave_nothing_behind(world: World) -> None:
    dispatch = unsent(world, 2)
    lost = world.database.lose_answers("UpdateItem")
    assert world.sweep() == {"requeued": 2}
    assert len(lost) == 4  # each row's mark, each row's letter
    assert world.letters(dispatch) == ".."


def test_a_run_ends_before_its_time_does(world: World) -> None:
    dispatch = unsent(world, 1)
    assert world.sweep(seconds=14.9) == {}
    assert world.counts(dispatch) == {"unsent": 1}
    assert world.sweep(seconds=15) == {"requeued": 1}


def test_one_part_shows_that_the_queue_is_away_still(world: World) -> None:
    dispatch = unsent(world, 103)
    world.queues.down.add(world.queues.url(DELIVERY))
    tried = world.queues.batches
    assert world.sweep() == {"postponed": 100}
    assert world.queues.batches == tried + 1
    world.queues.down.clear()
    world.clock.advance(HOUR)
    assert world.sweep() == {"requeued": 103}
    assert world.counts(dispatch) == {"queued": 103}


def test_a_run_has_a_limit(world: World) -> None:
    world.configure("UNSENT_PER_MINUTE", "100")
    unsent(world, 103)
    assert world.sweep() == {"requeued": 100}
    assert world.sweep() == {"requeued": 3}


def test_with_nothing_to_do_it_costs_a_few_requests(world: World) -> None:
    world.checks = False
    assert world.sweep() == {}
    assert dict(world.database.requests) == {"Query": 17}
    assert world.queues.batches == 0
