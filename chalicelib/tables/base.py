"""What all tables share: one connection, conditional writes that say what was found, batches with backoff."""

import os
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from pynamodb.connection.base import Connection
from pynamodb.connection.table import TableConnection
from pynamodb.constants import ITEM, KEY
from pynamodb.exceptions import PynamoDBException, VerboseClientError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from chalicelib import sdk
from chalicelib.settings import table_name

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 3
RETRIES = 3
"""By the SDK, in its standard mode: with backoff and jitter, and its own budget."""

BATCH_ROUNDS = 6
BATCH_FIRST_PAUSE_SECONDS = 0.05
"""Unprocessed parts of a batch are sent again this often, after pauses that double."""

MAX_KEYS = 100
MAX_PUTS = 25
"""What BatchGetItem and BatchWriteItem take at once."""

Item = dict[str, dict[str, Any]]
"""An item as DynamoDB writes it."""

PARALLEL = 8
"""Requests made at once where there are many: 100,000 users are 40 batches, and the API has 29 seconds."""

T = TypeVar("T", bound="Table")
W = TypeVar("W")
R = TypeVar("R")


class ConditionFailedError(Exception):
    """A conditional write found something else; `item` is what it found, if anything."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition of a write did not hold")
        self.item = item

    @property
    def found(self) -> Item:
        """The item that stood in the way, where a condition can only fail because of one."""
        if self.item is None:
            raise self
        return self.item


class BatchUnprocessedError(Exception):
    """DynamoDB went on leaving parts of a batch undone."""


DATABASE_ERRORS = (ClientError, BotoCoreError, PynamoDBException, BatchUnprocessedError)
"""What a table raises when the database refuses or cannot be reached."""

_TRANSIENT_CODES = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TransactionConflictException",
    }
)


def is_outage(error: BaseException | None) -> bool:
    """Whether the database is out of reach or asks to wait, as against a fault of our own that stays."""
    if isinstance(error, PynamoDBException):
        return is_outage(error.cause)
    if isinstance(error, VerboseClientError):
        error = error.__cause__ or error
    if isinstance(error, ClientError):
        status = cast(dict[str, Any], error.response).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response["Error"].get("Code") in _TRANSIENT_CODES
    return isinstance(error, BatchUnprocessedError | HTTPClientError | BotocoreConnectionError)


_connections: dict[str, Connection] = {}


def _shared_connection() -> Connection:
    # One client for all tables: each of its own would cost 50 to 76 ms at the start of a function.
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    if region not in _connections:
        connection = _connections[region] = Connection(
            region=region,
            connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
            read_timeout_seconds=READ_TIMEOUT_SECONDS,
            max_retry_attempts=RETRIES,
        )
        connection._local.session = sdk.botocore_session()  # else it would make its own
    return _connections[region]


def forget_connections() -> None:
    """Begin anew: for tests, and for commands that change their target."""
    _connections.clear()
    sdk.forget_session()
    for model in Table.__subclasses__():
        model._connection = None


def connect_tables() -> None:
    """Connect every table that this function is told of: threads must not do it, several at once."""
    for model in Table.__subclasses__():
        if model.table_variable in os.environ:
            model.table()


class Table(Model):
    """The base of the models. A subclass names the environment variable that holds its table's name."""

    table_variable: str

    @classmethod
    def _get_connection(cls) -> TableConnection:
        if cls._connection is None:
            cls.Meta.table_name = table_name(cls.table_variable)
            own = super()._get_connection()
            shared = _shared_connection()
            if cls.Meta.table_name not in shared._tables:
                shared.add_meta_table(own.get_meta_table())
            own.connection = shared
        return cast(TableConnection, cls._connection)

    @classmethod
    def table(cls) -> str:
        """The name of the table here."""
        return cls._get_connection().table_name

    @classmethod
    def change(
        cls: type[T],
        hash_key: Any,
        range_key: Any = None,
        *,
        actions: Sequence[Action],
        condition: Condition | None = None,
        returning: bool = False,
    ) -> T | None:
        """UpdateItem; with `returning`, the item as it then is. ConditionFailedError has what was found."""
        keys = cls._serialize_keys(hash_key, range_key)
        kwargs = cls._get_connection().get_operation_kwargs(
            keys[0],
            range_key=keys[1],
            key=KEY,
            actions=actions,
            condition=condition,
            return_values="ALL_NEW" if returning else None,
            return_values_on_condition_failure="ALL_OLD" if condition is not None else None,
        )
        answer = dispatch("UpdateItem", kwargs)
        return cls.from_raw_data(answer["Attributes"]) if returning else None

    def put(self, condition: Condition | None = None) -> None:
        """PutItem. ConditionFailedError carries what was found."""
        kwargs = self.get_save_kwargs_from_instance(
            condition=condition,
            return_values_on_condition_failure="ALL_OLD" if condition is not None else None,
        )
        dispatch("PutItem", kwargs)

    @classmethod
    def remove(cls, hash_key: Any, range_key: Any = None, *, condition: Condition | None = None) -> None:
        """DeleteItem; what is not there is removed already. ConditionFailedError has what was found."""
        keys = cls._serialize_keys(hash_key, range_key)
        kwargs = cls._get_connection().get_operation_kwargs(
            keys[0],
            range_key=keys[1],
            key=KEY,
            condition=condition,
            return_values_on_condition_failure="ALL_OLD" if condition is not None else None,
        )
        dispatch("DeleteItem", kwargs)

    @classmethod
    def one(cls: type[T], hash_key: Any, range_key: Any = None, *, consistent: bool = False) -> T | None:
        """GetItem: the item, or None."""
        try:
            return cls.get(hash_key, range_key, consistent_read=consistent)
        except cls.DoesNotExist:
            return None


