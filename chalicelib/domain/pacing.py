"""How many messages a second go to a provider, whoever sends them: each has a slot of its own.

The slots of a lane are a moment apart, one after the other, so that no second has more than the rate. A slot
is taken ahead: who comes when the present ones are taken gets a later one, and comes back then. A lane has
a share of the rate of its own: express never stands behind regular. And between two messages to the same
address a provider may want a pause.

    reserve(pace, lane, rate, [Wanted(address, pause), ...], now) -> the pace after it, and what each got
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.lanes import Lane

WAIT_SECONDS = 1.0
"""For a slot that is so near a function waits; SQS counts delays in whole seconds."""
LATE_SECONDS = 0.5
"""A slot is good for so long after its moment; who comes later needs another."""
MOST_ADDRESSES = 500
"""Addresses whose pauses are remembered; beyond that the provider itself says that it is too soon."""


@dataclass(frozen=True)
class Slots:
    """When a message may be sent, in seconds since the epoch: for the channel's rate, and for its address."""

    channel: float | None = None
    address: float | None = None


NO_SLOTS = Slots()


@dataclass(frozen=True)
class Wanted:
    """A message that is to be sent: where to, the pause that address wants, and what it has got already."""

    address: str
    pause: float = 0.0
    slots: Slots = NO_SLOTS


@dataclass(frozen=True)
class Now:
    """It can be sent at this moment, which is near."""

    at: float


@dataclass(frozen=True)
class Later:
    """It has to come back then, with these slots."""

    until: float
    slots: Slots


@dataclass(frozen=True)
class Pace:
    """Which slots of a channel are taken: from when on a lane's, and an address, are free."""

    free: Mapping[Lane, float] = field(default_factory=dict)
    addresses: Mapping[str, float] = field(default_factory=dict)


def share_of(lane: Lane, rate: float, express_percent: int) -> float:
    """A lane's part of a channel's rate."""
    express = rate * express_percent / 100
    return express if lane is Lane.EXPRESS else rate - express


def reserve(
    pace: Pace, lane: Lane, rate: float | None, wanted: Sequence[Wanted], now: float
) -> tuple[Pace, list[Now | Later]]:
    """Take slots for some messages, in their order. `rate` is the lane's; None: as many as one likes."""
    step = 1 / rate if rate else 0.0
    free = max(pace.free.get(lane, now), now)
    addresses = {address: until for address, until in pace.addresses.items() if until > now}
    answers: list[Now | Later] = []
    for each in wanted:
        own = each.slots.address
        if own is not None and _is_good(own, now):
            if own > now + WAIT_SECONDS:
                answers.append(Later(own, each.slots))
            else:
                # It has waited for its address, and goes then: behind it the lane's slots are a moment later.
                free += step
                answers.append(Now(own))
            continue
        at = each.slots.channel
        if at is None or not _is_good(at, now):
            at, free = free, free + step
        if at > now + WAIT_SECONDS:
            # Its address is asked for when it comes back: most are free then.
            answers.append(Later(at, Slots(channel=at)))
            continue
        if each.pause:
            own = max(addresses.get(each.address, at), at)
            addresses[each.address] = own + each.pause
            if own > now + WAIT_SECONDS:
                answers.append(Later(own, Slots(address=own)))
                continue
            at = own
        answers.append(Now(at))
    return replace(pace, free={**pace.free, lane: free}, addresses=_latest(addresses)), answers


def _is_good(slot: float, now: float) -> bool:
    return slot >= now - LATE_SECONDS


def _latest(addresses: Mapping[str, float]) -> dict[str, float]:
    kept = sorted(addresses.items(), key=lambda each: each[1])[-MOST_ADDRESSES:]
    return dict(kept)
