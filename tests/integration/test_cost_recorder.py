"""The recorder sees every call of a function, prices it by the items before and after, guesses nothing."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from chalicelib import queues
from chalicelib.domain.lanes import Lane
from chalicelib.tables.dispatches import Dispatch, add_pending, unmark_pending
from tests.cost.ledger import Amount, Ledger, Line
from tests.cost.recorder import UnknownCallError
from tests.cost.scenarios import Stage, stage
from tests.support import factories


@pytest.fixture
def scene() -> Iterator[Stage]:
    with stage() as opened:
        yield opened


def spent(scene: Stage, operation: str) -> Amount:
    return scene.recorder.ledger().total(lambda line: line.operation == operation)


def test_a_write_costs_its_item_and_each_index_entry_that_changes(scene: Stage) -> None:
    dispatch = factories.dispatch()
    with scene.recorder.acting("api"):
        add_pending(dispatch)  # the item, by_notification and pending
        unmark_pending(dispatch)  # the item, and pending
    assert spent(scene, "PutItem") == Amount(requests=1, reads=0, writes=3)
    assert spent(scene, "UpdateItem") == Amount(requests=1, reads=0, writes=2)


def test_a_refused_write_costs_what_it_found(scene: Stage) -> None:
    dispatch = factories.dispatch(author="a" * 1500)
    add_pending(dispatch)
    with scene.recorder.acting("api"):
        add_pending(dispatch)
    assert spent(scene, "PutItem, refused") == Amount(requests=1, reads=0, writes=2)


def test_a_read_costs_by_its_consistency_though_it_finds_nothing(scene: Stage) -> None:
    with scene.recorder.acting("api"):
        Dispatch.one("missing", consistent=True)
        Dispatch.one("missing", consistent=False)
    assert spent(scene, "GetItem") == Amount(requests=2, reads=1.5, writes=0)


def test_only_what_a_function_does_is_recorded(scene: Stage) -> None:
    add_pending(factories.dispatch())
    scene.world.rows()
    assert scene.recorder.ledger() == Ledger()


def test_a_call_that_nobody_thought_of_is_counted(scene: Stage) -> None:
    topic = boto3.client("secretsmanager")
    with scene.recorder.acting("api"):
        topic.describe_secret(SecretId="token")
    assert scene.recorder.ledger().by_functions == Amount(requests=1)


def test_a_call_without_a_rule_is_an_error_even_if_a_function_swallows_it(scene: Stage) -> None:
    database = boto3.client("dynamodb")
    with scene.recorder.acting("api"), pytest.raises(UnknownCallError):
        database.transact_get_items(TransactItems=[{"Get": {"TableName": "x", "Key": {"id": {"S": "x"}}}}])
    with pytest.raises(AssertionError):
        scene.recorder.ledger()


def test_a_scan_is_recorded_as_one(scene: Stage) -> None:
    with scene.recorder.acting("api"):
        list(Dispatch.scan())
    assert [line.operation for line in scene.recorder.ledger().lines] == ["Scan"]


def test_a_large_batch_to_a_queue_is_several_requests(scene: Stage) -> None:
    url = scene.world.queues.url("DELIVERY_REGULAR_QUEUE_URL")
    large = [queues.Outgoing("x" * 30_000, "shop") for _ in range(10)]
    with scene.recorder.acting("fan_out_regular"):
        assert queues.send_all(url, large) == []
    line = Line("fan_out_regular", "sqs", "SendMessageBatch", "delivery regular")
    assert scene.recorder.ledger().lines == {line: Amount(requests=5)}  # 300,000 bytes


def test_lambda_receives_and_deletes_once_an_invocation(scene: Stage) -> None:
    scene.post(Lane.EXPRESS, 12)
    scene.settle(12)
    ledger = scene.recorder.ledger()
    polling = ledger.total(lambda line: line.is_polling)
    assert ledger.invocations == {"api": 1, "fan_out_express": 1, "deliver_express": 3}
    assert polling == Amount(requests=2 * (1 + 3))
    assert ledger.sends == 12


def test_what_no_function_acknowledges_is_received_only(scene: Stage) -> None:
    def broken(event: Any, context: Any) -> Any:
        return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in event["Records"]]}

    variable = "DELIVERY_REGULAR_QUEUE_URL"
    scene.world.handlers[variable] = scene.recorder.lambda_of(variable, broken)
    scene.world.queues.put(variable, "x")
    assert scene.world.deliver(limit=1) == 1
    assert [line.operation for line in scene.recorder.ledger().lines] == ["ReceiveMessage"]
