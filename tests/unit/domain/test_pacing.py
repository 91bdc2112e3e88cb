"""Slots: what no second may have more of, whatever comes when."""

import heapq
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.lanes import Lane
from chalicelib.domain.pacing import (
    AHEAD_SECONDS,
    LATE_SECONDS,
    LATE_SHARE,
    MOST_ADDRESSES,
    PATIENCE_SECONDS,
    WAIT_SECONDS,
    Later,
    Now,
    Pace,
    Wanted,
    reserve,
    share_of,
)

START = 1_000_000.0
STEP = 1e-6


def several(count: int, pause: float = 0.0) -> list[Wanted]:
    return [Wanted(f"address {number}", pause) for number in range(count)]


def test_one_after_the_other_at_the_rate() -> None:
    pace, answers = reserve(Pace(), Lane.REGULAR, 10, several(4), START)
    assert [each.at for each in answers if isinstance(each, Now)] == pytest.approx(
        [START, START + 0.1, START + 0.2, START + 0.3]
    )
    assert pace.free == {Lane.REGULAR: pytest.approx(START + 0.4)}


def test_what_is_not_near_comes_back_with_its_slot() -> None:
    pace, answers = reserve(Pace(), Lane.REGULAR, 2, several(5), START)
    assert answers[:3] == [Now(START), Now(START + 0.5), Now(START + 1)]
    assert answers[3:] == [Later(START + 1.5, START + 1.5), Later(START + 2, START + 2)]
    # When it comes, it takes no other.
    after, (answer,) = reserve(pace, Lane.REGULAR, 2, [Wanted("address 3", slot=START + 1.5)], START + 1.2)
    assert answer == Now(START + 1.5)
    assert after.free == pace.free


def test_on_time_is_a_little_later_too() -> None:
    _, (answer,) = reserve(Pace(), Lane.REGULAR, 10, [Wanted("address", slot=START - LATE_SECONDS)], START)
    assert answer == Now(START - LATE_SECONDS)


class TestLate:
    def test_who_is_late_goes_now_and_takes_no_slot_of_others(self) -> None:
        late = [Wanted(f"late {number}", slot=START - 10) for number in range(3)]
        pace, answers = reserve(Pace(), Lane.REGULAR, 10, [*late, *several(2)], START)
        assert [each.at for each in answers if isinstance(each, Now)] == pytest.approx(
            [START, START + 0.1, START + 0.2, START, START + 0.1]
        )
        assert pace.free[Lane.REGULAR] == pytest.approx(START + 0.2)

    def test_beside_those_on_time_a_part_of_the_rate(self) -> None:
        busy = Pace({Lane.REGULAR: START + 60})
        late = [Wanted(f"late {number}", slot=START - 10) for number in range(5)]
        _, answers = reserve(busy, Lane.REGULAR, 10, late, START)
        step = 0.1 / LATE_SHARE
        assert [each.at for each in answers[:3] if isinstance(each, Now)] == pytest.approx(
            [START, START + step, START + 2 * step]
        )
        assert answers[3:] == [Later(START + 5, START - 10)] * 2

    def test_who_is_very_late_has_patience_and_not_too_much(self) -> None:
        busy = Pace(late={Lane.REGULAR: START + 30})
        (short, long) = (Wanted("a", slot=START - 0.6), Wanted("b", slot=START - 5000))
        _, answers = reserve(busy, Lane.REGULAR, 10, [short, long], START)
        assert answers == [
            Later(START + WAIT_SECONDS, START - 0.6),
            Later(START + PATIENCE_SECONDS, START - 5000),
        ]


