"""Tick: each minute it is looked up what is due within the next two, and that is worked in parallel parts."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from chalicelib import queues, settings
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DueMessage
from chalicelib.domain.times import Clock, later, parse
from chalicelib.observability import logger
from chalicelib.services.frequency_runs import make_runs
from chalicelib.services.hand_over import LOOKAHEAD_SECONDS, hand_over, is_near, log_handed_over
from chalicelib.tables.base import in_parallel
from chalicelib.tables.dispatches import Dispatch, pending_between, read_dispatches
from chalicelib.tables.frequencies import Frequency, due_slugs, read_frequencies

PART = 25
"""So many frequencies, or dispatches, are in one message: seconds of work."""

MAX_DUE = 10_000
"""Of each shard (there are four), lane and kind in one tick; what is beyond waits for the next."""

GROUP = "tick"
"""The tenant of these messages: they are few, and must not wait for those of a large dispatch."""


def tick(clock: Clock) -> dict[str, int]:
    """Put what is due into the fan-out queues, express first; how many parts were sent of each lane.

    Nothing is changed, so it does no harm if two do it at once, or one breaks off.
    """
    now = clock()
    until = later(now, LOOKAHEAD_SECONDS)
    counts: Counter[str] = Counter()
    for lane in Lane:
        try:
            counts[str(lane)] = _send_parts(lane, now, until)
        except Exception:
            logger.exception("not ticked", extra={"lane": lane})
            counts["errors"] += 1
    logger.info("ticked", extra=dict(counts))
    return dict(counts)


def _send_parts(lane: Lane, now: datetime, until: datetime) -> int:
    slugs = due_slugs(lane, until, MAX_DUE)
    scheduled = pending_between(lane, now, until, MAX_DUE)
    messages = [
        *(DueMessage(frequencies=part) for part in _parts(slugs)),
        *(DueMessage(dispatches=part) for part in _parts(scheduled)),
    ]
    return len(messages) - _send(lane, messages)


def _parts(keys: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(keys[start : start + PART]) for start in range(0, len(keys), PART))


def _send(lane: Lane, messages: Sequence[DueMessage]) -> int:
    """How many the queue did not take: they are due still at the next tick."""
    refused = queues.send_all(
        settings.current().queues(lane).fan_out, [queues.Outgoing(each.dump(), GROUP) for each in messages]
    )
    if refused:
        logger.warning("due parts not sent", extra={"lane": lane, "parts": len(refused)})
    return len(refused)


def look_at(frequency: Frequency, now: datetime) -> None:
    """Have a frequency looked at before the next tick, if it is due before that."""
    if frequency.next_run_at and is_near(parse(frequency.next_run_at), now):
        _send(frequency.lane, [DueMessage(frequencies=(frequency.slug,))])


def work_due(message: DueMessage, clock: Clock, remaining_seconds: Callable[[], float]) -> None:
    """Make what is due of one part: runs of frequencies, and dispatches whose time has come.

    What fails is only logged: it is still due when the next tick looks.
    """
    now = clock()  # before anything is read
    frequencies = read_frequencies(message.frequencies) if message.frequencies else {}
    for model in (Dispatch, Frequency):
        model.table()  # connected before the threads start
    in_parallel(lambda each: _make_runs(each, now, clock, remaining_seconds), list(frequencies.values()))
    if message.dispatches:
        found = read_dispatches(message.dispatches).values()
        due = [each for each in found if each.pending and is_near(each.due, now)]
        log_handed_over(hand_over(due, clock()))


def _make_runs(
    frequency: Frequency, now: datetime, clock: Clock, remaining_seconds: Callable[[], float]
) -> None:
    try:
        make_runs(frequency, now, clock, remaining_seconds)
    except Exception:
        # Each for itself: one that breaks must not keep the others from being on time.
        logger.exception(
            "runs not made",
            extra={"notification": frequency.notification_id, "frequency": frequency.slug},
        )
