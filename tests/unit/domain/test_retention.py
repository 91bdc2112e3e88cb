"""Until when what belongs to a dispatch is kept."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.backoff import WAIT_AT_MOST_SECONDS
from chalicelib.domain.fanning import chunk_due
from chalicelib.domain.retention import (
    LONGEST_IN_FLIGHT,
    dispatch_expiry,
    expiry_beside,
    is_kept,
    row_expiry,
)
from tests.support.factories import START

LONGEST_UNSENT = timedelta(hours=336)
"""The largest UNSENT_EXPIRES_HOURS that the settings take."""


def test_what_is_in_flight_the_longest_is_still_kept() -> None:
    assert LONGEST_UNSENT + timedelta(seconds=WAIT_AT_MOST_SECONDS) < LONGEST_IN_FLIGHT


@given(st.integers(1, 10_000), st.integers(0, 3600), st.integers(30, 3650))
def test_a_dispatch_outlives_each_of_its_rows_by_that(chunks: int, step: int, days: int) -> None:
    whole = dispatch_expiry(START, chunks, step, days)
    for chunk in {0, chunks // 2, chunks - 1}:
        row = row_expiry(chunk_due(START, chunk, step), days)
        assert row == int((START + timedelta(seconds=chunk * step, days=days)).timestamp())
        assert whole >= expiry_beside(row) == row + LONGEST_IN_FLIGHT.total_seconds()


def test_what_has_no_end_is_kept() -> None:
    assert is_kept(None, START)
    assert is_kept(START.timestamp() + 1, START)
    assert not is_kept(START.timestamp(), START)
