"""Several updates that are all made, or none of them."""

import contextlib
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.constants import KEY
from pynamodb.exceptions import VerboseClientError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.tables.base import Table, dispatch

_PASSING = frozenset({"ConditionalCheckFailed", "TransactionConflict", "None"})

Update = dict[str, Any]


class TransactionLostError(Exception):
    """Nothing was written: something is not as it was read, or another was writing it just now."""


def update_of(
    model: type[Table],
    hash_key: Any,
    range_key: Any = None,
    *,
    actions: Sequence[Action],
    condition: Condition | None = None,
) -> Update:
    """One update of a transaction."""
    keys = model._serialize_keys(hash_key, range_key)
    connection = model._get_connection()
    return connection.get_operation_kwargs(
        keys[0], range_key=keys[1], key=KEY, actions=actions, condition=condition
    )


def transact(updates: Sequence[Update]) -> None:
    """TransactWriteItems of at most a hundred updates; TransactionLostError when it is worth another reading.

    An echo does no harm where each condition fails by what the update itself has written.
    """
    try:
        dispatch("TransactWriteItems", {"TransactItems": [{"Update": each} for each in updates]})
    except VerboseClientError as error:
        if _is_lost(error.__cause__):
            raise TransactionLostError("a transaction was not made") from error
        raise


def _is_lost(cause: BaseException | None) -> bool:
    if not isinstance(cause, ClientError):
        return False
    if cause.response["Error"]["Code"] == "TransactionInProgressException":
        return True
    if cause.response["Error"]["Code"] != "TransactionCanceledException":
        return False
    with contextlib.suppress(KeyError):
        reasons = {each.get("Code", "None") for each in cause.response["CancellationReasons"]}
        return reasons <= _PASSING
    return False