class TestAhead:
    def test_slots_are_taken_as_far_as_a_queue_can_delay(self) -> None:
        pace, answers = reserve(Pace(), Lane.REGULAR, 1, several(1000), START, lambda low, high: high)
        assert answers[901] == Later(START + AHEAD_SECONDS, None)
        assert pace.free[Lane.REGULAR] == pytest.approx(START + AHEAD_SECONDS + 1)

    @pytest.mark.parametrize("rate", [0.01, 1, 500])
    def test_a_clock_that_was_wrong_blocks_nobody(self, rate: float) -> None:
        year = 365 * 86_400.0
        pace, _ = reserve(Pace(), Lane.REGULAR, rate, several(3, 1.0), START + year)
        _, (answer, again) = reserve(
            pace, Lane.REGULAR, rate, [Wanted("address 0", 1.0), Wanted("address", slot=START + year)], START
        )
        assert answer == Now(START)
        assert again == (Now if rate >= 1 else Later)(*[START + 1 / rate] * (1 if rate >= 1 else 2))


def test_what_was_not_used_is_not_saved_up() -> None:
    pace, _ = reserve(Pace(), Lane.REGULAR, 10, several(5), START)
    _, answers = reserve(pace, Lane.REGULAR, 10, several(2), START + 60)
    assert answers == [Now(START + 60), Now(START + 60.1)]


def test_express_has_its_own() -> None:
    pace, _ = reserve(Pace(), Lane.REGULAR, 5, several(500), START)
    _, (answer,) = reserve(pace, Lane.EXPRESS, 5, several(1), START)
    assert answer == Now(START)


@pytest.mark.parametrize(("percent", "express", "regular"), [(30, 9, 21), (1, 0.3, 29.7), (99, 29.7, 0.3)])
def test_the_shares_are_the_rate_together(percent: int, express: float, regular: float) -> None:
    assert share_of(Lane.EXPRESS, 30, percent) == pytest.approx(express)
    assert share_of(Lane.REGULAR, 30, percent) == pytest.approx(regular)


def test_without_a_rate_everybody_may_at_once() -> None:
    _, answers = reserve(Pace(), Lane.REGULAR, None, several(100), START)
    assert answers == [Now(START)] * 100


class TestAddresses:
    def test_a_pause_between_two_to_the_same(self) -> None:
        pace, answers = reserve(Pace(), Lane.REGULAR, 100, [Wanted("chat", 1.0)] * 4, START)
        assert answers[:2] == [Now(START), Now(START + 1)]
        assert [each.until for each in answers[2:] if isinstance(each, Later)] == [START + 2, START + 3]
        assert pace.addresses == {"chat": START + 2}

    def test_over_both_lanes(self) -> None:
        pace, _ = reserve(Pace(), Lane.REGULAR, 100, [Wanted("chat", 3.0)], START)
        _, (answer,) = reserve(pace, Lane.EXPRESS, 100, [Wanted("chat", 3.0)], START + 0.5)
        assert answer == Later(START + 3, START + 0.5)

    def test_who_waited_for_it_goes_then(self) -> None:
        pace, (*_, third) = reserve(Pace(), Lane.REGULAR, 100, [Wanted("chat", 1.0)] * 3, START)
        assert isinstance(third, Later)
        after, (answer,) = reserve(pace, Lane.REGULAR, 100, [Wanted("chat", 1.0, third.slot)], third.until)
        assert answer == Now(START + 2)
        assert after.addresses == {"chat": START + 3}

    def test_what_is_far_ahead_does_not_take_it_yet(self) -> None:
        pace, _ = reserve(Pace(), Lane.REGULAR, 0.1, [Wanted("a", 1.0), Wanted("b", 1.0)], START)
        assert pace.addresses == {"a": START + 1}

    def test_it_is_forgotten_when_it_is_over(self) -> None:
        pace, _ = reserve(Pace(), Lane.REGULAR, 100, [Wanted("chat", 1.0)], START)
        pace, _ = reserve(pace, Lane.REGULAR, 100, [], START + 1)
        assert pace.addresses == {}

    def test_not_more_are_remembered_than_one_item_holds(self) -> None:
        pace, _ = reserve(Pace(), Lane.REGULAR, 100_000, several(MOST_ADDRESSES + 10, 5.0), START)
        assert len(pace.addresses) == MOST_ADDRESSES


