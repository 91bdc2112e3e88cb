"""How far a notification has come, how fast it goes, and how long it may still take."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib import settings
from chalicelib.services.notifications import NotificationView

LOOKS_SECONDS, SELDOM_SECONDS = 2, 30
"""Between two looks: at first, and at most."""
CHUNKS_A_SECOND = 50
"""So many chunks are read for each second between two looks, however many recipients there are."""
SOON_SECONDS = 60
LEAST_RATE = 1 / 60
"""Of recipients a second: what goes slower stands still, for all that can be told."""
SPAN_SECONDS = 30
STEPS = 2
"""The throttle lets go a chunk at once and then none for a step: a speed is of so many steps at least."""


@dataclass(frozen=True)
class Speed:
    """What a part of the page knows of the speed, and its address tells when it asks again.

    Counted is from the moment `at` on, when so many were done. `rate` is of the span before, once there was
    one.
    """

    done: float
    at: float
    rate: float | None = None

    def after(self, done: int, at: float, span: float) -> "Speed":
        """The same, later: where a span is over, the next one begins."""
        return Speed(done, at, self.until(done, at)) if at - self.at >= span else self

    def until(self, done: int, at: float) -> float:
        """How many a second came to their end."""
        return max(done - self.done, 0) / (at - self.at) if at > self.at else 0


@dataclass(frozen=True)
class Progress:
    """How far a notification has come: of `total`, so many have come to their end."""

    counts: Mapping[str, int]
    total: int
    waiting: int
    every: int | None = None
    """After how many seconds the page looks again; None when nothing can change any more by itself."""
    is_due: bool = True
    speed: Speed | None = None
    rate: float = 0
    seconds_left: int | None = None

    @property
    def done(self) -> int:
        return self.total - self.waiting

    @property
    def moves(self) -> bool:
        """Whether it is fast enough for its speed to say anything."""
        return self.rate >= LEAST_RATE


def progress_of(view: NotificationView, query: Mapping[str, str], now: datetime) -> Progress:
    """How far it has come; the query is that of the address which the part of the page had."""
    total, waiting = view.recipients, view.waiting
    live = [each for each in view.dispatches if each.waiting]
    if not live:
        return Progress(view.counts, total, waiting)
    done, at = total - waiting, now.timestamp()
    due_in = min(each.dispatch.due for each in live).timestamp() - at
    if due_in > 0:
        every = SELDOM_SECONDS if due_in > SOON_SECONDS else _interval(view)
        return Progress(view.counts, total, waiting, every, False, Speed(done, at))
    planned = max(each.last_due for each in live).timestamp() - at
    step = settings.current().throttle_step_seconds if planned > 0 else 0
    speed = (_asked(query, at) or Speed(done, at)).after(done, at, max(STEPS * step, SPAN_SECONDS))
    rate = speed.until(done, at) if speed.rate is None else speed.rate
    left = _left(waiting, rate, planned, is_settled=speed.rate is not None)
    return Progress(view.counts, total, waiting, _interval(view), True, speed, rate, left)


def _left(waiting: int, rate: float, planned: float, *, is_settled: bool) -> int | None:
    """How many seconds may be left; None where that cannot be told.

    No fewer than the throttle has planned. Before a whole span was watched, the speed says nothing more.
    """
    if rate < LEAST_RATE:
        return None
    left = max(planned, waiting / rate) if is_settled else planned
    return math.ceil(left) if left > 0 else None


def _interval(view: NotificationView) -> int:
    chunks = sum(int(each.dispatch.chunks) for each in view.dispatches)
    return min(max(chunks // CHUNKS_A_SECOND, LOOKS_SECONDS), SELDOM_SECONDS)


def _asked(query: Mapping[str, str], now: float) -> Speed | None:
    """What an address tells of the speed; None if it tells nothing that can be."""
    done, at, rate = (read_number(query.get(name)) for name in ("done", "at", "rate"))
    return Speed(done, at, rate) if done is not None and at is not None and at < now else None


def read_number(text: str | None) -> float | None:
    """A number of an address or of a form, which anybody may have made up; None if it is none."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return min(max(number, 0), 1e12) if math.isfinite(number) else None
