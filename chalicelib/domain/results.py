"""What a channel answers to one sending."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Accepted:
    """The provider has taken the message."""

    provider_id: str | None = None


@dataclass(frozen=True)
class Permanent:
    """It will never be taken; a further attempt would be refused too."""

    reason: str


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
