"""Times: stored as text that sorts."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.times import iso, later, parse, utc_now

moments = st.integers(min_value=0, max_value=60 * 366 * 86_400 * 1_000_000).map(
    lambda microseconds: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    assert iso(datetime(2026, 11, 23, 10, 0, tzinfo=UTC)) == "2026-11-23T10:00:00.000Z"
    moscow = timezone(timedelta(hours=3))
    assert iso(datetime(2026, 11, 23, 13, 0, 0, 5999, tzinfo=moscow)) == "2026-11-23T10:00:00.005Z"


@given(moments)
def test_what_was_written_is_read_back_to_the_millisecond(at: datetime) -> None:
    read = parse(iso(at))
    assert read.tzinfo is not None
    assert timedelta() <= at - read < timedelta(milliseconds=1)


@given(moments, moments)
def test_text_sorts_as_the_moments_do(one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert iso(first) <= iso(second)


def test_later_adds_seconds_and_their_parts() -> None:
    assert iso(later(parse("2026-11-23T10:00:00.000Z"), 86_400.25)) == "2026-11-24T10:00:00.250Z"


def test_now_is_utc() -> None:
    assert utc_now().utcoffset() == timedelta()
