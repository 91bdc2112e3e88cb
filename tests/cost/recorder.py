"""Records every call that the functions make to AWS, with what it costs: none has to be named here.

DynamoDB and secrets are taken at botocore, whose one method every client goes through; SQS at the object that
stands for its client in a World. Items are read from moto's own memory, before and after each write.
"""

import io
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from chalicelib import queues
from chalicelib.kept import Kept
from chalicelib.observability import logger
from chalicelib.services import suppressing
from infra.definitions import table_definitions
from tests.cost import units
from tests.cost.ledger import Amount, Ledger, Line, add_up
from tests.cost.units import Index, Item
from tests.support.aws import World

Parameters = Mapping[str, Any]


class UnknownCallError(Exception):
    """A call that no rule prices yet: add it here, and the rule to `units`."""


class Recorder:
    """Takes down what happens while a function is `acting`."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._filters: dict[str, Kept[frozenset[bytes]]] = {}
        self._world = world
        self._tables = {world.tables[name]: body for name, body in table_definitions().items()}
        self._function: str | None = None
        self._is_muted = False
        self.entries: list[tuple[Line, Amount]] = []
        self.invocations: Counter[str] = Counter()
        self.log_bytes: Counter[str] = Counter()
        self.largest: dict[str, int] = {}
        """The largest item of each table that was written, in bytes."""
        self.unknown: list[UnknownCallError] = []
        original = BaseClient._make_api_call  # type: ignore[attr-defined]

        def record(client: Any, operation: str, parameters: Parameters) -> Any:
            service = client.meta.service_model.service_name
            return self._take(
                service, operation, parameters, partial(original, client, operation, parameters)
            )

        monkeypatch.setattr(BaseClient, "_make_api_call", record)
        monkeypatch.setattr(queues, "client", lambda: _Watched(world.queues, self._take_sqs))
        for variable, handler in world.handlers.items():
            world.handlers[variable] = self.lambda_of(variable, handler)

    def begin_anew(self) -> None:
        """Forget what was taken down; the functions remember what they know."""
        for taken in (self.entries, self.invocations, self.log_bytes, self.largest, self.unknown):
            taken.clear()

    @contextmanager
    def acting(self, function: str) -> Iterator[None]:
        """One run of a function."""
        self._function = function
        self.invocations[function] += 1
        # Each function is a process of its own, which reads for itself whom it must not send to.
        own = self._filters.setdefault(function, Kept(seconds=suppressing.FILTER_KEPT_SECONDS))
        self._monkeypatch.setattr(suppressing, "_prints", own)
        said = io.StringIO()
        handlers = [each for each in logger.handlers if isinstance(each, logging.StreamHandler)]
        streams = [(handler, handler.setStream(said)) for handler in handlers]
        try:
            yield
        finally:
            self._function = None
            for handler, stream in streams:
                handler.setStream(stream or io.StringIO())
            self.log_bytes[function] += len(said.getvalue().encode())

    def ledger(self) -> Ledger:
        """Everything so far."""
        assert not self.unknown, self.unknown
        assert not self._world.crashes, self._world.crashes
        return add_up(self.entries, self.invocations, len(self._world.channel.sent))

    # Lambda.

    def lambda_of(self, variable: str, handler: Any) -> Callable[[Any, Any], Any]:
        """A queue's function, with what Lambda does for each of its runs."""
        return partial(self._invoke, variable, handler)

    def _invoke(self, variable: str, handler: Any, event: Any, context: Any) -> Any:
        function = function_of(variable)
        with self.acting(function):
            answer = handler(event, context)
        payload = sum(len(record["body"].encode()) for record in event["Records"])
        self._poll(function, "ReceiveMessage", variable, units.sqs_requests(payload))
        if len(answer["batchItemFailures"]) < len(event["Records"]):
            self._poll(function, "DeleteMessageBatch", variable, 1)
        return answer

    def _poll(self, function: str, operation: str, variable: str, requests: int) -> None:
        line = Line(function, "sqs", operation, queue_of(variable), is_polling=True)
        self.entries.append((line, Amount(requests)))

    # The functions' calls.

    def _take_sqs(self, operation: str, parameters: Parameters, call: Callable[[], Any]) -> Any:
        return self._take("sqs", operation, parameters, call)

    def _take(self, service: str, operation: str, parameters: Parameters, call: Callable[[], Any]) -> Any:
        if self._function is None or self._is_muted:
            return call()
        # A World's queues ask moto's by botocore in their turn, which is no second call.
        self._is_muted = True
        try:
            if service == "dynamodb":
                return self._take_dynamodb(self._function, operation, parameters, call)
            answer = call()
            requests, target = 1, str(parameters.get("SecretId", ""))
            if service == "sqs":
                requests = units.sqs_requests(_payload(parameters) + _payload(answer))
                target = self._queue_at(parameters["QueueUrl"])
            self.entries.append((Line(self._function, service, operation, target), Amount(requests)))
            return answer
        except UnknownCallError as error:
            self.unknown.append(error)  # a worker may catch it
            raise
        finally:
            self._is_muted = False

    def _queue_at(self, url: str) -> str:
        names = [name for name in self._world.handlers if self._world.queues.url(name) == url]
        return queue_of(names[0])

    def _take_dynamodb(
        self, function: str, operation: str, parameters: Parameters, call: Callable[[], Any]
    ) -> Any:
        match operation:
            case "GetItem" | "BatchGetItem":
                wanted = parameters.get("RequestItems") or {parameters["TableName"]: _as_batch(parameters)}
                answer = call()
                reads = sum(self._read(table, part) for table, part in wanted.items())
                self._enter(function, operation, ", ".join(sorted(wanted)), reads=reads)
            case "Query" | "Scan":
                answer = call()
                self._enter(function, operation, _index_path(parameters), reads=_query(parameters, answer))
            case "PutItem" | "UpdateItem" | "DeleteItem":
                return self._write(function, operation, parameters, call)
            case "BatchWriteItem":
                answer = self._write_batch(function, parameters, call)
            case _:
                raise UnknownCallError(operation)
        return answer

    def _enter(
        self, function: str, operation: str, target: str, *, reads: float = 0, writes: float = 0
    ) -> None:
        self.entries.append((Line(function, "dynamodb", operation, target), Amount(1, reads, writes)))

    # Reads.

    def _read(self, table: str, part: Parameters) -> float:
        items = [self._item(table, key) for key in part["Keys"]]
        return units.item_read_units(items, consistent=part.get("ConsistentRead", False))

    # Writes.

    def _write(self, function: str, operation: str, parameters: Parameters, call: Callable[[], Any]) -> Any:
        table = parameters["TableName"]
        key = parameters.get("Key") or self._key_of(table, parameters["Item"])
        before = self._item(table, key)
        try:
            answer = call()
        except ClientError as error:
            is_condition = error.response["Error"]["Code"] == "ConditionalCheckFailedException"
            writes = units.write_units(before, before) if is_condition else 0
            self._enter(function, f"{operation}, refused", table, writes=writes)
            raise
        writes = self._written(table, before, self._item(table, key))
        self._enter(function, operation, table, writes=writes)
        return answer

    def _write_batch(self, function: str, parameters: Parameters, call: Callable[[], Any]) -> Any:
        keys = [
            (table, self._key_in(table, request))
            for table, requests in parameters["RequestItems"].items()
            for request in requests
        ]
        before = [self._item(table, key) for table, key in keys]
        answer = call()
        writes = sum(
            self._written(table, old, self._item(table, key))
            for (table, key), old in zip(keys, before, strict=True)
        )
        self._enter(function, "BatchWriteItem", ", ".join(sorted(parameters["RequestItems"])), writes=writes)
        return answer

    def _written(self, table: str, before: Item | None, after: Item | None) -> int:
        self.largest[table] = max(self.largest.get(table, 0), units.item_size(after))
        in_indexes = sum(units.index_write_units(index, before, after) for index in self._indexes(table))
        return units.write_units(before, after) + in_indexes

    # What moto holds.

    def _keys(self, table: str) -> list[str]:
        return [key["AttributeName"] for key in self._tables[table]["KeySchema"]]

    def _key_of(self, table: str, item: Item) -> Item:
        return {name: item[name] for name in self._keys(table)}

    def _key_in(self, table: str, request: Mapping[str, Any]) -> Item:
        if "DeleteRequest" in request:
            return dict(request["DeleteRequest"]["Key"])
        return self._key_of(table, request["PutRequest"]["Item"])

    def _indexes(self, table: str) -> Iterator[Index]:
        for index in self._tables[table].get("GlobalSecondaryIndexes", []):
            keys = tuple(key["AttributeName"] for key in index["KeySchema"])
            projection = index["Projection"]
            held = {*keys, *self._keys(table), *projection.get("NonKeyAttributes", [])}
            yield Index(keys, None if projection["ProjectionType"] == "ALL" else frozenset(held))

    def _item(self, table: str, key: Item) -> Item | None:
        stored = dynamodb_backends[DEFAULT_ACCOUNT_ID][os.environ["AWS_DEFAULT_REGION"]].tables[table]
        found: Any = stored.items
        for name in self._keys(table):
            found = found.get(DynamoType(dict(key[name])))
            if found is None:
                return None
        return dict(found.to_json()["Attributes"])


