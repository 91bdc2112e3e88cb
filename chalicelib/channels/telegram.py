"""Telegram, by its Bot API."""

from contextlib import AbstractContextManager

from chalicelib.channels.base import Channel, ContactField, Limits, Session
from chalicelib.channels.sandbox import name_of_chat
from chalicelib.domain.chat_ids import chat_id_of
from chalicelib.settings import current

SEND_SECONDS = 8.0
"""For a whole send: deliver_express runs for twenty seconds."""

MESSAGES_A_SECOND = 20.0
"""Telegram takes 30 of a bot: what comes late has room, and need not be refused."""
CHAT_PAUSE_SECONDS = 1.0
GROUP_PAUSE_SECONDS = 3.0
"""What https://core.telegram.org/bots/faq asks for: in a chat one a second, in a group 20 a minute."""


class TelegramChannel(Channel):
    """Sends a notification as a message of a bot."""

    name = "telegram"
    contact = ContactField(
        name="chat_id",
        must="must be a whole number of at most 64 bits, and not 0",
        description="A chat of Telegram: a whole number of at most 64 bits, as text or as a number",
        example="-1001234567890",
        max_length=20,
        is_number=True,
    )
    # With the line by which one unsubscribes within the 4,096 of the Bot API.
    limits = Limits(title=200, text=3_700)
    rate = MESSAGES_A_SECOND

    def address_of(self, contact: str | None) -> str | None:
        """The chat id as a whole number, or None when it is none."""
        return chat_id_of(contact)

    def length(self, text: str) -> int:
        """In UTF-16 code units, as Telegram counts."""
        return len(text.encode("utf-16-le", "replace")) // 2

    def address_pause(self, address: str) -> float:
        """A group's chat id is negative."""
        return GROUP_PAUSE_SECONDS if address.startswith("-") else CHAT_PAUSE_SECONDS

    def sandbox(self, address: str) -> str | None:
        """Chat ids that Telegram never gives; see `sandbox.CHATS`."""
        return name_of_chat(address)

    def prepare(self) -> None:
        """Load the session, and what certificates are checked by."""
        import chalicelib.channels.telegram_session  # noqa: F401
        from chalicelib.channels.bounded_http import tls

        tls()

    def longest_send_seconds(self) -> float:
        """Kept over everything: names, connection, TLS, the answer."""
        return SEND_SECONDS

    def session(self) -> AbstractContextManager[Session]:
        """A session that connects at its first send."""
        self.prepare()  # not within the first send's time
        # Only deliver sends: the others know the channel without its libraries.
        from chalicelib.channels.telegram_session import telegram_session

        return telegram_session(current())
