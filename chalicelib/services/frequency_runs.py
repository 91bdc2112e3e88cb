"""Runs: each run of a frequency that is due becomes a dispatch, once, whoever else does the same.

The identity of a run follows from the frequency, the version that the run belongs to, and its moment in the
schedule: whoever makes it again finds it there. Whoever makes runs does so one after the other, from the one
that the frequency is stored with as its next. A run that is late stands for all that were missed until it was
made (`covers_until`), and the next one is the first after those. So the spans from `run_at` to `covers_until`
part the schedule among the dispatches: each run is in one of them, and in one only.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from chalicelib.domain.eras import version_of
from chalicelib.domain.fanning import chunk_count
from chalicelib.domain.ids import uuid7
from chalicelib.domain.times import Clock, iso, later, parse
from chalicelib.observability import ACCEPTED, DISPATCHES, measure
from chalicelib.services.counting import count_all, counts_of
from chalicelib.services.expiries import dispatch_kept_until
from chalicelib.services.frequency_times import schedule_of
from chalicelib.services.hand_over import LOOKAHEAD_SECONDS, hand_over
from chalicelib.tables.dispatches import Dispatch, add_pending
from chalicelib.tables.frequencies import Frequency, advance

AT_ONCE = 10
"""Runs that are handed over together: what one request to a queue takes."""

TIME_KEPT_BACK_SECONDS = 10.0
"""No further run is made with less left."""


def run_id(slug: str, version: int, run_at: str) -> str:
    """The id of the dispatch that a run becomes: its time is the run's, the rest follows from what it is."""
    digest = hashlib.sha256(f"{slug}\0{version}\0{run_at}".encode()).digest()
    return str(uuid7(parse(run_at), digest[:10]))


def make_runs(
    frequency: Frequency, now: datetime, clock: Clock, remaining_seconds: Callable[[], float]
) -> int:
    """Make and hand over all runs of a frequency that are due until a little ahead of now; how many.

    `now` is a moment before the frequency was read. It may break off anywhere, and several may do it at once.
    """
    if not frequency.next_run_at:
        return 0
    until = later(now, LOOKAHEAD_SECONDS)
    schedule = schedule_of(frequency)
    run: datetime | None = parse(frequency.next_run_at)
    made: list[Dispatch] = []
    count = 0
    while run is not None and run <= until and remaining_seconds() > TIME_KEPT_BACK_SECONDS:
        standing = add_pending(_dispatch(frequency, run, now))
        made += [standing] if standing.pending else []
        if len(made) == AT_ONCE:
            count += len(hand_over(made, clock()))
            made = []
        run = next(schedule.runs_after(parse(standing.covers_until)), None)
    count += len(hand_over(made, clock()))
    advance(frequency, run)
    _tell(frequency, count, clock())
    return count


def _tell(frequency: Frequency, count: int, now: datetime) -> None:
    figures = {ACCEPTED: count * int(frequency.recipients), DISPATCHES: count} if count else {}
    count_all(frequency.lane, counts_of(frequency.type, figures), now)
    measure(
        "runs made", figures, notification=frequency.notification_id, frequency=frequency.slug, runs=count,
        lane=str(frequency.lane), channel=frequency.type,
    )  # fmt: skip


def _dispatch(frequency: Frequency, run: datetime, now: datetime) -> Dispatch:
    """A run as a dispatch. One that is late is due now: its later hundreds keep their distance."""
    version = version_of(frequency.eras, iso(run))
    due, chunks = max(run, now), chunk_count(int(frequency.recipients))
    return Dispatch(
        run_id(frequency.slug, version, iso(run)),
        notification_id=frequency.notification_id,
        audience_id=frequency.audience_id,
        type=frequency.type,
        author=frequency.author,
        is_express=frequency.is_express,
        recipients=frequency.recipients,
        chunks=chunks,
        due_at=iso(due),
        expires_at=dispatch_kept_until(due, chunks),
        frequency=frequency.slug,
        frequency_version=version,
        run_at=iso(run),
        covers_until=iso(due),
    )