def dispatch(operation: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """One request to DynamoDB; ConditionFailedError where its condition did not hold."""
    try:
        return cast(dict[str, Any], _shared_connection().dispatch(operation, kwargs))
    except VerboseClientError as error:
        # PynamoDB's own error drops the item that DynamoDB found; botocore's, its cause, has it.
        cause = error.__cause__
        if (
            isinstance(cause, ClientError)
            and cause.response["Error"]["Code"] == "ConditionalCheckFailedException"
        ):
            raise ConditionFailedError(cast(dict[str, Any], cause.response).get("Item")) from error
        raise


def _in_rounds(
    request: dict[str, Any],
    send: Callable[[dict[str, Any]], dict[str, Any]],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Send a batch, and what it leaves undone, until nothing is left; BatchUnprocessedError after that."""
    for round_number in range(BATCH_ROUNDS):
        request = send(request)
        if not request:
            return
        pause(BATCH_FIRST_PAUSE_SECONDS * 2**round_number * random.uniform(0.5, 1.0))  # noqa: S311
    raise BatchUnprocessedError(f"unprocessed after {BATCH_ROUNDS} rounds: {', '.join(request)}")


def batch_get(
    wanted: Mapping[type[Table], Iterable[Any]], *, consistent: bool
) -> dict[type[Table], list[Any]]:
    """BatchGetItem over any tables, a hundred keys a request. Keys are hash keys, or (hash, range) pairs."""
    keys: list[tuple[type[Table], dict[str, Any]]] = []
    for model, model_keys in wanted.items():
        model._get_connection()
        keys += [(model, _key(model, key)) for key in dict.fromkeys(model_keys)]
    found: dict[type[Table], list[Any]] = {model: [] for model in wanted}
    by_name = {model.table(): model for model in wanted}

    def send(request: dict[str, Any]) -> dict[str, Any]:
        answer = dispatch("BatchGetItem", {"RequestItems": request})
        for name, items in answer["Responses"].items():
            found[by_name[name]] += [by_name[name].from_raw_data(item) for item in items]
        return answer.get("UnprocessedKeys") or {}

    for start in range(0, len(keys), MAX_KEYS):
        request: dict[str, Any] = {}
        for model, key in keys[start : start + MAX_KEYS]:
            part = request.setdefault(model.table(), {"Keys": [], "ConsistentRead": consistent})
            part["Keys"].append(key)
        _in_rounds(request, send)
    return found


def _key(model: type[Table], key: Any) -> dict[str, Any]:
    hash_key, range_key = key if isinstance(key, tuple) else (key, None)
    return cast(
        dict[str, Any],
        model._get_connection().connection.get_identifier_map(
            model.table(), *model._serialize_keys(hash_key, range_key), key=KEY
        )[KEY],
    )


def batch_put(items: Sequence[Table]) -> None:
    """BatchWriteItem of at most 25 items of one table, each put whole."""
    _batch_write(items[0].table(), [{"PutRequest": {ITEM: item.serialize()}} for item in items])


def batch_remove(model: type[Table], keys: Sequence[Any]) -> None:
    """BatchWriteItem that deletes at most 25 items. Keys are hash keys, or (hash, range) pairs."""
    _batch_write(model.table(), [{"DeleteRequest": {KEY: _key(model, key)}} for key in keys])


def _batch_write(table: str, requests: list[dict[str, Any]]) -> None:
    if len(requests) > MAX_PUTS:
        raise ValueError(f"{len(requests)} items, and a batch takes {MAX_PUTS}")

    def send(request: dict[str, Any]) -> dict[str, Any]:
        return dispatch("BatchWriteItem", {"RequestItems": request}).get("UnprocessedItems") or {}

    _in_rounds({table: requests}, send)


def in_parallel(work: Callable[[W], R], parts: Sequence[W]) -> list[R]:
    """Do several requests at once; what each gave, in their order. One that fails raises when all have ended.

    The tables have to be connected before (`table()`): threads would connect them several times.
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        return [each.result() for each in [pool.submit(work, part) for part in parts]]
