"""Webhooks: a notification is posted to an address of the recipient's, signed as Standard Webhooks has it."""

from contextlib import AbstractContextManager

from chalicelib.channels.base import Channel, ContactField, Limits, Session


class WebhookChannel(Channel):
    """Posts a notification as JSON."""

    name = "webhook"
    contact = ContactField(
        name="webhook_url",
        must="must be an https URL without a user and a password",
        description="Where notifications are posted to: an https URL",
        example="https://example.com/hooks/vestnik",
        max_length=500,
    )
    limits = Limits(title=200, text=50_000)

    def address_of(self, contact: str | None) -> str | None:
        raise NotImplementedError

    def longest_send_seconds(self) -> float:
        raise NotImplementedError

    def session(self) -> AbstractContextManager[Session]:
        raise NotImplementedError
