"""Logs and metrics: one logger for all, whose lines are metrics, too, where something is counted.

A notification is followed by `notification`, its id: every line about one has it. A metric is a field of the
line that is written anyway, beside what CloudWatch needs to see it as one (its embedded metric format): no
request, and no second line. Powertools' own Metrics cost no import, but write a line of their own, with one
set of dimensions.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger

logger = Logger(service="vestnik")

MAX_VALUES = 100
"""So many values of a metric one line may have."""

BY_CHANNEL = ("lane", "channel")
BY_LANE = ("lane",)


@dataclass(frozen=True)
class Metric:
    """A metric by its name, its unit, and the fields of a line that tell its values apart."""

    name: str
    dimensions: tuple[str, ...] = BY_CHANNEL
    unit: str = "Count"


ACCEPTED = Metric("accepted")
"""Recipients of the notifications that were taken in, and of the runs that were made."""
DISPATCHES = Metric("dispatches")
QUEUED = Metric("queued")
SENT = Metric("sent")
LATENCY = Metric("latency", unit="Seconds")
"""From when a recipient was due until the provider had taken the message."""
NOT_TAKEN = Metric("not_taken", unit="Percent")
"""Of each try 0 or 100: the mean is how many of a hundred the provider did not take."""
RETRIED = Metric("retried")
"""Tries that are followed by another."""
REFUSED = Metric("failed_refused")
GIVEN_UP = Metric("failed_given_up")
EXPIRED = Metric("failed_expired")
DEAD_LETTER = Metric("failed_dead_letter")
UNSENT = Metric("unsent")
REQUEUED = Metric("requeued")
"""Unsent ones that their queue has taken."""
WRONG_CONTACT = Metric("wrong_contact")
UNSUBSCRIBED = Metric("unsubscribed")
DELIVERED = Metric("delivered")
"""The next five by what the provider tells later, where it does: each once for a recipient."""
DELAYED = Metric("delayed")
BOUNCED = Metric("bounced")
COMPLAINED = Metric("complained")
REJECTED = Metric("rejected")
UNSENT_AGE = Metric("unsent_age", BY_LANE, "Seconds")
"""How long the oldest unsent one that was looked at has been due; 0 if there is none."""
PENDING_AGE = Metric("pending_age", BY_LANE, "Seconds")
"""How long the oldest dispatch has been due that is not in its queue; 0 if there is none."""
DEAD_LETTERS = Metric("dead_letters", ())
"""Messages that came out of a dead-letter queue."""
COMES_AGAIN = Metric("comes_again", ())
"""Messages that failed unforeseen, and are left in their queue."""
SERVER_ERRORS = Metric("server_errors", ())
"""Answers of the API with a status of 500 and more."""

FAILURES = (REFUSED, GIVEN_UP, EXPIRED, DEAD_LETTER)
METRICS = (
    ACCEPTED, DISPATCHES, QUEUED, SENT, LATENCY, NOT_TAKEN, RETRIED, *FAILURES, UNSENT, REQUEUED,
    WRONG_CONTACT, UNSUBSCRIBED, UNSENT_AGE, PENDING_AGE, DEAD_LETTERS, COMES_AGAIN, SERVER_ERRORS,
    DELIVERED, DELAYED, BOUNCED, COMPLAINED, REJECTED,
)  # fmt: skip

Figures = Mapping[Metric, float | Sequence[float]]


def namespace() -> str:
    """Under what CloudWatch has the metrics of this installation."""
    return f"Vestnik/{os.environ.get('STAGE', 'dev')}"


@contextmanager
def about(**names: str | None) -> Iterator[None]:
    """Have every line within name these; lines of other threads do not."""
    before = dict(logger.thread_safe_get_current_keys())
    logger.thread_safe_append_keys(**{name: value for name, value in names.items() if value is not None})
    try:
        yield
    finally:
        logger.thread_safe_remove_keys(names)
        logger.thread_safe_append_keys(**{name: before[name] for name in names if name in before})


def follow(notification_id: str) -> None:
    """Have the further lines of what `about` began name the notification that has come of it."""
    logger.thread_safe_append_keys(notification=notification_id)


def correlated() -> str | None:
    """The notification that lines name at the moment."""
    return logger.thread_safe_get_current_keys().get("notification")


def measure(
    message: str, figures: Figures, level: int = logging.INFO, *, with_error: bool = False, **fields: Any
) -> None:
    """Log a line; what it counts is a metric, also where lines of its level are not logged."""
    measured = {**fields, **_measured(figures)}
    if logger.log_level > level:
        if "_aws" in measured:
            sys.stdout.write(f"{json.dumps(measured, default=str)}\n")
        return
    write = {logging.INFO: logger.info, logging.WARNING: logger.warning, logging.ERROR: logger.error}[level]
    write(message, extra=measured, exc_info=with_error, stacklevel=3)


def comes_again(message_id: str) -> None:
    """Log, while its error is handled, that a message failed unforeseen and is left in its queue."""
    measure("message must come again", {COMES_AGAIN: 1}, logging.ERROR, with_error=True, id=message_id)


def _measured(figures: Figures) -> dict[str, Any]:
    """The fields of a line that has these figures: without counts of nothing."""
    figures = {metric: value for metric, value in figures.items() if value or metric.unit != "Count"}
    if not figures:
        return {}
    by_dimensions: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for metric in figures:
        by_dimensions.setdefault(metric.dimensions, []).append(_definition(metric))
    directives = [
        {"Namespace": namespace(), "Dimensions": [dimensions], "Metrics": metrics}
        for dimensions, metrics in by_dimensions.items()
    ]
    return {
        **{metric.name: _values(value) for metric, value in figures.items()},
        "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": directives},
    }


def _definition(metric: Metric) -> dict[str, str]:
    # Without a unit, which may be left out, it is shorter: a line is money.
    return {"Name": metric.name, **({"Unit": metric.unit} if metric.unit != "Count" else {})}


def _values(value: float | Sequence[float]) -> float | list[float]:
    if isinstance(value, int | float):
        return value
    return [round(each, 3) for each in value[:MAX_VALUES]]
