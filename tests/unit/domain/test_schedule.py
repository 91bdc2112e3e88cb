"""When something recurs: on the grid, within its bounds, and over the nights when the clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.schedule import Schedule, ScheduleError
from tests.support.factories import START

MOMENTS = st.integers(0, 20 * 366 * 86_400_000).map(lambda ms: START + timedelta(milliseconds=ms))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Europe/Moscow", "America/New_York", "Australia/Lord_Howe"])


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    step = st.integers(1, high).map(lambda each: f"*/{each}")
    ordered = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
    spans = ordered.map(lambda pair: f"{pair[0]}-{pair[1]}")
    return st.one_of(
        st.just("*"), number, step, spans, st.lists(number, min_size=2, max_size=4).map(",".join)
    )


CRONS = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(" ".join)


def local(schedule: Schedule, after: datetime, count: int) -> list[str]:
    """The next runs as the clocks there show them."""
    zone = ZoneInfo(schedule.time_zone)
    return [run.astimezone(zone).isoformat() for run in schedule.next_runs(after, count)]


def daily(cron: str, zone: str = "Europe/Berlin") -> Schedule:
    return Schedule(datetime(2020, 1, 1, tzinfo=UTC), cron=cron, time_zone=zone)


@given(MOMENTS, st.integers(1, 400 * 86_400), MOMENTS, st.one_of(st.none(), MOMENTS))
def test_a_period_is_a_grid_from_its_start(
    starts: datetime, period: int, after: datetime, ends: datetime | None
) -> None:
    runs = Schedule(starts, ends, period=period).next_runs(after, 5)
    first = starts.replace(microsecond=0) + timedelta(seconds=bool(starts.microsecond))
    for run in runs:
        assert (run - first) % timedelta(seconds=period) == timedelta()
        assert run > after
        assert run >= starts
        assert ends is None or run <= ends
    assert all(later - earlier == timedelta(seconds=period) for earlier, later in pairwise(runs))
    if ends is None:
        assert len(runs) == 5
        assert runs[0] == first or runs[0] - timedelta(seconds=period) <= after


@given(CRONS, ZONES, MOMENTS, MOMENTS, st.one_of(st.none(), MOMENTS))
def test_a_cron_runs_in_order_between_its_bounds(
    cron: str, zone: str, starts: datetime, after: datetime, ends: datetime | None
) -> None:
    schedule = Schedule(starts, ends, cron=cron, time_zone=zone)
    runs = schedule.next_runs(after, 6)
    assert all(earlier < later for earlier, later in pairwise(runs))
    for run in runs:
        assert run > after
        assert run >= starts
        assert ends is None or run <= ends
        assert run.tzinfo is UTC
        assert (run.second, run.microsecond) == (0, 0)
    assert schedule.next_runs(after, 3) == runs[:3]
    if runs:  # asked from any moment before, the next is the same
        assert schedule.next_runs(max(after, runs[0] - timedelta(seconds=1)), 1) == runs[:1]


@given(MOMENTS, st.integers(0, 59), st.integers(0, 23), ZONES)
def test_a_time_of_day_comes_once_each_day(after: datetime, minute: int, hour: int, zone: str) -> None:
    runs = daily(f"{minute} {hour} * * *", zone).next_runs(after, 400)
    days = [run.astimezone(ZoneInfo(zone)).date() for run in runs]
    assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(days))


def test_the_start_itself_is_a_run() -> None:
    assert Schedule(START, period=60).next_runs(START - timedelta(seconds=1), 2) == [
        START,
        START + timedelta(seconds=60),
    ]
    assert daily("0 10 * * *", "UTC").next_runs(START - timedelta(seconds=1), 1) == [START]
    assert Schedule(START, cron="0 10 * * *").next_runs(START - timedelta(days=9), 1) == [START]


def test_what_starts_within_a_second_runs_from_the_next_on() -> None:
    starts = START + timedelta(milliseconds=1)
    assert Schedule(starts, period=60).next_runs(starts, 1) == [START + timedelta(seconds=1)]
    assert Schedule(starts, cron="0 10 * * *").next_runs(starts, 1) == [START + timedelta(days=1)]


def test_the_end_is_included_and_nothing_after_it() -> None:
    schedule = Schedule(START, START + timedelta(seconds=120), period=60)
    assert len(schedule.next_runs(START - timedelta(seconds=1), 5)) == 3
    assert schedule.next_runs(START + timedelta(seconds=120), 5) == []


def test_long_after_its_start_a_period_is_as_quick_and_exact() -> None:
    schedule = Schedule(datetime(2000, 1, 1, tzinfo=UTC), period=1)
    assert schedule.next_runs(datetime(2199, 1, 1, tzinfo=UTC), 1) == [
        datetime(2199, 1, 1, 0, 0, 1, tzinfo=UTC)
    ]


# The night of 29 March 2026 has no 02:00 to 03:00 in Berlin; that of 25 October has it twice.

SPRING = datetime(2026, 3, 28, 12, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 22, tzinfo=UTC)


def test_a_time_that_does_not_exist_runs_at_the_first_minute_after_the_gap() -> None:
    assert local(daily("30 2 * * *"), SPRING, 2) == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]


def test_two_times_in_the_gap_become_one_run() -> None:
    assert local(daily("0,30 2 * * *"), SPRING, 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:00:00+02:00",
    ]


def test_a_time_that_comes_twice_runs_at_the_first() -> None:
    assert local(daily("30 2 * * *"), AUTUMN, 2) == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


@pytest.mark.parametrize("minute", [10, 40])
def test_asked_within_the_second_of_two_hours_nothing_comes_again(minute: int) -> None:
    after = datetime(2026, 10, 25, 1, minute, tzinfo=UTC)
    assert local(daily("30 2 * * *"), after, 1) == ["2026-10-26T02:30:00+01:00"]


def test_with_a_star_it_runs_by_the_time_that_passes() -> None:
    assert local(daily("30 * * * *"), SPRING + timedelta(hours=12), 3) == [
        "2026-03-29T01:30:00+01:00",
        "2026-03-29T03:30:00+02:00",
        "2026-03-29T04:30:00+02:00",
    ]
    assert local(daily("30 * * * *"), AUTUMN + timedelta(hours=2), 3) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ]
    assert local(daily("*/30 2 * * *"), SPRING, 1) == ["2026-03-30T02:00:00+02:00"]
    assert len(local(daily("*/30 2 * * *"), AUTUMN, 4)) == len(
        [run for run in local(daily("*/30 2 * * *"), AUTUMN, 6) if run.startswith("2026-10-25")]
    )


def test_a_day_of_the_month_that_few_months_have() -> None:
    assert [run.date().isoformat() for run in daily("0 0 31 * *", "UTC").next_runs(START, 3)] == [
        "2026-12-31",
        "2027-01-31",
        "2027-03-31",
    ]
    assert [run.year for run in daily("0 0 29 2 *", "UTC").next_runs(START, 3)] == [2028, 2032, 2036]


# What is no schedule.


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("* " * 60, "five fields"),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day-of-month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day-of-week"),
        ("*/0 * * * *", "minute"),
        ("5-1 * * * *", "minute"),
        ("a * * * *", "minute"),
        ("² * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("0 0 31 2 *", "day-of-month"),
        ("0 0 30 2 *", "day-of-month"),
        ("0 0 31 4,6,9,11 *", "day-of-month"),
    ],
)
def test_an_impossible_expression_is_refused_with_its_reason(cron: str, reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason) as refused:
        Schedule(START, cron=cron).check()
    assert refused.value.field == "cron"


@given(
    st.text(st.sampled_from("0123456789*/,-#LWMONTUE ²?"), max_size=30).map(lambda text: text + " * * * *")
)
def test_whatever_stands_there_it_runs_or_is_refused(cron: str) -> None:
    try:
        Schedule(START, cron=cron).check()
    except ScheduleError as error:
        field = error.field
    else:
        field = "cron" if len(Schedule(START, cron=cron).next_runs(START, 2)) == 2 else ""
    assert field == "cron"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({}, "period"),
        ({"period": 60, "cron": "* * * * *"}, "period"),
        ({"period": 0}, "period"),
        ({"period": -1}, "period"),
        ({"period": 10**9}, "period"),
        ({"period": 60, "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"cron": "* * * * *", "time_zone": "../../etc/passwd"}, "time_zone"),
        ({"cron": "* * * * *", "time_zone": ""}, "time_zone"),
        ({"period": 60, "ends": START}, "ends_at"),
        ({"period": 60, "ends": START - timedelta(days=1)}, "ends_at"),
    ],
)
def test_what_is_no_schedule_names_its_field(changed: dict[str, object], field: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        Schedule(START, **changed).check()  # type: ignore[arg-type]
    assert refused.value.field == field


def test_the_library_is_loaded_only_when_it_is_needed() -> None:
    import subprocess
    import sys

    code = "import sys, chalicelib.domain.schedule; print('cronsim' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
