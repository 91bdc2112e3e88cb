"""Deliver: each message one sending, and nothing lost whatever happens to it."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib.channels.base import Letter
from chalicelib.domain.backoff import attempt_limit
from chalicelib.domain.lanes import Lane
from chalicelib.domain.results import Permanent, RateLimited, Retryable
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso, later
from chalicelib.security import SecretUnavailableError, read_unsubscribe_link
from chalicelib.services.letters import KEPT_NOTIFICATIONS, _notifications, remember_notifications
from chalicelib.services.recipients import recipient_of, record_letters
from chalicelib.tables import activity
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.notifications import Notification
from chalicelib.tables.unsubscribes import Unsubscribe
from chalicelib.tables.users_notifications import UsersNotification, add_exception
from tests.support import factories
from tests.support.aws import FUNCTION_SECONDS, SECRETS, World
from tests.support.factories import START, address_of, user_id, user_ids

DELIVERY = "DELIVERY_REGULAR_QUEUE_URL"
ANNA = user_id(1)


def queued(world: World, users: list[str] | None = None, **changes: Any) -> Dispatch:
    """A dispatch whose delivery messages wait in their queue."""
    users = users or [ANNA]
    world.knows(users)
    dispatch = world.submit(users, **changes)
    world.fan_out(Lane.EXPRESS)
    world.fan_out(Lane.REGULAR)
    return dispatch


def test_a_letter_says_what_was_posted_and_how_to_stop_it(world: World) -> None:
    dispatch = queued(world, title="A title", text="A text")
    world.deliver()
    (letter,) = world.channel.sent
    assert (letter.title, letter.text, letter.address) == ("A title", "A text", address_of(ANNA))
    assert (letter.name, letter.locale) == ("Anna", "en")
    address, _, token = letter.unsubscribe_url.rstrip("/").rpartition("/")
    assert address == "https://vestnik.example/api/v1/unsubscribes/link"
    assert read_unsubscribe_link(SECRETS["link"], token) == (ANNA, "mail")
    row = world.row(ANNA)
    assert (row["status"], row["attempts"], row["provider_id"]) == ("sent", 1, "250 Ok")
    assert world.letters(dispatch) == "s"
    assert not world.queues.waiting(DELIVERY)


def test_a_language_that_we_do_not_speak_becomes_the_default(world: World) -> None:
    world.knows([ANNA], locale="tlh")
    world.submit([ANNA])
    world.settle()
    assert world.channel.sent[0].locale == "en"


def test_what_is_refused_for_good_has_failed(world: World) -> None:
    dispatch = queued(world)
    world.channel.by_default = Permanent("smtp 550: no such user")
    world.deliver()
    row = world.row(ANNA)
    assert (row["status"], row["reason"], row["attempts"]) == ("failed", "smtp 550: no such user", 1)
    assert row["attention"] == f"failed#{dispatch.id}"
    assert world.counts(dispatch) == {"failed": 1}
    assert not world.queues.waiting(DELIVERY)


def test_what_may_yet_succeed_comes_again_later(world: World) -> None:
    dispatch = queued(world)
    world.channel.answers[address_of(ANNA)] = [Retryable("smtp 451: busy")]
    world.deliver()
    row = world.row(ANNA)
    assert (row["status"], row["reason"], row["attempts"]) == ("queued", "smtp 451: busy", 1)
    (hop,) = world.queues.waiting(DELIVERY)
    assert 22 <= hop.delay <= 38  # thirty seconds, with a quarter of jitter
    assert iso(hop.due) >= row["not_before"] > iso(START)
    assert hop.group == factories.SHOP.author
    assert world.counts(dispatch) == {"queued": 1}
    world.settle(seconds=60)
    assert world.counts(dispatch) == {"sent": 1}
    assert world.row(ANNA)["attempts"] == 2


def test_express_comes_again_sooner(world: World) -> None:
    queued(world, is_express=True)
    world.channel.answers[address_of(ANNA)] = [Retryable("busy")]
    world.deliver(Lane.EXPRESS)
    (hop,) = world.queues.waiting("DELIVERY_EXPRESS_QUEUE_URL")
    assert 2 <= hop.delay <= 4


def test_after_four_hours_it_is_given_up(world: World) -> None:
    dispatch = queued(world)
    world.channel.by_default = Retryable("smtp 451: busy")
    world.settle(seconds=6 * 3600)
    row = world.row(ANNA)
    assert (row["status"], row["reason"]) == ("failed", "given up: smtp 451: busy")
    assert row["attempts"] == len(world.channel.sent) == attempt_limit(Lane.REGULAR)
    assert 3 * 3600 <= (world.clock() - START).total_seconds() <= 5 * 3600
    assert world.counts(dispatch) == {"failed": 1}


def test_a_rate_limit_uses_up_no_attempt(world: World) -> None:
    dispatch = queued(world)
    world.channel.answers[address_of(ANNA)] = [RateLimited("slow down", 1800)]
    world.deliver()
    row = world.row(ANNA)
    assert (row["status"], row["attempts"]) == ("queued", 0)
    assert row["not_before"] == iso(later(START, 1800))
    assert world.queues.waiting(DELIVERY)[0].delay == 900  # and another such hop then
    world.settle(seconds=1799)
    assert len(world.channel.sent) == 1
    world.settle(seconds=901)
    assert world.counts(dispatch) == {"sent": 1}


def test_who_unsubscribes_after_the_fan_out_is_not_sent_to(world: World) -> None:
    dispatch = queued(world)
    world.unsubscribes(ANNA, "mail")
    world.deliver()
    assert not world.channel.sent
    assert world.row(ANNA)["status"] == "unsubscribed"
    assert world.counts(dispatch) == {"unsubscribed": 1}


def test_another_channels_refusal_does_not_count(world: World) -> None:
    queued(world)
    world.unsubscribes(ANNA, "telegram")
    world.deliver()
    assert len(world.channel.sent) == 1


def test_a_second_message_of_a_recipient_sends_nothing_and_repairs_the_letter(world: World) -> None:
    dispatch = queued(world)
    body = world.queues.waiting(DELIVERY)[0].body
    world.database.fail("UpdateItem", "progress")
    world.queues.put(DELIVERY, body)
    world.deliver()
    assert world.statuses() == {ANNA: "sent"}
    assert world.letters(dispatch) == "."
    world.clock.advance(360)
    world.deliver()
    assert world.letters(dispatch) == "s"
    assert len(world.channel.sent) == 1


def test_while_another_holds_the_row_the_message_hops(world: World) -> None:
    dispatch = queued(world)
    until = later(START, 65)
    UsersNotification(
        ANNA, dispatch.id, notification_id=dispatch.notification_id, chunk=0, position=0, status="sending",
        lease_owner="other", lease_until=iso(until), due_at=iso(START), updated_at=iso(START), expires_at=1,
    ).save()  # fmt: skip
    world.deliver()
    assert not world.channel.sent
    (hop,) = world.queues.waiting(DELIVERY)
    assert (hop.due, hop.receives) == (until, 0)
    world.settle(seconds=70)
    assert world.counts(dispatch) == {"sent": 1}


def test_a_lease_outlives_its_invocation(world: World) -> None:
    queued(world, is_express=True)
    leases = []
    world.channel.on_send = lambda letter: leases.append(world.row(ANNA)["lease_until"])
    world.deliver(Lane.EXPRESS)
    assert leases == [iso(later(START, 20 + 5))]


def test_without_time_for_the_longest_send_messages_go_back_untouched(world: World) -> None:
    dispatch = queued(world, user_ids(3))
    assert world.deliver(limit=3, seconds=13.9) == 3
    assert not world.channel.sent
    assert world.rows() == {}
    assert [each.delay for each in world.queues.waiting(DELIVERY)] == [0, 0, 0]
    world.deliver(seconds=14)
    assert world.counts(dispatch) == {"sent": 3}


def test_a_slow_server_makes_the_rest_of_a_batch_go_back(world: World) -> None:
    dispatch = queued(world, user_ids(5), is_express=True)
    world.channel.on_send = lambda letter: world.clock.advance(4)
    assert world.deliver(Lane.EXPRESS, limit=5) == 5
    assert len(world.channel.sent) == 2
    assert world.counts(dispatch) == {"queued": 3, "sent": 2}
    assert len(world.rows()) == 2
    assert len(world.queues.waiting("DELIVERY_EXPRESS_QUEUE_URL")) == 3


def test_a_cancelled_dispatch_sends_nothing(world: World) -> None:
    dispatch = queued(world, user_ids(2))
    world.cancel(dispatch)
    world.deliver()
    assert not world.channel.sent
    assert not world.queues.waiting(DELIVERY)
    assert world.counts(dispatch) == {"cancelled": 2}


def test_who_was_sent_before_the_dispatch_was_cancelled_counts_as_sent_though_the_letter_was_lost(
    world: World,
) -> None:
    dispatch = queued(world, user_ids(2))
    world.database.fail("UpdateItem", "progress")
    world.deliver(limit=1)
    world.cancel(dispatch)
    world.database.fail("BatchGetItem", if_body='"users_notifications"')
    world.settle(seconds=800)
    assert world.counts(dispatch) == {"sent": 1, "cancelled": 1}


def test_a_message_of_an_unknown_dispatch_is_reported_and_harms_no_other(world: World) -> None:
    dispatch = queued(world, user_ids(2))
    bodies = [
        factories.delivery("nothing", user_id(9)).dump(),
        *(each.body for each in world.queues.waiting(DELIVERY)),
        "not ours",
        json.dumps({"v": 1, "dispatch": 5, "user": "u", "at": [0, 0], "address": "a"}),
    ]
    handler = world.handlers[DELIVERY]
    assert world.invoke(handler, DELIVERY, bodies, 60) == {0, 3, 4}
    assert world.counts(dispatch) == {"sent": 2}


def test_a_batch_of_nothing_known_asks_nobody(world: World) -> None:
    assert world.invoke(world.handlers[DELIVERY], DELIVERY, ["not ours"], 60) == {0}
    assert not world.database.requests


def test_a_sending_that_breaks_harms_no_other_and_ends_as_a_dead_letter(world: World) -> None:
    users = user_ids(3)
    dispatch = queued(world, users)
    world.channel.answers[address_of(users[1])] = [RuntimeError("broken") for _ in range(9)]
    world.deliver()
    assert world.counts(dispatch) == {"queued": 1, "sent": 2}
    world.settle(seconds=5 * 360)
    assert world.channel.addresses()[address_of(users[1])] == 5
    assert world.counts(dispatch) == {"failed": 1, "sent": 2}
    assert world.row(users[1])["reason"] == "dead_letter"


def test_a_secret_out_of_reach_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(secret_id: str) -> dict[str, str]:
        raise SecretUnavailableError(secret_id)

    dispatch = queued(world)
    with monkeypatch.context() as patch:
        patch.setattr("chalicelib.security.read_secret", unavailable)
        world.deliver()
    assert world.row(ANNA)["reason"] == "cannot send yet: link"
    assert not world.channel.sent
    world.settle(seconds=60)
    assert world.counts(dispatch) == {"sent": 1}


def test_a_progress_that_cannot_be_written_brings_the_messages_again(world: World) -> None:
    dispatch = queued(world, user_ids(3))
    world.database.fail("UpdateItem", "progress")
    world.deliver()
    assert [each.receives for each in world.queues.waiting(DELIVERY)] == [1, 1, 1]
    world.settle(seconds=360)
    assert world.counts(dispatch) == {"sent": 3}
    assert len(world.channel.sent) == 3


@pytest.mark.parametrize("table", ["dispatches", "unsubscribes", "notifications"])
@pytest.mark.parametrize("lane", Lane)
def test_an_outage_while_reading_puts_the_batch_off_however_often(
    world: World, table: str, lane: Lane
) -> None:
    dispatch = queued(world, user_ids(2), is_express=lane is Lane.EXPRESS)
    world.database.fail("BatchGetItem", if_body=f'"{table}"', times=8)
    world.settle(seconds=8 * 40)
    assert not world.crashes
    assert world.counts(dispatch) == {"sent": 2}
    assert set(world.channel.addresses().values()) == {1}


@pytest.mark.parametrize("lane", Lane)
def test_an_outage_at_the_claim_puts_the_message_off_and_harms_no_other(world: World, lane: Lane) -> None:
    dispatch = queued(world, user_ids(3), is_express=lane is Lane.EXPRESS)
    world.database.fail("UpdateItem", "users_notifications", times=8)
    world.settle(seconds=8 * 40)
    assert world.counts(dispatch) == {"sent": 3}
    assert set(world.channel.addresses().values()) == {1}


def test_what_the_database_refuses_for_good_counts_towards_the_dead_letters(world: World) -> None:
    dispatch = queued(world)
    broken = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "UpdateItem")
    world.database.fail("UpdateItem", "users_notifications", times=5, error=broken)
    world.settle(seconds=5 * 360)
    assert world.counts(dispatch) == {"failed": 1}
    assert world.row(ANNA)["reason"] == "dead_letter"


def test_a_short_outage_after_the_send_is_waited_out_so_that_nothing_is_sent_twice(world: World) -> None:
    dispatch = queued(world)
    world.database.fail("UpdateItem", "users_notifications", if_body='"sent"', times=12)
    world.deliver()
    assert world.counts(dispatch) == {"sent": 1}
    assert set(world.channel.addresses().values()) == {1}
    assert not world.queues.waiting(DELIVERY)


def test_an_outage_that_outlasts_the_function_after_the_send_leaves_the_message_to_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_reach(*_: object) -> bool:
        raise EndpointConnectionError(endpoint_url="https://dynamodb")

    dispatch = queued(world)
    started = world.clock()
    with monkeypatch.context() as patch:
        patch.setattr("chalicelib.services.deliver.write_outcome", out_of_reach)
        world.deliver()
    assert FUNCTION_SECONDS / 2 < (world.clock() - started).total_seconds() < FUNCTION_SECONDS
    (kept,) = world.queues.waiting(DELIVERY)
    assert kept.receives == 1
    world.settle(seconds=400)
    assert world.counts(dispatch) == {"sent": 1}
    assert len({letter.id for letter in world.channel.sent}) == 1


def test_nothing_is_sent_when_what_comes_before_was_slow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch = queued(world)

    def slowly(*_: object) -> Letter:
        world.clock.advance(FUNCTION_SECONDS - 5)
        return factories.letter()

    with monkeypatch.context() as patch:
        patch.setattr("chalicelib.services.deliver.write_letter", slowly)
        world.deliver(limit=1)
    assert not world.channel.sent
    assert (world.row(ANNA)["status"], world.row(ANNA)["attempts"]) == ("queued", 0)
    world.settle(seconds=10)
    assert world.counts(dispatch) == {"sent": 1}


def test_without_a_public_address_nothing_is_sent_yet(world: World) -> None:
    dispatch = queued(world)
    world.configure("PUBLIC_URL", "")
    world.deliver()
    assert not world.channel.sent
    assert "PUBLIC_URL" in world.row(ANNA)["reason"]
    world.configure("PUBLIC_URL", "https://vestnik.example.org")
    world.settle(seconds=60)
    assert world.counts(dispatch) == {"sent": 1}


def test_a_provider_that_only_says_wait_is_given_up_after_a_day(world: World) -> None:
    dispatch = queued(world)
    world.channel.by_default = RateLimited("slow down", 900)
    world.settle(seconds=3 * 900)
    assert (world.row(ANNA)["status"], world.row(ANNA)["attempts"]) == ("queued", 0)
    world.clock.advance(24 * 3600)
    world.settle()
    assert world.counts(dispatch) == {"failed": 1}
    assert world.row(ANNA)["reason"] == "given up: slow down"


def test_an_unsent_letter_goes_when_the_queue_had_taken_the_message_after_all(world: World) -> None:
    dispatch = queued(world)
    waiting = world.queues.waiting(DELIVERY)[0]
    world.queues.take(DELIVERY, 1)
    recipient = recipient_of(dispatch, ANNA, 0, 0)
    add_exception(recipient, Status.UNSENT, "queue unavailable", Lane.REGULAR, world.clock())
    record_letters(dispatch, 0, {0: Status.UNSENT})
    world.queues.put(DELIVERY, waiting.body)
    world.channel.answers[address_of(ANNA)] = [Retryable("busy")]
    world.deliver()
    assert world.counts(dispatch) == {"queued": 1}
    world.settle(seconds=60)
    assert world.counts(dispatch) == {"sent": 1}


def test_a_user_whose_last_refusal_was_taken_back_is_sent_to(world: World) -> None:
    Unsubscribe(ANNA).save()
    dispatch = queued(world)
    world.deliver()
    assert world.counts(dispatch) == {"sent": 1}


def test_who_loses_the_lease_during_the_send_leaves_the_outcome_to_the_other(world: World) -> None:
    dispatch = queued(world)

    def another_takes_it(letter: Letter) -> None:
        UsersNotification.change(ANNA, dispatch.id, actions=[UsersNotification.lease_owner.set("other")])
        world.queues.put(DELIVERY, factories.delivery(dispatch.id).dump())

    world.channel.on_send = another_takes_it
    world.deliver(limit=1)
    assert world.row(ANNA)["status"] == "sending"
    assert world.letters(dispatch) == "."
    assert "mail sent" not in activity.counted(["2026-11-23T10:00Z"])[Lane.REGULAR]


def test_lost_answers_send_nobody_twice(world: World) -> None:
    dispatch = queued(world, user_ids(3))
    lost = world.database.lose_answers("UpdateItem")
    world.deliver()
    assert len(lost) == 3 + 3 + 1 + 1  # claims, outcomes, letters, activity
    assert world.counts(dispatch) == {"sent": 3}
    assert set(world.channel.addresses().values()) == {1}


def test_a_full_batch_costs_little_more_than_two_writes_each(world: World) -> None:
    queued(world, user_ids(10))
    world.checks = False
    world.database.requests.clear()
    world.deliver()
    assert dict(world.database.requests) == {"BatchGetItem": 2, "UpdateItem": 10 + 10 + 1 + 1}


def test_activity_counts_by_channel_and_outcome(world: World) -> None:
    users = user_ids(4)
    queued(world, users)
    world.channel.answers = {
        address_of(users[0]): [Permanent("no")],
        address_of(users[1]): [Retryable("busy")],
    }
    world.clock.advance(1.5)
    world.deliver()
    assert {item["minute"] for item in world.table("ACTIVITY_TABLE")} == {"2026-11-23T10:00Z"}
    assert activity.counted(["2026-11-23T10:00Z"]) == {
        Lane.EXPRESS: {},
        Lane.REGULAR: {
            "mail accepted": 4,
            "mail dispatches": 1,
            "mail sent": 2,
            "mail failed_refused": 1,
            "mail retried": 1,
            "latency 2": 2,
        },
    }


def test_activity_that_cannot_be_counted_is_no_matter(world: World) -> None:
    dispatch = queued(world)
    world.database.fail("UpdateItem", "activity")
    world.deliver()
    assert world.counts(dispatch) == {"sent": 1}
    assert "mail sent" not in activity.counted(["2026-11-23T10:00Z"])[Lane.REGULAR]


def test_a_warm_function_remembers_a_bounded_number_of_notifications(world: World) -> None:
    ids = [f"n{number}" for number in range(KEPT_NOTIFICATIONS + 8)]
    for each in ids:
        Notification(
            each,
            month="2026-11",
            type="mail",
            title="t",
            text="t",
            is_express=False,
            author="a",
            created_at="x",
        ).save()
    for each in ids:
        remember_notifications({each})
    assert list(_notifications) == ids[-KEPT_NOTIFICATIONS:]
    world.database.requests.clear()
    remember_notifications({ids[-1], ids[-2]})
    assert not world.database.requests
    first = ids[8]
    remember_notifications({first, ids[0]})
    assert {first, ids[0]} <= set(_notifications)
