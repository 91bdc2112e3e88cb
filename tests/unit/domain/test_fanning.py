"""The fan-out tree: every chunk once, four levels deep, nothing early."""

import math
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.fanning import (
    CHUNK_SIZE,
    MAX_DELAY_SECONDS,
    MAX_PARTS,
    ChunkRange,
    chunk_count,
    chunk_due,
    delay_until,
    hop_delay,
)
from chalicelib.domain.times import later
from tests.support.factories import START

ranges = st.tuples(st.integers(0, 10_000), st.integers(1, 10_000)).map(
    lambda pair: ChunkRange(pair[0], pair[0] + pair[1])
)
seconds = st.integers(min_value=-(10**9), max_value=10**9).map(lambda milliseconds: milliseconds / 1000)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (2, 1), (-1, 1), (-2, -1)])
def test_what_is_no_range_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="not a range"):
        ChunkRange(first, last)


@given(ranges)
def test_parts_cover_a_range_in_order_without_gap_or_overlap(chunks: ChunkRange) -> None:
    parts = chunks.split()
    assert len(parts) <= MAX_PARTS
    assert (parts[0].first, parts[-1].last) == (chunks.first, chunks.last)
    assert all(part.last == following.first for part, following in pairwise(parts))


@given(ranges)
def test_a_part_is_smaller_than_what_was_split(chunks: ChunkRange) -> None:
    if not chunks.is_one_chunk:
        largest = max(part.last - part.first for part in chunks.split())
        assert largest == math.ceil((chunks.last - chunks.first) / MAX_PARTS)


@given(st.integers(min_value=1, max_value=100_000))
def test_every_recipient_is_in_exactly_one_chunk(recipients: int) -> None:
    chunks = chunk_count(recipients)
    assert (chunks - 1) * CHUNK_SIZE < recipients <= chunks * CHUNK_SIZE


def _leaves(chunks: ChunkRange, depth: int = 0) -> list[tuple[int, int]]:
    """(chunk, depth) of everything that a range becomes in the end."""
    if chunks.is_one_chunk:
        return [(chunks.first, depth)]
    return [leaf for part in chunks.split() for leaf in _leaves(part, depth + 1)]


@pytest.mark.parametrize(
    ("recipients", "depth"),
    [(1, 0), (100, 0), (101, 1), (1_000, 1), (1_001, 2), (100_000, 3), (1_000_000, 4)],
)
def test_a_million_recipients_are_a_tree_four_deep(recipients: int, depth: int) -> None:
    leaves = _leaves(ChunkRange(0, chunk_count(recipients)))
    assert [chunk for chunk, _ in leaves] == list(range(chunk_count(recipients)))
    assert max(level for _, level in leaves) == depth


def test_the_messages_of_a_tree_cost_little_more_than_one_a_chunk() -> None:
    def messages(chunks: ChunkRange) -> int:
        return 1 if chunks.is_one_chunk else 1 + sum(messages(part) for part in chunks.split())

    assert messages(ChunkRange(0, 10_000)) == 11_111


@given(st.integers(0, 10_000), st.integers(0, 86_400))
def test_each_chunk_is_due_one_step_after_the_one_before(chunk: int, step: int) -> None:
    assert chunk_due(START, chunk, step) - START == timedelta(seconds=chunk * step)


@given(seconds)
def test_a_delay_is_never_early_and_less_than_a_second_late(ahead: float) -> None:
    due = later(START, ahead)
    delay = delay_until(due, START)
    assert 0 <= delay <= MAX_DELAY_SECONDS
    if 0 <= ahead <= MAX_DELAY_SECONDS:
        assert timedelta() <= later(START, delay) - due < timedelta(seconds=1)
    elif ahead < 0:
        assert delay == 0
    else:
        assert delay == MAX_DELAY_SECONDS


@given(seconds)
def test_a_hop_brings_a_moment_within_reach_of_one_delay(ahead: float) -> None:
    due, now, hops = later(START, ahead), START, 0
    while delay := hop_delay(due, now):
        assert delay <= MAX_DELAY_SECONDS
        now, hops = later(now, delay), hops + 1
        assert now < due
    assert (due - now).total_seconds() <= MAX_DELAY_SECONDS
    assert hops == max(math.ceil((ahead - MAX_DELAY_SECONDS) / MAX_DELAY_SECONDS), 0)