@dataclass(order=True)
class Arrival:
    """A message that comes to a function."""

    at: float
    number: int
    lane: Lane = field(compare=False)
    address: str = field(compare=False)
    slot: float | None = field(compare=False, default=None)


@dataclass
class Provider:
    """Functions that take batches, and queues whose delays are whole seconds and never quite exact."""

    rates: dict[Lane, float]
    pause: float
    chance: random.Random
    lateness: Sequence[float] = (0, 0, 0.02, 0.3, 2.5)
    slots: dict[Lane, list[float]] = field(default_factory=lambda: defaultdict(list))
    sent: dict[Lane, list[float]] = field(default_factory=lambda: defaultdict(list))
    to_address: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rounds: int = 0

    def run(self, arrivals: Sequence[Arrival]) -> None:
        coming, pace = list(arrivals), Pace()
        heapq.heapify(coming)
        while coming:
            first = heapq.heappop(coming)
            batch = [first]
            while coming and len(batch) < 10 and coming[0].at <= first.at and coming[0].lane is first.lane:
                batch.append(heapq.heappop(coming))
            wanted = [Wanted(each.address, self.pause, each.slot) for each in batch]
            pace, answers = reserve(pace, first.lane, self.rates[first.lane], wanted, first.at)
            for message, answer in zip(batch, answers, strict=True):
                match answer:
                    case Now(at):
                        assert at <= first.at + WAIT_SECONDS
                        self.slots[message.lane].append(at)
                        self.sent[message.lane].append(max(at, first.at))
                        self.to_address[message.address].append(at)
                    case Later(until, slot):
                        self.rounds += 1
                        assert self.rounds < 200 * len(arrivals), "no end"
                        back = first.at + int(until - first.at) + self.chance.choice(self.lateness)
                        heapq.heappush(
                            coming, Arrival(back, message.number, message.lane, message.address, slot)
                        )


def most_in_a_second(moments: Sequence[float]) -> int:
    """The most of them within any second."""
    ordered = sorted(moments)
    return max(sum(1 for each in ordered if start <= each < start + 1 - 10 * STEP) for start in ordered)


@settings(deadline=None, max_examples=150)
@given(
    counts=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    rates=st.tuples(st.sampled_from([1, 3, 7.5, 20]), st.sampled_from([1, 3, 7.5, 20])),
    within=st.floats(0, 20),
    pause=st.sampled_from([0.0, 0.0, 1.0, 3.0]),
    addresses=st.sampled_from([1, 3, 1000]),
    lateness=st.sampled_from([(0, 0, 0.02, 0.3, 2.5), (1.7, 2.5, 4.0), (0,)]),
    seed=st.integers(0, 2**32),
)
def test_no_second_has_more_than_the_rate_and_everybody_has_a_turn(
    counts: tuple[int, int],
    rates: tuple[float, float],
    within: float,
    pause: float,
    addresses: int,
    lateness: Sequence[float],
    seed: int,
) -> None:
    chance = random.Random(seed)
    provider = Provider(dict(zip(Lane, rates, strict=True)), pause, chance, lateness)
    arrivals = [
        Arrival(START + chance.uniform(0, within), number, lane, f"address {chance.randrange(addresses)}")
        for lane, count in zip(Lane, counts, strict=True)
        for number in range(count)
    ]
    provider.run(arrivals)
    for lane, count, rate in zip(Lane, counts, rates, strict=True):
        assert len(provider.slots[lane]) == count
        if count and not pause:
            # Those that are late are beside those on time; where there are none, they have the whole rate.
            times = (1, 1) if max(lateness) == 0 else (2, 3)
            assert most_in_a_second(provider.slots[lane]) <= times[0] * math.ceil(rate)
            assert most_in_a_second(provider.sent[lane]) <= times[1] * math.ceil(rate)
    if pause:
        for moments in provider.to_address.values():
            ordered = sorted(moments)
            steps = [after - before for before, after in itertools.pairwise(ordered)]
            assert all(step >= pause - LATE_SECONDS - STEP for step in steps)
