"""The channels, by the `type` of a notification. A new one is one file and one line here."""

from collections.abc import Mapping

from chalicelib.channels.base import Channel
from chalicelib.channels.mail import MailChannel

CHANNELS: Mapping[str, Channel] = {channel.name: channel for channel in (MailChannel(),)}
