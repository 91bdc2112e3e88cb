"""Waiting for what other processes do: for conditions, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.05

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float, what: str) -> T:
    """Wait until a condition holds and return what it gave; AssertionError says what did not happen."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what} (last seen: {found!r})"
        time.sleep(POLL_SECONDS)
    return found
