"""When a sending that may yet succeed is tried again."""

import random
from collections.abc import Callable

from chalicelib.domain.lanes import Lane

FIRST_PAUSE_SECONDS = {Lane.EXPRESS: 3.0, Lane.REGULAR: 30.0}
LONGEST_PAUSE_SECONDS = 900.0
"""What SQS can delay a message."""
GIVE_UP_AFTER_SECONDS = 4 * 3600
"""Greylisting servers want minutes, restarts of a mail server an hour or two."""
WAIT_AT_MOST_SECONDS = 24 * 3600
"""A provider that asks to wait uses up no attempt: after its due time a recipient waits this long at most."""
JITTER = 0.25

FIRST_UNSENT_PAUSE_SECONDS = 60.0
LONGEST_UNSENT_PAUSE_SECONDS = 3600.0


def _doubling(first: float, longest: float, attempt: int) -> float:
    return min(first * 2.0 ** min(attempt - 1, 32), longest)


def _jittered(pause: float, longest: float, uniform: Callable[[float, float], float]) -> float:
    return min(pause * uniform(1 - JITTER, 1 + JITTER), longest)


def attempt_limit(lane: Lane) -> int:
    """How many attempts fit into the time after which a recipient is given up."""
    attempts, passed = 1, 0.0
    while passed < GIVE_UP_AFTER_SECONDS:
        passed += _doubling(FIRST_PAUSE_SECONDS[lane], LONGEST_PAUSE_SECONDS, attempts)
        attempts += 1
    return attempts


def retry_pause(lane: Lane, attempt: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds until the next attempt after the given one (counted from 1) failed."""
    pause = _doubling(FIRST_PAUSE_SECONDS[lane], LONGEST_PAUSE_SECONDS, attempt)
    return _jittered(pause, LONGEST_PAUSE_SECONDS, uniform)


def unsent_pause(tries: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds until the sweep tries an unsent row again, after so many tries."""
    pause = _doubling(FIRST_UNSENT_PAUSE_SECONDS, LONGEST_UNSENT_PAUSE_SECONDS, tries)
    return _jittered(pause, LONGEST_UNSENT_PAUSE_SECONDS, uniform)
