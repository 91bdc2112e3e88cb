"""The harness itself: a fault that did not do what it says would prove nothing."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib import queues
from chalicelib.domain.results import Accepted
from chalicelib.domain.times import iso, later
from chalicelib.services import frequencies
from chalicelib.services.content import Content
from chalicelib.services.submit import submit
from chalicelib.settings import current
from chalicelib.tables.base import BatchUnprocessedError, batch_get, batch_put
from chalicelib.tables.contacts import Contact
from chalicelib.tables.unsubscribes import add_scope
from tests.faults.explorer import Explorer, every_fault, sampled
from tests.faults.points import held_by_mark
from tests.faults.rules import Rule
from tests.faults.scenarios import ACCEPTS, ANNA, BEN, EVA, SCENARIOS, SCHEDULED, TRY_LATER
from tests.faults.sqs import Message
from tests.faults.tables import Row
from tests.faults.violations import ViolationError, demand
from tests.faults.wire import FAULTS, Call, Fault, Kind, ProcessDiedError
from tests.faults.world import PUT_OFF_BY_SECONDS, World
from tests.support.factories import SHOP, START, delivery, submission, user_id

QUEUE = "DELIVERY_REGULAR_QUEUE_URL"
NEW = user_id(77)


@pytest.fixture
def world(faulty: World) -> World:
    faulty.begin(SCENARIOS[0], ACCEPTS)
    return faulty


def struck(world: World, fault: Fault, work: Callable[[], object]) -> BaseException | None:
    """Work as a process whose first call meets a fault; what was raised."""
    world.wire.calls.clear()
    world.wire.choose = lambda call: fault if call.number == 0 else None
    try:
        with world.wire.process("tried", lambda: None):
            work()
    except BaseException as error:
        return error
    finally:
        world.wire.choose = lambda call: None
    return None


def unsubscribed(world: World) -> bool:
    return NEW in {row["user_id"] for row in world.tables.rows("UNSUBSCRIBES_TABLE")}


@pytest.mark.parametrize(
    ("fault", "raised", "done"),
    [
        (Fault.THROTTLED, ClientError, False),
        (Fault.SERVER_ERROR, ClientError, False),
        (Fault.ECHO, None, True),
        (Fault.ANSWER_LOST, ReadTimeoutError, True),
        (Fault.DIES_BEFORE, ProcessDiedError, False),
        (Fault.DIES_AFTER, ProcessDiedError, True),
    ],
)
def test_what_a_fault_does_to_a_write(
    world: World, fault: Fault, raised: type[BaseException] | None, done: bool
) -> None:
    error = struck(world, fault, lambda: add_scope(NEW, "mail", START))
    cause = error.__cause__ if isinstance(error, Exception) and error.__cause__ else error
    assert (type(cause) if cause else None) is raised
    assert unsubscribed(world) is done


def test_a_dead_process_calls_nothing_more(world: World) -> None:
    def die_and_go_on() -> None:
        with pytest.raises(ProcessDiedError):
            add_scope(NEW, "mail", START)
        add_scope(NEW, "mail", START)

    assert isinstance(struck(world, Fault.DIES_BEFORE, die_and_go_on), ProcessDiedError)
    assert not unsubscribed(world)


def contacts(world: World) -> int:
    return len(list(world.tables.rows("CONTACTS_TABLE")))


def put_four() -> None:
    batch_put([Contact(user_id(number)) for number in range(90, 94)])


def test_the_rest_of_a_batch_is_told_and_can_be_put_again(world: World) -> None:
    before = contacts(world)
    assert struck(world, Fault.PART_ONCE, put_four) is None
    assert contacts(world) == before + 4
    assert len(world.wire.calls) == 2


def test_the_rest_of_a_batch_can_stay_undone(world: World) -> None:
    before = contacts(world)
    assert isinstance(struck(world, Fault.PART, put_four), BatchUnprocessedError)
    assert contacts(world) == before + 2


def test_a_part_of_what_is_read(world: World) -> None:
    found: list[Contact] = []

    def read() -> None:
        found.extend(batch_get({Contact: [ANNA, BEN, EVA]}, consistent=True)[Contact])

    assert struck(world, Fault.PART_ONCE, read) is None
    assert {contact.user_id for contact in found} == {ANNA, BEN, EVA}


@pytest.mark.parametrize(("fault", "refused", "sent"), [(Fault.PART_ONCE, [], 4), (Fault.PART, [2, 3], 2)])
def test_a_part_of_what_is_sent(world: World, fault: Fault, refused: list[int], sent: int) -> None:
    url = current().regular_queues.delivery
    outgoing = [queues.Outgoing(delivery(user=user_id(number)).dump(), "group") for number in range(1, 5)]
    said: list[int] = []
    assert struck(world, fault, lambda: said.extend(queues.send_all(url, outgoing))) is None
    assert said == refused
    assert len(world.sqs.queues[QUEUE].messages) == sent


def answers(world: World, monkeypatch: pytest.MonkeyPatch, *, long_way: bool) -> list[object]:
    """What requests of every kind are answered, from the same beginning."""
    world.begin(SCENARIOS[0], ACCEPTS)
    if long_way:
        monkeypatch.setattr(world.wire, "_serve", lambda service, operation, params: None)
    client = boto3.client("dynamodb", region_name="eu-central-1")
    key: Any = {"user_id": {"S": ANNA}, "dispatch_id": {"S": "d"}}
    chunk: Any = {"part": {"S": "a#0"}, "chunk": {"N": "0"}, "user_ids": {"B": b"\x00\xff" * 16}}
    with world.wire.off():
        said: list[object] = [
            client.put_item(TableName="users_notifications", Item={**key, "attempts": {"N": "1"}}),
            client.update_item(
                TableName="users_notifications",
                Key=key,
                UpdateExpression="SET attempts = :two, attention = :mark, attention_at = :now",
                ExpressionAttributeValues={":two": {"N": "2"}, ":mark": {"S": "m"}, ":now": {"S": "n"}},
                ReturnValues="ALL_NEW",
            ),
            client.query(
                TableName="users_notifications",
                IndexName="attention",
                KeyConditionExpression="attention = :mark",
                ExpressionAttributeValues={":mark": {"S": "m"}},
            ),
            client.batch_write_item(RequestItems={"audiences": [{"PutRequest": {"Item": chunk}}]}),
            client.get_item(TableName="audiences", Key={name: chunk[name] for name in ("part", "chunk")}),
            client.get_item(TableName="contacts", Key={"user_id": {"S": "nobody"}}),
            client.batch_get_item(RequestItems={"contacts": {"Keys": [{"user_id": {"S": ANNA}}]}}),
        ]
        with pytest.raises(ClientError) as refused:
            client.put_item(
                TableName="users_notifications",
                Item=key,
                ConditionExpression="attribute_not_exists(user_id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        with pytest.raises(ClientError) as wrong:
            client.get_item(TableName="contacts", Key={"nothing": {"S": "x"}})
    responses = [*said, refused.value.response, wrong.value.response]
    for response in responses:
        assert isinstance(response, dict)
        response.pop("ResponseMetadata")
        response.pop("message", None)  # botocore's copy of what stands in Error, too
    return responses


def test_the_short_way_to_moto_answers_as_the_long_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    short = answers(world, monkeypatch, long_way=False)
    assert short == answers(world, monkeypatch, long_way=True)


def test_a_message_that_is_received_too_often_is_dead(world: World) -> None:
    world.sqs.put(QUEUE, Message(1, "{}", "group", START))
    for _ in range(5):
        assert [each.id for each in world.sqs.receive(QUEUE, 10)] == [1]
        assert world.sqs.receive(QUEUE, 10) == []  # hidden
        world.clock.advance(world.sqs.queues[QUEUE].visibility_seconds)
    assert world.sqs.receive(QUEUE, 10) == []
    assert [variable for variable, _ in world.sqs.all()] == ["DELIVERY_REGULAR_DEAD_QUEUE_URL"]


def test_every_call_has_every_fault_that_can_strike_it(world: World) -> None:
    scenarios = (next(each for each in SCENARIOS if each.sent_again), *SCHEDULED)
    for scenario in scenarios:
        assert {call.kind for call in Explorer(world, scenario, TRY_LATER).calls} == set(Kind)
    calls = [Call(number, kind, "a call", 3600) for number, kind in enumerate(Kind)]
    struck = {strike.fault for each in scenarios for call in calls for strike in every_fault(each)(call)}
    assert struck == set(Fault)
    kinds = set(Kind)
    assert all(set(FAULTS[Kind.END]) < set(FAULTS[kind]) for kind in kinds - {Kind.END})


def test_parts_together_are_every_fault_at_every_call() -> None:
    for number, kind in enumerate([*Kind] * 4):
        call = Call(number, kind, "a call", 3600)
        parts = [every_fault(SCENARIOS[0], part, 3)(call) for part in (1, 2, 3)]
        assert all(parts)
        struck = sorted(strike.fault for part in parts for strike in part)
        assert struck == sorted(strike.fault for strike in every_fault(SCENARIOS[0])(call))


def the_only(world: World, variable: str) -> Row:
    (row,) = world.tables.rows(variable)
    return row


def test_what_others_do_to_what_waits_for_its_time(world: World) -> None:
    world.points.are_watched = False
    with world.wire.off():
        submit(submission([ANNA], send_at=later(START, 300)), SHOP, START)
    world.put_off()
    put_off = the_only(world, "DISPATCHES_TABLE")
    assert put_off["due_at"] == iso(later(START, PUT_OFF_BY_SECONDS))
    world.clock.advance(PUT_OFF_BY_SECONDS - 100)
    world.tick()
    world.all_that_is_due(sweeps=False)
    assert "pending" not in the_only(world, "DISPATCHES_TABLE")


def test_what_others_do_to_a_frequency(world: World) -> None:
    wanted = frequencies.Wanted(
        timing={"period": 3600}, content=Content("mail", "Title", "Text"), users=[UUID(ANNA)]
    )
    with world.wire.off():
        frequencies.create("news", wanted, SHOP, START)
    world.change_frequency()
    assert the_only(world, "FREQUENCIES_TABLE")["title"] == "Another"
    world.pause()
    assert the_only(world, "FREQUENCIES_TABLE")["is_paused"] is True
    world.delete_frequency()
    assert list(world.tables.rows("FREQUENCIES_TABLE")) == []


def test_a_rule_fires_in_the_first_minute_that_is_late_enough() -> None:
    rule = Rule(START)
    assert [rule.first_from(later(START, seconds)) for seconds in (-500, 60, 61, 120, 121)] == [
        later(START, minute) for minute in (60, 60, 120, 120, 180)
    ]
    rule.fired(later(START, 70))
    assert rule.first_from(START) == later(START, 130)


@pytest.mark.parametrize(
    ("dispatch", "held"),
    [
        ({}, []),
        ({"waiting": {"0-2"}}, []),
        ({"pending": "regular#0"}, [0, 1, 2, 3, 4]),
        ({"pending": "regular#0", "waiting": set()}, [0, 1, 2, 3, 4]),
        ({"pending": "regular#0", "waiting": {"0-2", "4-5"}}, [0, 1, 4]),
    ],
)
def test_whom_the_pending_mark_holds(dispatch: dict[str, Any], held: list[int]) -> None:
    is_held = held_by_mark(dispatch)
    assert [chunk for chunk in range(5) if is_held(chunk)] == held


def test_pairs_are_drawn_by_the_seed() -> None:
    calls = [Call(number, Kind.AWS, "a call") for number in range(50)]

    def drawn(seed: int) -> list[object]:
        return [sampled(SCENARIOS[0], calls, 30, seed)(call) for call in calls]

    assert drawn(1) == drawn(1) != drawn(2)
    assert sum(map(len, drawn(1))) == 30  # type: ignore[arg-type]


def test_a_violation_in_a_copy_is_told_here(faulty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = Explorer(faulty, SCENARIOS[0], ACCEPTS)
    monkeypatch.setattr(faulty, "sweep", lambda: demand(False, 3, "as the test wants it"))
    (run,) = explorer.explore(
        lambda call: [s for s in every_fault(SCENARIOS[0])(call) if s.fault is Fault.SWEEP][
            : call.number == 9
        ]
    )
    assert run.violation is not None
    assert f"{ViolationError.__name__}: point 3: as the test wants it" in run.violation
    assert "call 9" in run.call


def test_an_answer_of_try_later_is_given_once() -> None:
    assert TRY_LATER.of(ANNA, 0) != TRY_LATER.of(ANNA, 1) == Accepted("250 Ok")
