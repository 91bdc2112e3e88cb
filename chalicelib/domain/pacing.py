"""How many messages a second go to a provider, whoever sends them: each has a slot of its own.

The slots of a lane are a moment apart, one after the other, so that no second has more than the rate. A slot
is taken ahead: who comes when the present ones are taken gets a later one, and comes back then. A lane has
a share of the rate of its own: express never stands behind regular. And between two messages to the same
address a provider may want a pause.

Who comes too late for its slot does not lose it, else those that are always late would never be sent: it goes
as soon as those that are late have room, a little above the rate of those that are on time.

    reserve(pace, lane, rate, [Wanted(address, pause, slot), ...], now) -> the pace after it, what each got
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.lanes import Lane

WAIT_SECONDS = 1.0
"""For a slot that is so near a function waits; SQS counts delays in whole seconds."""
LATE_SECONDS = 0.3
"""So long after its moment a slot is on time."""
LATE_SHARE = 0.25
"""So much of a lane's rate those that are late may have beside the others; all of it, when there are none."""
PATIENCE_SECONDS = 60.0
"""Who is late and finds no room looks again after half the time that it is late, at most this."""
AHEAD_SECONDS = 900.0
"""So far ahead slots are taken: what SQS can delay. Who comes then has none, and takes its chance later: it
is for the queue to say whose turn it is, and what is cancelled meanwhile blocks nobody for longer."""
CLOCKS_SECONDS = 60.0
"""What is taken further ahead than that was taken by a clock that is wrong, and does not count."""
MOST_ADDRESSES = 500
"""Addresses whose pauses are remembered; beyond that the provider itself says that it is too soon."""

Uniform = Callable[[float, float], float]


@dataclass(frozen=True)
class Wanted:
    """A message that is to be sent: where to, the pause that address wants, and its slot if it has one.

    A slot is a moment in seconds since the epoch.
    """

    address: str
    pause: float = 0.0
    slot: float | None = None


@dataclass(frozen=True)
class Now:
    """It can be sent at this moment, which is near."""

    at: float


@dataclass(frozen=True)
class Later:
    """It has to come back then, with its slot, or without one."""

    until: float
    slot: float | None


@dataclass(frozen=True)
class Pace:
    """Which slots of a channel are taken: from when on a lane, its late ones, and addresses are free."""

    free: Mapping[Lane, float] = field(default_factory=dict)
    late: Mapping[Lane, float] = field(default_factory=dict)
    addresses: Mapping[str, float] = field(default_factory=dict)


def share_of(lane: Lane, rate: float, express_percent: int) -> float:
    """A lane's part of a channel's rate."""
    express = rate * express_percent / 100
    return express if lane is Lane.EXPRESS else rate - express


def reserve(
    pace: Pace,
    lane: Lane,
    rate: float | None,
    wanted: Sequence[Wanted],
    now: float,
    uniform: Uniform = random.uniform,
) -> tuple[Pace, list[Now | Later]]:
    """Take slots for some messages, in their order. `rate` is the lane's; None: as many as one likes."""
    taking = _Taking(pace, lane, 1 / rate if rate else 0.0, now, uniform)
    answers = [taking.take(each) for each in wanted]
    return taking.pace(), answers


class _Taking:
    """Slots as they are taken by one batch."""

    def __init__(self, pace: Pace, lane: Lane, step: float, now: float, uniform: Uniform) -> None:
        self._before, self._lane, self._step, self._now, self._uniform = pace, lane, step, now, uniform
        self._free = max(self._credible(pace.free.get(lane, now)), now)
        is_quiet = self._free <= now
        self._late = max(self._credible(pace.late.get(lane, now)), now)
        self._late_step = step if is_quiet else step / LATE_SHARE
        self._addresses = {
            address: until
            for address, until in pace.addresses.items()
            if now < until == self._credible(until)
        }
        self._behind: Counter[str] = Counter()

    def _credible(self, moment: float) -> float:
        """A moment that a clock like ours can have written; else the present one."""
        latest = self._now + AHEAD_SECONDS + self._step / LATE_SHARE + CLOCKS_SECONDS
        return moment if moment <= latest else self._now

    def take(self, wanted: Wanted) -> Now | Later:
        """When a message may be sent."""
        slot = wanted.slot if wanted.slot is not None and wanted.slot == self._credible(wanted.slot) else None
        if slot is None:
            if self._free > self._now + AHEAD_SECONDS:
                return Later(self._now + self._uniform(AHEAD_SECONDS / 2, AHEAD_SECONDS), None)
            slot, self._free = self._free, self._free + self._step
        if slot > self._now + WAIT_SECONDS:
            return Later(slot, slot)
        is_late = slot < self._now - LATE_SECONDS
        at = self._late if is_late else slot
        if at > self._now + WAIT_SECONDS:
            return Later(self._now + _patience(self._now - slot), slot)
        if wanted.pause:
            own = self._addresses.get(wanted.address, at)
            if own > self._now + WAIT_SECONDS:
                # Several of one batch come back one after the other; with others it is the pauses that grow.
                own += self._behind[wanted.address] * wanted.pause
                self._behind[wanted.address] += 1
                return Later(max(own, self._now + _patience(self._now - slot)), slot)
            at = max(at, own)
            self._addresses[wanted.address] = at + wanted.pause
        if is_late:
            self._late = max(self._late, at) + self._late_step
        return Now(at)

    def pace(self) -> Pace:
        """As it is now."""
        kept = sorted(self._addresses.items(), key=lambda each: each[1])[-MOST_ADDRESSES:]
        before, lane = self._before, self._lane
        return Pace({**before.free, lane: self._free}, {**before.late, lane: self._late}, dict(kept))


def _patience(late_seconds: float) -> float:
    return min(max(late_seconds / 2, WAIT_SECONDS), PATIENCE_SECONDS)
