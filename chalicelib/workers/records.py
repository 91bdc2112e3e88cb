"""What the handlers share: records come in, the ids of those that must come again go out."""

from collections.abc import Callable, Iterable
from typing import Any

from chalice.app import BaseLambdaEvent

from chalicelib.domain.messages import names_in
from chalicelib.observability import about, comes_again

Record = dict[str, Any]
"""An SQS record as Lambda passes it: messageId, body, eventSourceARN, …"""


def group_of(record: Record) -> str:
    """The tenant that a message was sent for."""
    return str(record.get("attributes", {}).get("MessageGroupId", "unknown"))


def remaining_seconds(event: BaseLambdaEvent) -> Callable[[], float]:
    """A clock that runs down to the end of this invocation."""
    context: Any = event.context
    return lambda: float(context.get_remaining_time_in_millis()) / 1000


def report(failures: Iterable[str]) -> dict[str, Any]:
    """The answer that keeps these messages in the queue and removes the others."""
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failures]}


def work_each(records: Iterable[Record], work: Callable[[Record], None]) -> dict[str, Any]:
    """Work records one by one; one that raises is logged and comes again, without holding up the others."""
    failures = []
    for record in records:
        with about(**names_in(record["body"])):
            try:
                work(record)
            except Exception:
                comes_again(record["messageId"])
                failures.append(record["messageId"])
    return report(failures)
