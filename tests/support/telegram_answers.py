"""How a Bot API may answer, beside as Telegram does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Refuse:
    """Answer with an error of the Bot API."""

    code: int
    description: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """Answer this status with these bytes."""

    body: bytes = b"<html>It works!</html>"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Hold:
    """Take the request and say nothing until the end."""


@dataclass(frozen=True)
class Close:
    """Close the connection instead of answering; the message may have been taken."""

    is_taken: bool = False


@dataclass(frozen=True)
class Dribble:
    """Begin an answer and never end it: a byte at a time, each in good time for a timeout per operation."""


@dataclass(frozen=True)
class BreakOff:
    """Promise more of an answer than comes, and close."""


Behaviour = Refuse | Raw | Hold | Close | Dribble | BreakOff

BLOCKED = Refuse(403, "Forbidden: bot was blocked by the user")
DEACTIVATED = Refuse(403, "Forbidden: user is deactivated")
NOT_FOUND = Refuse(400, "Bad Request: chat not found")
BROKEN = Refuse(500, "Internal Server Error")
GARBAGE = Raw()


def too_many(retry_after: int) -> Refuse:
    """Come again after so many seconds."""
    return Refuse(429, f"Too Many Requests: retry after {retry_after}", {"retry_after": retry_after})


def migrated(to: int) -> Refuse:
    """A group that has become a supergroup with this id."""
    return Refuse(
        400, "Bad Request: group chat was upgraded to a supergroup chat", {"migrate_to_chat_id": to}
    )
