"""Log-in attempts: so many failed ones in a quarter of an hour for a login, and for a source."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from chalicelib import settings
from chalicelib.services.errors import TooManyRequestsError
from chalicelib.tables.attempts import count_attempt

WINDOW_SECONDS = 900


@dataclass(frozen=True)
class Attempt:
    """One log-in that has been counted as failed, until it is known to be none."""

    counters: tuple[str, ...]
    expires_at: int

    def succeeded(self) -> None:
        """It was no failure: take it back."""
        for counter in self.counters:
            count_attempt(counter, -1, self.expires_at)


def begin(login: str, source: str, now: datetime) -> Attempt:
    """Count an attempt before it is looked at, so that many at once are no way round the limit.

    TooManyRequestsError when the login's or the source's attempts are used up: nothing is compared then.
    """
    configured = settings.current()
    seconds = int(now.timestamp())
    window, passed = divmod(seconds, WINDOW_SECONDS)
    limits = {
        f"source#{source}": configured.login_attempts_per_source,
        # Somebody's guesses are for any text: its hash has a length.
        f"login#{hashlib.sha256(login.encode()).hexdigest()}": configured.login_attempts_per_login,
    }
    expires_at = seconds - passed + 2 * WINDOW_SECONDS
    counted = []
    for who, limit in limits.items():
        counter = f"{who}#{window}"
        if count_attempt(counter, 1, expires_at) > limit:
            raise TooManyRequestsError("too many failed log-ins; try again later", WINDOW_SECONDS - passed)
        counted.append(counter)
    return Attempt(tuple(counted), expires_at)
