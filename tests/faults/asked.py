"""What a client asks for in a run: that something is sent, or that it is sent otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.times import iso

SLUG = "news"
"""Of the one frequency of a run."""

NOTIFICATIONS = "/api/v1/notifications"
FREQUENCIES = "/api/v1/notification_frequencies"


@dataclass(frozen=True)
class Asked:
    """A request, which the client repeats until it is answered."""

    method: str
    route: str
    answers: frozenset[int]
    """What it may be answered, also after it got no answer before, or came too late."""
    body: Mapping[str, Any] = field(default_factory=dict)
    after_seconds: float = 0.0
    asks_again_after: frozenset[int] = frozenset({503})
    """Answers that are none."""


@dataclass(frozen=True)
class Timing:
    """When a frequency runs."""

    starts_at: datetime
    period: int
    ends_at: datetime

    def runs(self) -> list[datetime]:
        """Every run."""
        step = timedelta(seconds=self.period)
        return [
            self.starts_at + number * step for number in range((self.ends_at - self.starts_at) // step + 1)
        ]

    def fields(self) -> dict[str, Any]:
        """As a client says it."""
        return {"starts_at": iso(self.starts_at), "period": self.period, "ends_at": iso(self.ends_at)}


def _content(is_express: bool, channel: str = "mail") -> dict[str, Any]:
    return {"type": channel, "title": "Title", "text": "Text", "is_express": is_express}


def to_send(users: Sequence[str], is_express: bool, send_at: datetime | None, channel: str = "mail") -> Asked:
    """A notification, at once or at a time."""
    body = {**_content(is_express, channel), "users": list(users)}
    if send_at is not None:
        body["send_at"] = iso(send_at)
    return Asked("POST", NOTIFICATIONS, frozenset({201}), body)


def to_send_again_and_again(users: Sequence[str], is_express: bool, timing: Timing) -> Asked:
    """A frequency. Who asks again is told that it is there."""
    body = {"slug": SLUG, "notification": _content(is_express), "users": list(users), **timing.fields()}
    return Asked("POST", FREQUENCIES, frozenset({201, 409}), body)


def to_put_off(after_seconds: float, send_at: datetime) -> Asked:
    """Another time of sending; it may come too late."""
    return Asked(
        "PATCH",
        f"{NOTIFICATIONS}/{{notification_id}}",
        frozenset({200, 409, 422}),
        {"send_at": iso(send_at)},
        after_seconds,
    )


def to_change(after_seconds: float, **changed: Any) -> Asked:
    """Another version of the frequency. Of two at the same moment one is refused, and asks again."""
    return Asked(
        "PATCH",
        f"{FREQUENCIES}/{{slug}}",
        frozenset({200, 404}),
        changed,
        after_seconds,
        asks_again_after=frozenset({409, 503}),
    )
