"""Moments: UTC, ISO 8601 with milliseconds, which sort as text."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present moment; everything that needs one takes a Clock, of which this is the real one."""
    return datetime.now(UTC)


def iso(at: datetime) -> str:
    """A moment as it is stored and shown: 2026-11-23T10:00:00.000Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """The moment that `iso` wrote."""
    return datetime.fromisoformat(text)


def later(at: datetime, seconds: float) -> datetime:
    """The moment so many seconds after another."""
    return at + timedelta(seconds=seconds)
