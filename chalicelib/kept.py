"""What was read a moment ago, so that it need not be read again."""

from datetime import datetime
from typing import Generic, TypeVar

from chalicelib.domain.times import later

KEPT_SECONDS = 30
"""A right that is taken away ends within this time, in every function that still remembers it."""
MAX_ENTRIES = 1_000

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by name, each with the moment at which it was read."""

    def __init__(self, seconds: float = KEPT_SECONDS, entries: int = MAX_ENTRIES) -> None:
        self._seconds, self._entries = seconds, entries
        self._values: dict[str, tuple[T, datetime]] = {}

    def get(self, name: str, now: datetime) -> T | None:
        """The value, if it is fresh."""
        value, read_at = self._values.get(name, (None, now))
        return value if later(read_at, -1) <= now < later(read_at, self._seconds) else None

    def put(self, name: str, value: T, now: datetime) -> None:
        """Remember a value that was read just now; when there are too many, the oldest goes."""
        self._values.pop(name, None)
        if len(self._values) >= self._entries:
            del self._values[next(iter(self._values))]
        self._values[name] = (value, now)

    def forget(self, name: str | None = None) -> None:
        """Forget one value, or all."""
        if name is None:
            self._values.clear()
        else:
            self._values.pop(name, None)
