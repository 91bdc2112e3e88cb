"""When something recurs: at a period, or by a cron expression in a time zone.

A period is a grid of whole seconds from the start on. A cron expression has five fields, and is read as
Debian's cron reads it:

- where it names a time of day (`30 2 * * *`) over which the clocks go forward, it runs at the first minute
  after the gap; where they go back, at the first of the two, once;
- where minute or hour begin with a star (`*/15 * * * *`, `30 * * * *`) it runs by the time that really
  passes: in both of the two hours, and in the one that does not exist not at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo, available_timezones

MAX_PERIOD_SECONDS = 10 * 366 * 86_400
MAX_CRON_LENGTH = 100
CRON_FIELDS = 5

LOOKED_AT_RUNS = 100
"""Of a cron expression, to find how close they come to each other."""

_SECOND = timedelta(seconds=1)


class ScheduleError(ValueError):
    """What is no schedule: which field, and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


@dataclass(frozen=True)
class Schedule:
    """Either a `period` or a `cron`; runs from `starts` to `ends`, both included."""

    starts: datetime
    ends: datetime | None = None
    period: int | None = None
    cron: str | None = None
    time_zone: str = "UTC"

    def check(self) -> None:
        """ScheduleError if this is no schedule; says nothing about whether it ever runs."""
        if (self.period is None) == (self.cron is None):
            raise ScheduleError("period", "exactly one of period and cron is needed")
        if self.period is not None and not 1 <= self.period <= MAX_PERIOD_SECONDS:
            raise ScheduleError("period", f"must be from 1 to {MAX_PERIOD_SECONDS} seconds")
        _zone(self.time_zone)
        if self.cron is not None:
            next(_by_cron(self.cron, self.starts, self.time_zone))
        if self.ends is not None and self.ends <= self.starts:
            raise ScheduleError("ends_at", "must be after the start")

    def runs_after(self, moment: datetime) -> Iterator[datetime]:
        """Every run strictly after a moment, in order, in UTC."""
        for run in self._endless(moment):
            if self.ends is not None and run > self.ends:
                return
            yield run

    def next_runs(self, moment: datetime, count: int) -> list[datetime]:
        """The next runs after a moment: fewer, or none, where the schedule ends before."""
        return list(islice(self.runs_after(moment), count))

    def shortest_gap(self, moment: datetime) -> timedelta | None:
        """The least time between two of the next hundred runs, within a year; None if there is one."""
        if self.period is not None:
            return timedelta(seconds=self.period) if len(self.next_runs(moment, 2)) == 2 else None
        year = moment + timedelta(days=366)
        runs = list(takewhile(lambda run: run <= year, islice(self.runs_after(moment), LOOKED_AT_RUNS)))
        return min((after - before for before, after in pairwise(runs)), default=None)

    def _endless(self, moment: datetime) -> Iterator[datetime]:
        # Runs have no fractions of a second, and are not early: what begins within one has the next.
        first = _whole_second(self.starts)
        if self.period is not None:
            return _by_period(first, timedelta(seconds=self.period), moment)
        assert self.cron is not None
        return _by_cron(self.cron, max(moment, first - _SECOND), self.time_zone)


def _whole_second(moment: datetime) -> datetime:
    down = moment.astimezone(UTC).replace(microsecond=0)
    return down if down == moment else down + _SECOND


def _by_period(first: datetime, period: timedelta, moment: datetime) -> Iterator[datetime]:
    number = max((moment - first) // period + 1, 0)
    while True:
        yield first + number * period
        number += 1


def _by_cron(cron: str, moment: datetime, time_zone: str) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError  # only what has a frequency loads it

    if len(cron) > MAX_CRON_LENGTH or len(cron.split()) != CRON_FIELDS:
        raise ScheduleError("cron", "must have five fields: minute hour day month weekday")
    try:
        runs = CronSim(cron, moment.astimezone(_zone(time_zone)))
    except CronSimError as error:
        raise ScheduleError("cron", str(error)) from error
    found = False
    for run in runs:
        # In the second of two equal hours CronSim goes on from the first: what has been is left out.
        if (at := run.astimezone(UTC)) > moment:
            found, moment = True, at
            yield at
    if not found:
        raise ScheduleError("cron", "never comes: there is no such day within 50 years")


def _zone(name: str) -> ZoneInfo:
    if name not in _zones():
        raise ScheduleError("time_zone", f"{name!r} is not an IANA time zone")
    return ZoneInfo(name)


@cache
def _zones() -> set[str]:
    return available_timezones()  # reads the whole data base of zones at every call
