"""What a channel is: what it can, what it asks of a contact, and a session that sends."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.results import SendResult


class NotReadyError(Exception):
    """The deployment cannot send yet, and somebody can mend that; says what is missing."""


@dataclass(frozen=True)
class Limits:
    """The longest title and text, as `Channel.length` counts."""

    title: int
    text: int


@dataclass(frozen=True)
class ContactField:
    """Where in a contact a channel's address stands, and how that field is described.

    `must` says what it has to be, as the reason why another value is refused.
    """

    name: str
    must: str
    description: str
    example: str
    max_length: int
    is_number: bool = False
    """Whether it may also be given as a whole number."""


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
    notification_id: str = ""
    dispatch_id: str = ""
    user_id: str = ""
    content_id: str | None = None
    attempt: int = 0
    """How many attempts there were before."""
    html: str | None = None
    """The text in the channel's own markup, where a template has it; everything in it is escaped already."""


class Session(Protocol):
    """A connection to the provider, reused over a batch."""

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        """Send one letter within the channel's time limit. Never raises for what the provider does.

        `seconds_left` runs down to the moment after which nothing may be sent any more: the claim on the
        recipient ends soon after. A sender that was held up until then says `no_time_left`.
        """
        ...


class Channel(ABC):
    """A way to reach people. A subclass is one file, and is registered in chalicelib/channels/__init__.py."""

    name: str
    contact: ContactField
    limits: Limits
    rate: float | None = None
    """So many messages a second the provider takes, from all functions together; None: as many as come.
    The setting CHANNEL_RATES goes before it."""

    @property
    def contact_field(self) -> str:
        """The field of a contact that has the address."""
        return self.contact.name

    @abstractmethod
    def address_of(self, contact: str | None) -> str | None:
        """The contact in its normal form, or None when it is none that could be reached."""

    @abstractmethod
    def longest_send_seconds(self) -> float:
        """The time after which a send has ended, whatever the provider does."""

    @abstractmethod
    def session(self) -> AbstractContextManager[Session]:
        """Open a session; connects only when something is sent."""

    def length(self, text: str) -> int:
        """How long a text is for the provider."""
        return len(text)

    def address_pause(self, address: str) -> float:  # noqa: ARG002
        """The seconds that the provider wants between two messages to this address."""
        return 0.0

    def sandbox(self, address: str) -> str | None:  # noqa: ARG002
        """The name of what is tried out, for an address of the sandbox: nothing is sent to it."""
        return None

    def preview(self, letter: Letter) -> str | None:
        """A letter as it is seen, whole and in the channel's markup; None where all that is seen is text."""
        return letter.html

    def prepare(self) -> None:  # noqa: B027
        """Load what a send needs: at the start of a function, not within the first send's time."""
