"""The channels, by the `type` of a notification. A new one is one file and one line here."""

from collections.abc import Mapping

from chalicelib.channels.base import Channel, ContactField
from chalicelib.channels.mail import MailChannel
from chalicelib.channels.telegram import TelegramChannel
from chalicelib.channels.webhook import WebhookChannel

CHANNELS: Mapping[str, Channel] = {
    channel.name: channel for channel in (MailChannel(), TelegramChannel(), WebhookChannel())
}

CONTACT_FIELDS: Mapping[str, ContactField] = {each.contact.name: each.contact for each in CHANNELS.values()}
"""What a contact has to reach somebody by, each described once."""
