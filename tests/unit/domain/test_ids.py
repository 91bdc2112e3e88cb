"""Ids: UUIDv7."""

import os
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.ids import made_at, new_id, uuid7
from chalicelib.domain.times import iso, later
from tests.support.factories import START

moments = st.integers(min_value=0, max_value=60 * 366 * 86_400 * 1_000_000).map(
    lambda microseconds: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


@given(moments, st.binary(min_size=10, max_size=32))
def test_version_and_variant_are_those_of_the_rfc(at: datetime, tail: bytes) -> None:
    made = uuid7(at, tail)
    assert made.version == 7
    assert made.variant == RFC_4122


@given(moments)
def test_the_first_48_bits_are_the_millisecond_that_is_stored_beside_the_id(at: datetime) -> None:
    milliseconds = uuid7(at, bytes(10)).int >> 80
    seconds, rest = divmod(milliseconds, 1000)
    assert iso(datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)) == iso(at)


def test_a_whole_millisecond_is_never_one_short() -> None:
    for second in range(1_795_000_000, 1_795_000_400):
        for millisecond in range(0, 1000, 7):
            at = datetime.fromtimestamp(second, UTC) + timedelta(milliseconds=millisecond)
            assert uuid7(at, bytes(10)).int >> 80 == second * 1000 + millisecond


def test_the_rest_is_the_tail_but_for_six_bits() -> None:
    low = (1 << 80) - 1
    of_ones = uuid7(START, b"\xff" * 10).int & low
    of_zeros = uuid7(START, bytes(10)).int & low
    assert of_ones ^ of_zeros == low ^ (0xF << 76) ^ (0x3 << 62)


def test_the_same_moment_and_tail_make_the_same_id() -> None:
    tail = os.urandom(10)
    assert uuid7(START, tail) == uuid7(START, tail)
    assert uuid7(START, tail) != uuid7(later(START, 0.001), tail)


@given(moments, moments)
def test_ids_sort_as_text_by_their_millisecond(one: datetime, other: datetime) -> None:
    if iso(one) < iso(other):
        assert new_id(one) < new_id(other)


def test_new_ids_of_one_moment_differ() -> None:
    made = {new_id(START) for _ in range(1000)}
    assert len(made) == 1000
    assert all(str(UUID(each)) == each for each in made)


@given(moments)
def test_the_moment_can_be_read_back_to_the_millisecond(at: datetime) -> None:
    assert iso(made_at(new_id(at))) == iso(at)


@pytest.mark.parametrize("other", ["dispatch", "", "859d721d-c9f3-4bb9-9ce2-2ea044432b0b"])
def test_of_another_id_no_moment_can_be_read(other: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        made_at(other)
