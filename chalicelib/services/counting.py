"""Counting: the minute's figures, from which an operator's page is drawn. No promise hangs on them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from chalicelib.domain.lanes import Lane
from chalicelib.observability import Metric, logger
from chalicelib.tables import activity
from chalicelib.tables.base import DATABASE_ERRORS
from chalicelib.tables.dispatches import Dispatch


def counts_of(channel: str, figures: Mapping[Metric, int], latencies: Iterable[float] = ()) -> Counter[str]:
    """Figures of a channel as they are counted in a minute."""
    counts = Counter({f"{channel} {metric.name}": number for metric, number in figures.items() if number})
    counts.update(activity.latency_name(seconds) for seconds in latencies)
    return counts


def count(dispatch: Dispatch, figures: Mapping[Metric, int], now: datetime) -> None:
    """Add figures of one dispatch to the minute; none cost nothing."""
    count_all(dispatch.lane, counts_of(dispatch.type, figures), now)


def count_all(lane: Lane, counts: Mapping[str, int], now: datetime) -> None:
    """Add a lane's counts to the minute; none cost nothing."""
    if not counts:
        return
    try:
        activity.count(lane, counts, now)
    except DATABASE_ERRORS as error:
        logger.warning("activity not counted", extra={"error": str(error)})
