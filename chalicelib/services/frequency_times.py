"""When a notification frequency runs: its schedule, its next run, and its place among the due ones."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.schedule import Schedule, ScheduleError
from chalicelib.domain.times import iso, parse
from chalicelib.services.errors import InvalidFieldError
from chalicelib.tables.frequencies import Frequency, due_key

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


def state_of(row: Frequency) -> FrequencyState:
    """What a frequency is about to do."""
    if row.is_deleting:
        return FrequencyState.DELETING
    if row.is_paused:
        return FrequencyState.PAUSED
    return FrequencyState.ACTIVE if row.due else FrequencyState.ENDED


def next_runs(row: Frequency, now: datetime) -> list[str]:
    """The next runs of a frequency; the first may be overdue, and comes as soon as the tick does."""
    if not row.next_run_at:
        return []
    first = parse(row.next_run_at)
    return [row.next_run_at, *map(iso, schedule_of(row).next_runs(max(first, now), NEXT_RUNS - 1))]


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


def set_next_run(row: Frequency, now: datetime, *, is_kept: bool) -> None:
    """Have the frequency stand among the due ones, by its next run; or not, if it has none.

    What is overdue stays so, unless the times have changed: the tick has yet to send it.
    """
    is_overdue = bool(row.next_run_at) and parse(row.next_run_at) <= now
    if not (is_kept and is_overdue) or row.is_paused or row.is_deleting:
        runs = [] if row.is_paused or row.is_deleting else schedule_of(row).next_runs(now, 1)
        row.next_run_at = iso(runs[0]) if runs else None
    row.due = due_key(row.slug) if row.next_run_at else None
