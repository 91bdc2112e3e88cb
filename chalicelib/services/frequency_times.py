"""When a notification frequency runs: its schedule, its next run, and its place among the due ones."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib import settings
from chalicelib.domain.eras import effective_at
from chalicelib.domain.fanning import chunk_count
from chalicelib.domain.schedule import Schedule, ScheduleError
from chalicelib.domain.times import iso, later, parse
from chalicelib.services.errors import InvalidFieldError
from chalicelib.tables.frequencies import Frequency

NEXT_RUNS = 5


class FrequencyState(StrEnum):
    """What a frequency is about to do."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    DELETING = "deleting"


def schedule_of(row: Frequency) -> Schedule:
    """When a frequency runs, paused or not."""
    return Schedule(
        starts=parse(row.starts_at or row.created_at),
        ends=parse(row.ends_at) if row.ends_at else None,
        period=int(row.period) if row.period is not None else None,
        cron=row.cron,
        time_zone=row.time_zone,
    )


def state_of(row: Frequency, now: datetime) -> FrequencyState:
    """What a frequency is about to do."""
    if row.is_deleting:
        return FrequencyState.DELETING
    if row.is_paused:
        return FrequencyState.PAUSED
    return FrequencyState.ACTIVE if next_runs(row, now) else FrequencyState.ENDED


def has_ended(row: Frequency, now: datetime) -> bool:
    """Whether a frequency would run no more, were it paused or not."""
    return not schedule_of(row).next_runs(now, 1)


def next_runs(row: Frequency, now: datetime) -> list[str]:
    """The next runs of a frequency, with one that is overdue, and comes as soon as the tick does.

    Runs are made a little ahead: these may be so already.
    """
    if not row.is_running:
        return []
    overdue = [row.next_run_at] if row.next_run_at and parse(row.next_run_at) <= now else []
    return [*overdue, *map(iso, schedule_of(row).next_runs(now, NEXT_RUNS))][:NEXT_RUNS]


def planned_runs(timing: Mapping[str, Any], now: datetime) -> list[str]:
    """The next runs of what somebody is about to make; InvalidFieldError if no schedule comes of it."""
    row = Frequency("", created_at=iso(now), time_zone="UTC", is_paused=False, is_deleting=False)
    set_timing(row, timing)
    return next_runs(row, now)


def set_timing(row: Frequency, timing: Mapping[str, Any]) -> None:
    """Change what is named of the times; InvalidFieldError if no schedule comes of it."""
    # A schedule of the one kind takes the place of one of the other.
    if timing.get("period") is not None and "cron" not in timing:
        row.cron = None
    if timing.get("cron") is not None and "period" not in timing:
        row.period = None
    for name, value in timing.items():
        if isinstance(value, datetime):
            value = iso(value)
        setattr(row, name, "UTC" if name == "time_zone" and value is None else value)
    try:
        schedule_of(row).check()
    except ScheduleError as error:
        raise InvalidFieldError(error.field, error.reason) from error


def check_gap(row: Frequency, recipients: int, now: datetime) -> None:
    """InvalidFieldError if it runs again before the throttle has let go all of the run before."""
    chunks, step = chunk_count(recipients), settings.current().throttle_step_seconds
    gap = schedule_of(row).shortest_gap(now)
    if chunks < 2 or gap is None or gap.total_seconds() >= chunks * step:
        return
    raise InvalidFieldError(
        "cron" if row.cron else "period",
        f"too short for {recipients} recipients: each hundred of them is sent {step} s after the one before,"
        f" so there must be at least {chunks * step} s from run to run",
    )


def set_first_run(row: Frequency, now: datetime) -> None:
    """Set when a frequency that is being made runs first: after now, unless it is paused."""
    runs = schedule_of(row).next_runs(now, 1) if row.is_running else []
    row.next_run_at = iso(runs[0]) if runs else None


def set_next_run(row: Frequency, now: datetime, changed_timing: bool = False) -> None:
    """Set when the frequency runs next after a change: from the moment on at which that takes effect.

    What of the version before is still to be made before that stays so, unless the times have changed.
    """
    takes_effect = effective_at(now)
    if not row.is_running:
        row.next_run_at = None
        return
    if row.next_run_at and parse(row.next_run_at) < takes_effect and not changed_timing:
        return
    # What is after it has been made for the version before, and is made anew for this one.
    runs = schedule_of(row).next_runs(later(takes_effect, -0.001), 1)
    row.next_run_at = iso(runs[0]) if runs else None
