"""Fan out: messages for most recipients, rows for the exceptions."""

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.domain.fanning import ChunkRange
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import FanOutMessage
from chalicelib.domain.times import later
from chalicelib.services import fan_out
from chalicelib.services.errors import MissingError
from tests.support import factories
from tests.support.aws import World
from tests.support.factories import address_of, user_id, user_ids

FAN_OUT = "FAN_OUT_REGULAR_QUEUE_URL"
DELIVERY = "DELIVERY_REGULAR_QUEUE_URL"


def test_a_queued_recipient_has_a_message_and_no_row(world: World) -> None:
    world.knows([user_id(1)], name="Анна", locale="ru")
    dispatch = world.submit([user_id(1)])
    world.fan_out()
    (message,) = world.queues.waiting(DELIVERY)
    assert message.delivery == factories.delivery(dispatch.id, name="Анна", locale="ru")
    assert (message.group, message.delay) == (factories.SHOP.author, 0)
    assert world.rows() == {}
    assert world.counts(dispatch) == {"queued": 1}


def test_exceptions_get_a_row_a_reason_and_a_letter(world: World) -> None:
    users = user_ids(8)
    world.knows(users)
    world.unsubscribes(users[0], "*")
    world.unsubscribes(users[1], "mail")
    world.unsubscribes(users[2], "telegram")
    world.knows([users[3]], email=None)
    world.knows([users[4]], email="not an address")
    world.knows([users[5]], email="")
    dispatch = world.submit([*users, user_id(99)])
    world.fan_out()
    assert world.letters(dispatch) == "nn.www..w"
    assert world.counts(dispatch) == {"queued": 3, "unsubscribed": 2, "wrong_contact": 4}
    assert {user: row["reason"] for user, row in world.rows().items()} == {
        users[0]: "unsubscribed",
        users[1]: "unsubscribed",
        users[3]: "no email",
        users[4]: "not a valid email",
        users[5]: "no email",
        user_id(99): "unknown to the directory",
    }
    row = world.row(users[4])
    assert (row["chunk"], row["position"], row["dispatch_id"]) == (0, 4, dispatch.id)
    assert row["notification_id"] == dispatch.notification_id
    assert row["expires_at"] == int(factories.START.timestamp()) + 30 * 86_400
    assert all("attention" not in row for row in world.rows().values())


def test_what_sqs_refuses_is_unsent_and_the_rest_queued(world: World) -> None:
    users = user_ids(25)
    world.knows(users)
    refused = {users[3], users[17]}
    world.queues.refuses = lambda body: any(user in body for user in refused)
    dispatch = world.submit(users)
    world.fan_out()
    assert world.counts(dispatch) == {"queued": 23, "unsent": 2}
    row = world.row(users[3])
    assert (row["status"], row["reason"], row["address"]) == (
        "unsent",
        "queue unavailable",
        address_of(users[3]),
    )
    assert row["attention"].startswith("unsent#regular#")
    assert row["attention_at"] == "2026-11-23T10:00:00.000Z"


def test_when_the_queue_is_away_everybody_is_unsent(world: World) -> None:
    users = user_ids(100)
    world.knows(users)
    world.queues.down.add(world.queues.url(DELIVERY))
    dispatch = world.submit(users)
    world.fan_out()
    assert world.counts(dispatch) == {"unsent": 100}
    assert world.queues.batches == 2  # the fan-out message, and the one batch that shows it


def test_when_the_directory_is_away_everybody_is_unsent_but_who_is_unsubscribed(world: World) -> None:
    users = user_ids(3)
    world.knows(users)
    world.unsubscribes(users[1], "*")
    dispatch = world.submit(users)
    world.database.fail("BatchGetItem", if_body='"contacts"')
    world.fan_out()
    assert world.letters(dispatch) == "unu"
    assert world.row(users[0])["reason"] == "directory unavailable"
    assert "address" not in world.row(users[0])


def test_a_chunk_worked_twice_leaves_everybody_with_one_sending(world: World) -> None:
    users = user_ids(5)
    world.knows(users)
    world.unsubscribes(users[0], "*")
    dispatch = world.submit(users)
    world.queues.put(FAN_OUT, world.queues.waiting(FAN_OUT)[0].body)
    world.fan_out()
    assert len(world.queues.waiting(DELIVERY)) == 8
    assert world.counts(dispatch) == {"queued": 4, "unsubscribed": 1}
    world.settle()
    assert world.counts(dispatch) == {"sent": 4, "unsubscribed": 1}
    assert set(world.channel.addresses().values()) == {1}


def test_worked_again_after_the_sending_a_refusing_queue_makes_nobody_unsent(world: World) -> None:
    users = user_ids(5)
    world.knows(users)
    dispatch = world.submit(users)
    body = world.queues.waiting(FAN_OUT)[0].body
    world.settle()
    world.queues.put(FAN_OUT, body)
    world.queues.down.add(world.queues.url(DELIVERY))
    world.fan_out()
    assert world.counts(dispatch) == {"sent": 5}
    assert set(world.statuses().values()) == {"sent"}


