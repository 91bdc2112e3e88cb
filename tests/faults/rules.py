"""The rules that fire each minute, and from when on they find something."""

import math
from collections.abc import Iterator
from datetime import datetime

from chalicelib.domain.times import later, parse
from tests.faults.tables import Tables

MINUTE_SECONDS = 60.0
LOOKS_AHEAD_SECONDS = 120.0
"""So far ahead the tick has to look, by the design."""


class Rule:
    """When a function's rule fires next."""

    def __init__(self, start: datetime) -> None:
        self._fires_at = later(start, MINUTE_SECONDS)

    def fired(self, now: datetime) -> None:
        """It has just fired: a minute later it does so again."""
        self._fires_at = later(now, MINUTE_SECONDS)

    def first_from(self, moment: datetime) -> datetime:
        """When it fires for the first time at a moment, or after it."""
        minutes = math.ceil((moment - self._fires_at).total_seconds() / MINUTE_SECONDS)
        return later(self._fires_at, max(minutes, 0) * MINUTE_SECONDS)


def sweep_at(rule: Rule, tables: Tables) -> datetime | None:
    """When the sweep runs next and finds something, if it ever does."""
    return min((rule.first_from(moment) for moment in _swept_from(tables)), default=None)


def _swept_from(tables: Tables) -> Iterator[datetime]:
    for row in tables.rows("DISPATCHES_TABLE"):
        if "pending" in row:
            yield later(parse(row["due_at"]), MINUTE_SECONDS)  # younger ones are just being sent
    for row in tables.rows("UNSUBSCRIBES_TABLE"):
        if "erasing" in row:
            yield parse(row["erase_at"])
    for row in tables.rows("USERS_NOTIFICATIONS_TABLE"):
        if row.get("attention", "").startswith("unsent#"):
            yield parse(row["attention_at"])


def tick_at(rule: Rule, tables: Tables, now: datetime) -> datetime | None:
    """When the tick runs next and finds something, if it ever does."""
    found = [
        rule.first_from(later(parse(row["next_run_at"]), -LOOKS_AHEAD_SECONDS))
        for row in tables.rows("FREQUENCIES_TABLE")
        if "due" in row
    ]
    for row in tables.rows("DISPATCHES_TABLE"):
        if "pending" in row:
            due = parse(row["due_at"])
            fires = max(rule.first_from(later(due, -LOOKS_AHEAD_SECONDS)), now)
            found += [fires] if fires <= due else []  # else it is the sweep's
    return min(found, default=None)
