"""Backoff: pauses that double, bounded, for about four hours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.backoff import attempt_limit, retry_pause, unsent_pause
from chalicelib.domain.lanes import Lane

HOUR = 3600.0


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def lowest(low: float, high: float) -> float:
    return low


def highest(low: float, high: float) -> float:
    return high


@pytest.mark.parametrize(
    ("lane", "pauses"),
    [
        (Lane.EXPRESS, [3, 6, 12, 24, 48, 96, 192, 384, 768, 900, 900]),
        (Lane.REGULAR, [30, 60, 120, 240, 480, 900, 900]),
    ],
)
def test_pauses_double_up_to_a_quarter_of_an_hour(lane: Lane, pauses: list[float]) -> None:
    attempts = range(1, len(pauses) + 1)
    assert [retry_pause(lane, attempt, middle) for attempt in attempts] == pauses


@pytest.mark.parametrize("lane", Lane)
def test_a_recipient_is_given_up_after_about_four_hours(lane: Lane) -> None:
    between = range(1, attempt_limit(lane))  # after the last attempt there is no pause
    assert 4 * HOUR <= sum(retry_pause(lane, attempt, middle) for attempt in between) <= 4.3 * HOUR
    assert sum(retry_pause(lane, attempt, lowest) for attempt in between) >= 3 * HOUR
    assert sum(retry_pause(lane, attempt, highest) for attempt in between) <= 4.5 * HOUR


@given(st.sampled_from(Lane), st.integers(min_value=1, max_value=10_000))
def test_no_pause_is_longer_than_a_queue_can_delay(lane: Lane, attempt: int) -> None:
    pause = retry_pause(lane, attempt)
    plain = retry_pause(lane, attempt, middle)
    assert 0.75 * plain <= pause <= min(1.25 * plain, 900)


@pytest.mark.parametrize("lane", Lane)
def test_pauses_differ_so_that_retries_do_not_come_in_waves(lane: Lane) -> None:
    assert len({retry_pause(lane, 3) for _ in range(20)}) == 20


def test_the_sweep_waits_from_a_minute_to_an_hour() -> None:
    assert [unsent_pause(tries, middle) for tries in range(1, 9)] == [
        60, 120, 240, 480, 960, 1920, 3600, 3600,
    ]  # fmt: skip
    assert all(45 <= unsent_pause(1) <= 75 for _ in range(100))
    assert all(unsent_pause(100) <= HOUR for _ in range(100))
