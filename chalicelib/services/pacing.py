"""Pacing: slots for what is to be sent, taken by the lane's share of the channel's rate."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chalicelib import settings
from chalicelib.channels import CHANNELS
from chalicelib.domain.fanning import MAX_DELAY_SECONDS
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage
from chalicelib.domain.pacing import (
    LATE_SECONDS,
    LATE_SHARE,
    WAIT_SECONDS,
    Later,
    Now,
    Pace,
    Wanted,
    reserve,
    share_of,
)
from chalicelib.domain.times import Clock
from chalicelib.services.aftermath import Incoming
from chalicelib.settings import SettingsError
from chalicelib.tables.paces import change_pace


def check_rates(configured: settings.Settings) -> None:
    """SettingsError when CHANNEL_RATES names a channel that there is none of: asked at each deployment."""
    if unknown := configured.channels.rates.keys() - CHANNELS.keys():
        raise SettingsError(
            f"CHANNEL_RATES names {', '.join(sorted(unknown))}, and there are {', '.join(CHANNELS)}"
        )


def rate_of(channel: str, lane: Lane) -> float | None:
    """How many messages a second of a lane go to a channel, over all functions; None: as many as come."""
    configured = settings.current().channels
    rate = configured.rates.get(channel, CHANNELS[channel].rate)
    return share_of(lane, rate, configured.express_share_percent) if rate else None


def take_slots(
    channel: str, lane: Lane, messages: Sequence[DeliveryMessage], now: float
) -> list[Now | Later]:
    """When each of these messages may be sent; in one write, and in none where the channel wants no pause."""
    rate = rate_of(channel, lane)
    wanted = [
        Wanted(each.address, CHANNELS[channel].address_pause(each.address), each.slot) for each in messages
    ]
    if rate is None and not any(each.pause for each in wanted):
        return [Now(now)] * len(messages)

    def change(pace: Pace) -> tuple[Pace, list[Now | Later]]:
        return reserve(pace, lane, rate, wanted, now)

    return change_pace(channel, change)


_last_sent: dict[tuple[str, Lane], float] = {}
"""When this process let the last message of a channel go. Who is late then goes slower than others."""


def _own_pause(channel: str, lane: Lane, now: float, is_late: bool) -> float:
    rate = rate_of(channel, lane)
    if not rate:
        return 0.0
    pause = min(1 / rate / LATE_SHARE if is_late else 1 / rate, WAIT_SECONDS)
    # Not beyond it: a clock that was put back must not stop anything.
    return min(_last_sent.get((channel, lane), 0.0) + pause - now, pause)


def forget() -> None:
    """Begin anew: as a function does that has just started."""
    _last_sent.clear()


@dataclass(frozen=True)
class ComeBack:
    """A message has to come back after some seconds, as it stands here: with the slot that it has got."""

    incoming: Incoming
    delay_seconds: int


class Turns:
    """When each message of a batch may be sent."""

    def __init__(self, lane: Lane, clock: Clock) -> None:
        self._lane, self._clock = lane, clock
        self._slots: dict[str, Now | Later | Exception] = {}
        self._channels: dict[str, str] = {}

    def take(self, batch: Iterable[tuple[Incoming, str | None]]) -> None:
        """Take slots for those that come with their channel: of each channel in one write.

        Where that fails nobody of the channel gets one, and `wait` gives what happened.
        """
        by_channel: dict[str, list[Incoming]] = defaultdict(list)
        for incoming, channel in batch:
            if channel:
                by_channel[channel].append(incoming)
        for channel, waiting in by_channel.items():
            slots: Sequence[Now | Later | Exception]
            try:
                slots = take_slots(
                    channel, self._lane, [each.message for each in waiting], self._clock().timestamp()
                )
            except Exception as error:  # for each message to say by itself
                slots = [error] * len(waiting)
            for incoming, slot in zip(waiting, slots, strict=True):
                self._slots[incoming.id], self._channels[incoming.id] = slot, channel

    def order(self, incoming: Incoming) -> float:
        """By their slots; whoever has none goes first."""
        slot = self._slots.get(incoming.id)
        return slot.at if isinstance(slot, Now) else 0.0

    def wait(self, incoming: Incoming) -> ComeBack | Exception | None:
        """Wait for a turn that is near: None, when it has come. Else what has to be done instead."""
        now = self._clock().timestamp()
        match self._slots.get(incoming.id):
            case Later(until, slot):
                later_on = replace(incoming, message=replace(incoming.message, slot=slot))
                # Rather a little early: then it is waited for.
                return ComeBack(later_on, min(max(int(until - now), 0), MAX_DELAY_SECONDS))
            case Now(at):
                channel = self._channels[incoming.id]
                time.sleep(max(at - now, _own_pause(channel, self._lane, now, now > at + LATE_SECONDS), 0.0))
                _last_sent[channel, self._lane] = self._clock().timestamp()
            case Exception() as error:
                return error
        return None