class _Watched:
    """Stands before a client and tells of each of its calls."""

    def __init__(self, client: object, take: Callable[[str, Parameters, Callable[[], Any]], Any]) -> None:
        self._client = client
        self._take = take

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._client, name)
        operation = "".join(word.capitalize() for word in name.split("_"))
        return lambda **parameters: self._take(operation, parameters, partial(call, **parameters))


def function_of(variable: str) -> str:
    """The function that reads a queue."""
    if "_DEAD_" in variable:
        return "dead_letters"
    return variable.removesuffix("_QUEUE_URL").lower().replace("delivery", "deliver")


def queue_of(variable: str) -> str:
    """A queue's name for people."""
    return variable.removesuffix("_QUEUE_URL").lower().replace("_", " ")


def _as_batch(parameters: Parameters) -> Parameters:
    return {"Keys": [parameters["Key"]], "ConsistentRead": parameters.get("ConsistentRead", False)}


def _index_path(parameters: Parameters) -> str:
    return ".".join(filter(None, [parameters["TableName"], parameters.get("IndexName")]))


def _query(parameters: Parameters, answer: Parameters) -> float:
    # What was read and not returned is billed too, and can't be seen in an answer.
    if hidden := parameters.keys() & {"FilterExpression", "ProjectionExpression", "Select"}:
        raise UnknownCallError(f"Query with {sorted(hidden)}")
    return units.query_read_units(answer["Items"], consistent=parameters.get("ConsistentRead", False))


def _payload(content: Any) -> int:
    """The bytes of all message bodies in a request or an answer."""
    if isinstance(content, Mapping):
        return sum(
            len(value.encode()) if name in ("MessageBody", "Body") else _payload(value)
            for name, value in content.items()
        )
    if isinstance(content, list):
        return sum(map(_payload, content))
    return 0
