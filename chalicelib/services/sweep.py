"""Sweep: what should be in a queue and is not goes there, again and again, until it does or expires."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from chalicelib import settings
from chalicelib.domain.fanning import chunk_due
from chalicelib.domain.ids import made_at
from chalicelib.domain.lanes import Lane
from chalicelib.domain.times import Clock, later, parse
from chalicelib.observability import PENDING_AGE, UNSENT_AGE, Metric, measure
from chalicelib.services.erasure import erase_again
from chalicelib.services.expiries import dispatch_kept_until
from chalicelib.services.hand_over import hand_over, log_handed_over
from chalicelib.services.sweep_unsent import isolated, sweep_unsent
from chalicelib.tables.base import in_parallel
from chalicelib.tables.dispatches import Dispatch, make_due_at, pending_since
from chalicelib.tables.unsubscribes import to_erase_again

PENDING_AFTER_SECONDS = 60
"""Younger ones are most likely just being sent by the request that wrote them."""

PENDING_AT_ONCE = 100
MAX_PENDING = 2_000
"""Dispatches of one lane in one run."""

ERASURES_AT_ONCE = 100
ERASING_SECONDS = 15.0
"""What one run spends on erasures: users with very many rows take several."""

TIME_KEPT_BACK_SECONDS = 15.0
"""No further hundred is begun with less left: one takes a few seconds, some more when the queue is slow."""


def sweep(clock: Clock, remaining_seconds: Callable[[], float]) -> dict[str, int]:
    """One run over both lanes, express first; how many of what were handled."""
    counts = _sweep_lane(Lane.EXPRESS, clock, remaining_seconds)
    with isolated(counts, part="erasures"):
        _sweep_erasures(clock, remaining_seconds, counts)
    return dict(counts + _sweep_lane(Lane.REGULAR, clock, remaining_seconds))


def _sweep_lane(lane: Lane, clock: Clock, remaining_seconds: Callable[[], float]) -> Counter[str]:
    counts: Counter[str] = Counter()
    ages: dict[Metric, float] = {}
    with isolated(counts, lane=str(lane)):
        ages[PENDING_AGE] = _sweep_pending(lane, clock, remaining_seconds, counts)
    with isolated(counts, lane=str(lane)):
        age = sweep_unsent(lane, clock, remaining_seconds, counts)
        ages |= {} if age is None else {UNSENT_AGE: age}
    fields: dict[str, Any] = {"lane": str(lane), **counts}
    measure("swept", ages, **fields)
    return counts


def _sweep_erasures(clock: Clock, remaining_seconds: Callable[[], float], counts: Counter[str]) -> None:
    """Look at tombstones once more, for a part of the run: what is left over waits for the next."""
    end = max(remaining_seconds() - ERASING_SECONDS, 0)
    for tombstone in to_erase_again(clock(), ERASURES_AT_ONCE):
        if remaining_seconds() < end:
            return
        with isolated(counts, user=tombstone.user_id):
            counts["users erased"] += erase_again(tombstone, clock, lambda: remaining_seconds() - end)


def _sweep_pending(
    lane: Lane, clock: Clock, remaining_seconds: Callable[[], float], counts: Counter[str]
) -> float:
    """Send what is pending to fan out: one dispatch first, which shows whether the queue takes any.

    Returns for how many seconds what came first has been due.
    """
    at_once, age = 1, 0.0
    for _ in range(MAX_PENDING // PENDING_AT_ONCE):
        if remaining_seconds() < TIME_KEPT_BACK_SECONDS:
            break
        found = pending_since(lane, later(clock(), -PENDING_AFTER_SECONDS), at_once)
        sent = hand_over(_due_anew(found, clock()), clock())
        counts.update({"dispatches sent": len(sent)} if sent else {})
        log_handed_over(sent)
        age = max([age, *(overdue_seconds(each, clock()) for each in found)])
        if not found or len(sent) < len(found):
            break  # the marks stay, and the next run comes in a minute
        at_once = PENDING_AT_ONCE
    return age


def overdue_seconds(dispatch: Dispatch, now: datetime) -> float:
    """For how long the first chunk that is pending has been due, by what it was to be before any sweep."""
    to_be_sent = parse(dispatch.send_at) if dispatch.send_at else made_at(dispatch.id)
    step = settings.current().throttle_step_seconds
    return max((now - chunk_due(to_be_sent, dispatch.pending_chunks[0].first, step)).total_seconds(), 0.0)


def _due_anew(dispatches: list[Dispatch], now: datetime) -> list[Dispatch]:
    """Have what is late be due from now on, hundred by hundred; else all hundreds would be sent at once.

    Left out is what has changed meanwhile.
    """
    Dispatch.table()  # connected before the threads start
    kept = in_parallel(lambda each: _is_due_anew(each, now), dispatches)
    return [each for each, is_kept in zip(dispatches, kept, strict=True) if is_kept]


def _is_due_anew(dispatch: Dispatch, now: datetime) -> bool:
    step = settings.current().throttle_step_seconds
    first = dispatch.pending_chunks[0].first
    if chunk_due(dispatch.due, first, step) > later(now, -PENDING_AFTER_SECONDS):
        return True  # it is not late: only the chunks before these are
    due = later(now, -first * step)
    expires_at = max(int(dispatch.expires_at or 0), dispatch_kept_until(due, int(dispatch.chunks)))
    return make_due_at(dispatch, due, expires_at)
