"""Sweep: what should be in a queue and is not goes there, again and again, until it does or expires."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from chalicelib import settings
from chalicelib.domain.fanning import chunk_due
from chalicelib.domain.lanes import Lane
from chalicelib.domain.times import Clock, later
from chalicelib.observability import logger
from chalicelib.services.erasure import erase_again
from chalicelib.services.expiries import dispatch_kept_until
from chalicelib.services.hand_over import hand_over
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
    counts: Counter[str] = Counter()
    _sweep_lane(Lane.EXPRESS, clock, remaining_seconds, counts)
    with isolated(counts, part="erasures"):
        _sweep_erasures(clock, remaining_seconds, counts)
    _sweep_lane(Lane.REGULAR, clock, remaining_seconds, counts)
    logger.info("swept", extra=dict(counts))
    return dict(counts)


def _sweep_lane(
    lane: Lane, clock: Clock, remaining_seconds: Callable[[], float], counts: Counter[str]
) -> None:
    for part in (_sweep_pending, sweep_unsent):
        with isolated(counts, lane=str(lane)):
            part(lane, clock, remaining_seconds, counts)


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
) -> None:
    """Send what is pending to fan out: one dispatch first, which shows whether the queue takes any."""
    at_once = 1
    for _ in range(MAX_PENDING // PENDING_AT_ONCE):
        if remaining_seconds() < TIME_KEPT_BACK_SECONDS:
            return
        found = pending_since(lane, later(clock(), -PENDING_AFTER_SECONDS), at_once)
        sent = hand_over(_due_anew(found, clock()), clock())
        counts.update({"dispatches sent": sent} if sent else {})
        if not found or sent < len(found):
            return  # the marks stay, and the next run comes in a minute
        at_once = PENDING_AT_ONCE


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
