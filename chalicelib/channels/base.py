"""What a channel is: its limits, its contact field, and a session that sends."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.results import SendResult


@dataclass(frozen=True)
class Limits:
    """The longest title and text, in characters."""

    title: int
    text: int


@dataclass(frozen=True)
class Letter:
    """One notification to one recipient, ready to be rendered."""

    id: str
    """Derived from dispatch and user: the same whenever it is sent again (Message-ID, webhook id)."""
    title: str
    text: str
    address: str
    name: str | None
    locale: str
    unsubscribe_url: str


class Session(Protocol):
    """A connection to the provider, reused over a batch."""

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        """Send one letter within the channel's time limit. Never raises for what the provider does.

        `seconds_left` runs down to the moment after which nothing may be sent any more: the claim on the
        recipient ends soon after. A sender that was held up until then says `no_time_left`.
        """
        ...


class Channel(Protocol):
    """A way to reach people."""

    name: str
    contact_field: str
    limits: Limits

    def address_of(self, contact: str | None) -> str | None:
        """The contact in its normal form, or None when it is none that could be reached."""
        ...

    def longest_send_seconds(self) -> float:
        """The time after which a send has ended, whatever the provider does."""
        ...

    def session(self) -> AbstractContextManager[Session]:
        """Open a session; connects only when something is sent."""
        ...
