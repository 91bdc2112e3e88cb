"""The secrets of webhooks' receivers, which check signatures by them."""

from dataclasses import dataclass

from chalicelib import security, settings
from chalicelib.channels import CHANNELS
from chalicelib.channels.webhook import WebhookChannel
from chalicelib.domain.webhook_signatures import keys_of, shown
from chalicelib.services.errors import InvalidFieldError


@dataclass(frozen=True)
class WebhookSecret:
    """A receiver's URL in its normal form, and what it checks signatures by."""

    url: str
    secret: str


def secret_of(url: str) -> WebhookSecret:
    """The secret of the receiver at a URL, by the present key; InvalidFieldError if none may be there."""
    channel = CHANNELS[WebhookChannel.name]
    normal = channel.address_of(url)
    if normal is None:
        raise InvalidFieldError("url", channel.contact.must)
    keys = keys_of(security.read_secret(settings.current().link_secret), normal)
    return WebhookSecret(normal, shown(keys[0]))
