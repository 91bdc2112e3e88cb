"""Submit: what is accepted is kept, once, whatever fails."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.domain.lanes import Lane
from chalicelib.services.errors import ConflictingRepeatError, InvalidFieldError, TooManyError
from chalicelib.services.rights import Principal
from chalicelib.services.submit import Accepted, submit
from chalicelib.tables.audiences import read_chunk
from tests.support.aws import World
from tests.support.factories import SHOP, START, submission, user_id, user_ids

REGULAR = "FAN_OUT_REGULAR_QUEUE_URL"
DAY = 86_400
EXPIRES_AT = int(START.timestamp()) + 2 * 60 + (30 + 16) * DAY
"""Of three chunks the last is due two minutes later; rows are kept 30 days, what they name 16 days more."""


def post(world: World, **changes: Any) -> Accepted:
    return submit(submission(user_ids(3), **{"key": "k", "body_hash": "h", **changes}), SHOP, world.clock())


def test_everything_is_written_before_one_message_goes_out(world: World) -> None:
    dispatch = world.submit(user_ids(250), title="A title", content_id="film-7")
    (notification,) = world.table("NOTIFICATIONS_TABLE")
    assert notification == {
        "id": dispatch.notification_id,
        "month": "2026-11",
        "author_month": "application:shop#2026-11",
        "type": "mail",
        "title": "A title",
        "text": "Text",
        "content_id": "film-7",
        "is_express": False,
        "author": "application:shop",
        "created_at": "2026-11-23T10:00:00.000Z",
        "dispatch_id": dispatch.id,
        "expires_at": EXPIRES_AT,
    }
    (row,) = world.table("DISPATCHES_TABLE")
    assert (row["recipients"], row["chunks"], row["due_at"]) == (250, 3, "2026-11-23T10:00:00.000Z")
    assert "pending" not in row
    assert row["expires_at"] == EXPIRES_AT
    assert {chunk["expires_at"] for chunk in world.table("AUDIENCES_TABLE")} == {EXPIRES_AT}
    assert [len(read_chunk(dispatch.audience_id, chunk) or []) for chunk in range(3)] == [100, 100, 50]
    (message,) = world.queues.waiting(REGULAR)
    assert (message.fan_out.chunks.first, message.fan_out.chunks.last) == (0, 3)
    assert (message.group, message.delay) == ("application:shop", 0)


def test_express_goes_its_own_way(world: World) -> None:
    world.submit(user_ids(1), is_express=True)
    assert len(world.queues.waiting("FAN_OUT_EXPRESS_QUEUE_URL")) == 1
    assert not world.queues.waiting(REGULAR)


def test_a_user_named_twice_in_two_spellings_is_one_recipient(world: World) -> None:
    plain = UUID(user_id(10))
    spelled = UUID(f"urn:uuid:{str(plain).upper()}")
    braced = UUID("{" + plain.hex + "}")
    asked = submission([], users=[plain, UUID(user_id(2)), spelled, braced])
    dispatch = submit(asked, SHOP, world.clock()).dispatch
    assert dispatch.recipients == 2
    assert read_chunk(dispatch.audience_id, 0) == [user_id(10), user_id(2)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "pigeon"}, "type"),
        ({"title": "t" * 201}, "title"),
        ({"text": "t" * 50_001}, "text"),
        ({"users": []}, "users"),
    ],
)
def test_a_field_that_cannot_be_is_refused_and_nothing_written(
    world: World, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidFieldError) as refusal:
        submit(submission(user_ids(1), **changes), SHOP, world.clock())
    assert refusal.value.field == field
    assert not world.database.requests


def test_more_users_than_the_limit_are_too_many(world: World) -> None:
    with pytest.raises(TooManyError):
        submit(submission([], users=[UUID(int=1)] * 100_001), SHOP, world.clock())


def test_the_largest_audience_is_a_thousand_chunks(world: World) -> None:
    world.checks = False
    users = user_ids(100_000)
    dispatch = world.submit(users)
    chunks = world.table("AUDIENCES_TABLE")
    assert len(chunks) == dispatch.chunks == 1_000
    assert world.database.requests["BatchWriteItem"] == 40
    assert {item["part"] for item in chunks} == {f"{dispatch.audience_id}#{part}" for part in range(10)}
    assert read_chunk(dispatch.audience_id, 999) == users[-100:]
    assert len(world.queues.waiting(REGULAR)) == 1


def test_a_queue_out_of_reach_leaves_it_to_the_sweep(world: World) -> None:
    world.queues.down.add(world.queues.url(REGULAR))
    dispatch = world.submit(user_ids(1))
    assert [row["pending"] for row in world.table("DISPATCHES_TABLE")]
    world.clock.advance(59)
    assert world.sweep() == {}
    world.clock.advance(1)
    assert world.sweep() == {}  # the queue is still away
    world.queues.down.clear()
    world.clock.advance(60)
    assert world.sweep() == {"dispatches sent": 1}
    assert [each.fan_out.dispatch_id for each in world.queues.waiting(REGULAR)] == [dispatch.id]
    assert world.sweep() == {}


def test_a_mark_that_cannot_be_removed_is_no_reason_to_refuse(world: World) -> None:
    world.database.fail("UpdateItem", "dispatches")
    world.knows(user_ids(3))
    dispatch = world.submit(user_ids(3))
    world.settle()
    world.clock.advance(60)
    assert world.sweep() == {"dispatches sent": 1}
    world.settle()
    assert world.counts(dispatch) == {"sent": 3}
    assert set(world.channel.addresses().values()) == {1}


# Idempotency-Key


def test_a_repeat_is_told_of_the_first_and_sends_nothing(world: World) -> None:
    first, second = post(world), post(world)
    assert (first.is_repeat, second.is_repeat) == (False, True)
    assert second.dispatch.id == first.dispatch.id
    assert second.notification.id == first.notification.id
    assert len(world.queues.waiting(REGULAR)) == 1
    assert len(world.table("NOTIFICATIONS_TABLE")) == 1


def test_the_same_key_with_another_body_is_a_conflict(world: World) -> None:
    post(world)
    with pytest.raises(ConflictingRepeatError):
        post(world, body_hash="other")


def test_a_key_belongs_to_its_principal(world: World) -> None:
    first = post(world)
    asked = submission(user_ids(3), key="k", body_hash="other")
    second = submit(asked, Principal("application", "cinema"), world.clock())
    assert not second.is_repeat
    assert second.dispatch.id != first.dispatch.id


def test_a_key_is_forgotten_after_a_day(world: World) -> None:
    first = post(world)
    world.clock.advance(DAY - 1)
    assert post(world).is_repeat
    world.clock.advance(1)
    late = post(world, body_hash="other")
    assert not late.is_repeat
    assert late.dispatch.id != first.dispatch.id


def test_at_the_same_time_one_key_makes_one_dispatch(world: World) -> None:
    with ThreadPoolExecutor(4) as pool:
        accepted = list(pool.map(lambda _: post(world), range(4)))
    assert len({each.dispatch.id for each in accepted}) == 1
    assert len(world.table("DISPATCHES_TABLE")) == 1
    assert len(world.table("NOTIFICATIONS_TABLE")) == 1
    assert [each.is_repeat for each in accepted].count(False) == 1


@pytest.mark.parametrize(
    ("operation", "table"),
    [
        ("PutItem", "requests"),
        ("PutItem", "notifications"),
        ("BatchWriteItem", "audiences"),
        ("PutItem", "dispatches"),
    ],
)
def test_after_a_crash_at_any_write_a_repeat_goes_on(world: World, operation: str, table: str) -> None:
    world.database.fail(operation, if_body=f'"{table}"')
    with pytest.raises(EndpointConnectionError):
        post(world)
    assert not world.queues.waiting(REGULAR)
    world.knows(user_ids(3))
    accepted = post(world)
    assert accepted.is_repeat == (table != "requests")
    world.settle()
    assert world.counts(accepted.dispatch) == {"sent": 3}
    assert len(world.table("NOTIFICATIONS_TABLE")) == len(world.table("DISPATCHES_TABLE")) == 1


def test_a_repeat_hands_over_what_is_still_pending(world: World) -> None:
    world.queues.down.add(world.queues.url(REGULAR))
    post(world)
    world.queues.down.clear()
    assert post(world).is_repeat
    assert len(world.queues.waiting(REGULAR)) == 1
    assert all("pending" not in row for row in world.table("DISPATCHES_TABLE"))


@pytest.mark.parametrize(
    ("operation", "table"), [("PutItem", "requests"), ("PutItem", "dispatches"), ("UpdateItem", "dispatches")]
)
def test_a_lost_answer_changes_nothing(world: World, operation: str, table: str) -> None:
    lost = world.database.lose_answers(operation)
    accepted = post(world)
    assert any(f'"{table}"' in body for body in lost)
    assert not accepted.is_repeat
    assert len(world.queues.waiting(REGULAR)) == 1
    (row,) = world.table("DISPATCHES_TABLE")
    assert "pending" not in row


def test_lanes_have_their_own_pending_marks(world: World) -> None:
    for lane in Lane:
        world.queues.down.add(world.queues.url(f"FAN_OUT_{lane.upper()}_QUEUE_URL"))
    world.submit(user_ids(1))
    world.submit(user_ids(1), is_express=True)
    world.queues.down.clear()
    world.clock.advance(60)
    assert world.sweep() == {"dispatches sent": 2}
    assert len(world.queues.waiting(REGULAR)) == len(world.queues.waiting("FAN_OUT_EXPRESS_QUEUE_URL")) == 1
