"""What a process remembers for a while, so that it need not ask again."""

import time
from typing import Generic, TypeVar

V = TypeVar("V")


class Memory(Generic[V]):
    """Values that are kept for some seconds; of too many the oldest go first."""

    def __init__(self, seconds: float, size: int) -> None:
        self._seconds, self._size = seconds, size
        self._kept: dict[str, tuple[float, V]] = {}

    def get(self, key: str) -> V | None:
        """The value, if it is still kept."""
        until, value = self._kept.get(key, (0.0, None))
        return value if time.monotonic() < until else None

    def put(self, key: str, value: V) -> None:
        """Keep a value from now on."""
        self._kept.pop(key, None)
        self._kept[key] = time.monotonic() + self._seconds, value
        while len(self._kept) > self._size:
            del self._kept[next(iter(self._kept))]

    def forget(self) -> None:
        """Keep nothing."""
        self._kept.clear()
