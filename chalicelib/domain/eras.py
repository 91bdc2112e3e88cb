"""Which version of a notification frequency a run belongs to, so that over all changes each run goes once.

A change does not take effect at the moment it is asked for, which no database could hold it to, but
`TAKES_EFFECT_AFTER_SECONDS` later, when it surely is written. Runs before that belong to the version before:
what has been made of them ahead goes on, and what is made of them late has the same identity. A frequency
keeps the eras of its last versions, each with the moment (ISO 8601, UTC) from which on runs are its own: all
of which a run can still be made, or be on its way.
"""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.domain.times import iso, later

TAKES_EFFECT_AFTER_SECONDS = 30
"""Longer than any request runs."""

KEPT_ERAS = 10
MOST_ERAS = 200
"""However often it is changed: a row has its limit."""

KEPT_SECONDS = 3600
"""What was made ahead of a change can be on its way for so long: its era is not forgotten before."""

Era = tuple[str, int]
"""From when on (empty: from the beginning), and the version."""


def first_era(version: int) -> list[Era]:
    """The eras of a frequency that has just been made."""
    return [("", version)]


def effective_at(changed_at: datetime) -> datetime:
    """From which moment on a change counts."""
    return later(changed_at, TAKES_EFFECT_AFTER_SECONDS)


def next_era(
    eras: Sequence[Era], version: int, changed_at: datetime, next_run_at: str | None = None
) -> list[Era]:
    """The eras after a change; of many the oldest are forgotten, but for those of runs still to come."""
    grown = [*map(_era, eras), (iso(effective_at(changed_at)), version)]
    long_ago = iso(later(changed_at, -KEPT_SECONDS))
    needed_from = min(next_run_at, long_ago) if next_run_at else long_ago
    while len(grown) > KEPT_ERAS and (grown[1][0] <= needed_from or len(grown) > MOST_ERAS):
        del grown[0]
    return grown


def version_of(eras: Sequence[Era], run_at: str) -> int:
    """The version that a run belongs to; before the first era that is kept, the last one before that."""
    found = _era(eras[0])[1] - 1
    for since, version in map(_era, eras):
        if since <= run_at:
            found = version
    return found


def owns(eras: Sequence[Era], run_at: str, version: int) -> bool:
    """Whether a run that was made for a version is one of its own."""
    first_since, first_version = _era(eras[0])
    return version < first_version if run_at < first_since else version == version_of(eras, run_at)


def _era(stored: Sequence[object]) -> Era:
    since, version = stored
    return str(since), int(str(version))