def test_a_cancelled_dispatch_is_left_alone(world: World) -> None:
    dispatch = world.submit(user_ids(3))
    world.cancel(dispatch)
    assert world.fan_out() == 1
    assert not world.queues.waiting(DELIVERY)
    assert not world.queues.waiting(FAN_OUT)
    assert world.counts(dispatch) == {"cancelled": 3}


def test_who_was_refused_before_the_dispatch_was_cancelled_counts_as_that_though_the_letter_was_lost(
    world: World,
) -> None:
    dispatch = world.submit(user_ids(3))  # whom nobody knows
    world.database.fail("UpdateItem", "progress")
    world.fan_out()
    world.cancel(dispatch)
    world.settle(seconds=400)
    assert world.counts(dispatch) == {"wrong_contact": 3}


def test_a_message_of_an_unknown_dispatch_comes_again_and_ends_as_a_dead_letter(world: World) -> None:
    world.queues.put(FAN_OUT, FanOutMessage("nothing", ChunkRange(0, 1)).dump())
    for _ in range(5):
        world.clock.advance(360)
        world.checks = False
        assert world.fan_out() == 1
    assert not world.queues.waiting(FAN_OUT)
    assert len(world.queues.waiting("FAN_OUT_REGULAR_DEAD_QUEUE_URL")) == 1


def test_a_chunk_that_is_not_there_is_an_error(world: World) -> None:
    dispatch = world.submit(user_ids(1))
    with pytest.raises(MissingError, match="chunk 7"):
        fan_out.fan_out(FanOutMessage(dispatch.id, ChunkRange(7, 8)), Lane.REGULAR, "shop", world.clock)


def test_a_wide_range_is_split_and_each_hundred_due_a_step_later(world: World) -> None:
    users = user_ids(250)
    world.knows(users)
    world.submit(users)
    assert world.fan_out(limit=1) == 1
    parts = [each.fan_out.chunks for each in world.queues.waiting(FAN_OUT)]
    assert parts == [ChunkRange(0, 1), ChunkRange(1, 2), ChunkRange(2, 3)]
    world.clock.advance(20)
    world.fan_out()
    delays = {(each.delivery.chunk, each.delay) for each in world.queues.waiting(DELIVERY)}
    assert delays == {(0, 0), (1, 40), (2, 100)}  # what is left, twenty seconds on


def test_what_is_due_later_than_a_queue_can_delay_hops(world: World) -> None:
    world.configure("THROTTLE_STEP_SECONDS", "1000")
    users = user_ids(201)
    world.knows(users)
    world.submit(users)
    world.fan_out(limit=1)
    assert [each.delay for each in world.queues.waiting(FAN_OUT)] == [0, 100, 900]
    for seconds in (0, 100, 900, 1100):
        world.clock.now = later(factories.START, seconds)
        world.fan_out()
    assert not world.queues.waiting(FAN_OUT)
    due = {
        (each.delivery.chunk, (each.due - factories.START).total_seconds())
        for each in world.queues.waiting(DELIVERY)
    }
    assert due == {(0, 0), (1, 1000), (2, 2000)}


@pytest.mark.parametrize(
    ("operation", "table"),
    [
        ("GetItem", "dispatches"),
        ("GetItem", "audiences"),
        ("BatchGetItem", "unsubscribes"),
        ("PutItem", "users"),
        ("UpdateItem", "progress"),
    ],
)
def test_after_a_crash_at_any_step_the_chunk_is_worked_again(
    world: World, operation: str, table: str
) -> None:
    users = user_ids(4)
    world.knows(users[:3])
    dispatch = world.submit(users)
    world.checks = False  # its reads would meet the fault
    world.database.fail(operation, if_body=f'"{table}')
    world.fan_out()
    world.checks = True
    world.check()
    world.clock.advance(360)
    world.settle()
    assert world.counts(dispatch) == {"sent": 3, "wrong_contact": 1}
    assert set(world.channel.addresses().values()) == {1}


def test_all_letters_of_a_chunk_fit_into_one_write(world: World) -> None:
    world.queues.down.add(world.queues.url(DELIVERY))
    users = user_ids(100)
    world.knows(users)
    world.submit(users)
    seen = world.database.record("UpdateItem", "progress")
    world.fan_out()
    (request,) = seen
    assert len(request["UpdateExpression"].encode()) <= 4096  # what DynamoDB takes


def test_a_lost_answer_of_a_row_changes_nothing(world: World) -> None:
    lost = world.database.lose_answers("PutItem")
    world.queues.down.add(world.queues.url(DELIVERY))
    world.knows(user_ids(2))
    dispatch = world.submit(user_ids(3))
    lost.clear()
    world.fan_out()
    assert len(lost) == 3
    assert world.letters(dispatch) == "uuw"


def test_contacts_of_a_directory_that_raises_midway(world: World) -> None:
    world.knows(user_ids(2))
    dispatch = world.submit(user_ids(2))
    world.database.fail("BatchGetItem", if_body='"contacts"', error=EndpointConnectionError(endpoint_url="x"))
    world.fan_out()
    assert world.counts(dispatch) == {"unsent": 2}
    assert world.sweep() == {"requeued": 2}
    world.settle()
    assert world.counts(dispatch) == {"sent": 2}
