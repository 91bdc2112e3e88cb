"""When a frequency runs: in words, as forms have it, and its next times."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.admin.visits import Visit
from chalicelib.api.frequencies import FrequencyFields
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.frequency_times import planned_runs
from chalicelib.tables.frequencies import Frequency

UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
TIMING = ("period", "cron", "time_zone", "starts_at", "ends_at")

_DAYS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6, "7": 0}
_DAYS |= {str(number): number for number in range(7)}
_NUMBER = re.compile(r"\d{1,2}")
_STEP = re.compile(r"\*/(\d{1,2})")


@dataclass(frozen=True)
class Plan:
    """A timing in a form that has words: every `count` units; or at a time, each day or on some days.

    `kind` is a unit, or one of hourly, daily, weekly, monthly and cron, which is for all that has no words.
    """

    kind: str
    count: int = 1
    at: str = ""
    days: tuple[int, ...] = ()


@dataclass(frozen=True)
class Run:
    """A time at which it runs; `there` is that of its own time zone, where that is not the viewer's."""

    at: str
    there: str | None


def plan_of(row: Frequency) -> Plan:
    """What a frequency's times are in words."""
    if row.cron:
        return _of_cron(row.cron.split())
    count, unit = in_units(int(row.period))
    return Plan(unit, count)


def in_units(seconds: int) -> tuple[int, str]:
    """A period in the largest unit that it is a whole number of."""
    unit = max((each for each in UNITS if seconds % UNITS[each] == 0), key=UNITS.__getitem__)
    return seconds // UNITS[unit], unit


def _of_cron(fields: list[str]) -> Plan:
    minute, hour, day, month, weekday = fields
    rest = day, month, weekday
    every = ("*", "*", "*")
    if rest == every and hour == "*":
        if minute == "*":
            return Plan("minute")
        if step := _STEP.fullmatch(minute):
            return Plan("minute", int(step[1])) if 60 % max(int(step[1]), 1) == 0 else Plan("cron")
        return Plan("hourly", at=f"{minute:0>2}") if _NUMBER.fullmatch(minute) else Plan("cron")
    if not (_NUMBER.fullmatch(minute) and _NUMBER.fullmatch(hour)):
        return Plan("cron")
    at = f"{hour:0>2}:{minute:0>2}"
    if rest == every:
        return Plan("daily", at=at)
    if (day, month) == ("*", "*") and (days := _weekdays(weekday)):
        return Plan("weekly", at=at, days=days)
    if (month, weekday) == ("*", "*") and _NUMBER.fullmatch(day):
        return Plan("monthly", count=int(day), at=at)
    return Plan("cron")


def _weekdays(field: str) -> tuple[int, ...]:
    """The weekdays of a list, from Monday on; nothing where it is more than a list of days and of ranges."""
    found: set[int] = set()
    for part in field.upper().split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            return ()
        begin, end = _DAYS[first], _DAYS[last] if dash else _DAYS[first]
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return tuple(sorted(found, key=lambda day: (day - 1) % 7))


def typed_timing(visit: Visit, begins: str | None = None) -> dict[str, Any]:
    """The times that were typed; of period and cron the one that was chosen.

    Args:
        begins: From when on it runs where nothing is typed.
    """
    form = visit.form
    starts = visit.moment("starts_at") or begins
    timing: dict[str, Any] = {"starts_at": starts, "ends_at": visit.moment("ends_at")}
    if form.text("kind") == "cron":
        timing |= {"cron": " ".join(form.text("cron").split()), "time_zone": form.text("time_zone") or "UTC"}
    else:
        timing["period"] = _whole(form.text("period")) * UNITS.get(form.text("unit"), 1)
    return dict(FrequencyFields.model_validate(timing).wanted().timing)


def _whole(typed: str) -> int:
    if not re.fullmatch(r"\d{1,12}", typed, re.ASCII):
        raise InvalidFieldError("period", "must be a whole number")
    return int(typed)


def planned(visit: Visit) -> list[Run]:
    """The next times of what was typed; InvalidFieldError for what is no schedule."""
    timing = typed_timing(visit, visit.form.text("created_at") or None)
    zone = timing.get("time_zone")
    return [run_of(visit, at, zone) for at in planned_runs(timing, visit.now)]


def run_of(visit: Visit, at: str, zone: str | None) -> Run:
    """A run, with the time of another zone where there is one."""
    if zone is None or zone == visit.zone.key:
        return Run(at, None)
    here, there = (datetime.fromisoformat(at).astimezone(each) for each in (visit.zone, ZoneInfo(zone)))
    return Run(at, there.strftime("%H:%M" if here.date() == there.date() else "%Y-%m-%d %H:%M"))
