"""What a channel answers to one sending."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Accepted:
    """The provider has taken the message."""

    provider_id: str | None = None


@dataclass(frozen=True)
class Permanent:
    """It will never be taken; a further attempt would be refused too.

    With `is_wrong_contact` the fault is the address's: it is remembered, and nothing is sent to it any more.
    """

    reason: str
    is_wrong_contact: bool = False


@dataclass(frozen=True)
class Retryable:
    """It was not taken, or nobody knows; a later attempt may succeed."""

    reason: str


@dataclass(frozen=True)
class RateLimited:
    """The provider asks to wait; this uses up no attempt."""

    reason: str
    retry_after_seconds: float


SendResult = Accepted | Permanent | Retryable | RateLimited


def no_time_left() -> RateLimited:
    """The result of a send that was not begun, since it could not have ended in time: try again at once."""
    return RateLimited("no time left to send", retry_after_seconds=0)
