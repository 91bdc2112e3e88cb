"""Log-in attempts: so many failed ones in a quarter of an hour.

Three are counted: a login from one source, so that a stranger who guesses locks out themselves and not its
owner; a source, over all logins; and a login over all sources, at ten times its limit.

An attempt is counted before it is looked at, so that many at once are no way round the limit; but it is no
failure yet, lest right log-ins begun at once lock each other out. So there may be AT_ONCE more than the limit
under way, and who guesses by many requests at once has so many guesses more.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib import settings
from chalicelib.services.errors import TooManyRequestsError
from chalicelib.tables.attempts import begin_attempt, end_attempt

WINDOW_SECONDS = 900
AT_ONCE = 10
SOURCES = 10
"""A login has so many times its limit over all sources."""


@dataclass(frozen=True)
class Attempt:
    """One log-in that has begun."""

    expires_at: int
    counters: list[str] = field(default_factory=list)

    def failed(self) -> None:
        """It was wrong, and stays counted."""
        self._end(has_failed=True)

    def take_back(self) -> None:
        """It was right, or was not looked at: it does not count."""
        self._end(has_failed=False)

    def _end(self, has_failed: bool) -> None:
        for counter in self.counters:
            end_attempt(counter, has_failed, self.expires_at)


def begin(login: str, source: str, now: datetime) -> Attempt:
    """Count an attempt before it is looked at.

    TooManyRequestsError when those of the login or the source are used up: nothing is compared then, and
    nothing is counted.
    """
    configured = settings.current()
    seconds = int(now.timestamp())
    window, passed = divmod(seconds, WINDOW_SECONDS)
    # Somebody's guesses are for any text: its hash has a length.
    hashed = hashlib.sha256(login.encode()).hexdigest()
    limits = {
        f"login#{hashed}#source#{source}": configured.login_attempts_per_login,
        f"source#{source}": configured.login_attempts_per_source,
        f"login#{hashed}": configured.login_attempts_per_login * SOURCES,
    }
    attempt = Attempt(seconds - passed + 2 * WINDOW_SECONDS)
    for who, limit in limits.items():
        counter = f"{who}#{window}"
        if not begin_attempt(counter, limit, AT_ONCE, attempt.expires_at):
            attempt.take_back()
            raise TooManyRequestsError("too many failed log-ins; try again later", WINDOW_SECONDS - passed)
        attempt.counters.append(counter)
    return attempt
