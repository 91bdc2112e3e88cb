"""Pacing: slots for what is to be sent, taken by the lane's share of the channel's rate."""

from collections.abc import Sequence

from chalicelib import settings
from chalicelib.channels import CHANNELS
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage
from chalicelib.domain.pacing import Later, Now, Pace, Wanted, reserve, share_of
from chalicelib.settings import SettingsError
from chalicelib.tables.paces import change_pace


def check_rates() -> None:
    """SettingsError when the setting CHANNEL_RATES names a channel that there is none of."""
    if unknown := settings.current().channels.rates.keys() - CHANNELS.keys():
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
        Wanted(each.address, CHANNELS[channel].address_pause(each.address), each.slots) for each in messages
    ]
    if rate is None and not any(each.pause for each in wanted):
        return [Now(now)] * len(messages)

    def change(pace: Pace) -> tuple[Pace, list[Now | Later]]:
        return reserve(pace, lane, rate, wanted, now)

    return change_pace(channel, change)
