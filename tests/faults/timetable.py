"""What is due later: none of it is sent before its second, or after it was stopped, and no run is lost."""

import json
from collections import Counter
from datetime import datetime

from chalicelib.domain.eras import owns
from chalicelib.domain.fanning import chunk_due
from chalicelib.domain.times import Clock, parse
from tests.faults.asked import Timing
from tests.faults.tables import Row, Tables
from tests.faults.violations import demand
from tests.support.factories import ENVIRONMENT

STEP_SECONDS = int(ENVIRONMENT["THROTTLE_STEP_SECONDS"])


class Timetable:
    """The times of one run: of a frequency, if there is one, and of each dispatch."""

    def __init__(self, tables: Tables, clock: Clock, timing: Timing | None) -> None:
        self._tables, self._clock = tables, clock
        self._runs = timing.runs() if timing is not None else None
        self._stopped_at: dict[str, datetime] = {}
        self._made_for: dict[str, datetime] = {}
        """When dispatches were due as they were made: the sweep may have them be due anew."""
        self._sent: dict[tuple[str, datetime], str] = {}

    def after_step(self) -> None:
        """Each run of the frequency is a dispatch, or held by what the frequency has as its next run."""
        frequency = self._frequency()
        dispatches = list(self._tables.rows("DISPATCHES_TABLE"))
        for dispatch in dispatches:
            if "cancelled_at" in dispatch or self._is_stopped(dispatch, frequency):
                self._stopped_at.setdefault(dispatch["id"], self._clock())
        if frequency is None or not _is_running(frequency):
            return
        made = self._made(frequency, dispatches)
        for run in self._wanted(frequency):
            demand(made[run] <= 1, 2, f"the run of {run} is {made[run]} dispatches")
            if not made[run]:
                is_held = "due" in frequency and parse(frequency["next_run_at"]) <= run
                demand(is_held, 1, f"nothing holds the run of {run}: {frequency}")

    def before_send(self, dispatch: Row, row: Row, function_seconds: float) -> None:
        """It is time, and nobody had stopped it before the function looked."""
        now = self._clock()
        begins = max(parse(dispatch[name]) for name in ("due_at", "run_at") if name in dispatch)
        due = chunk_due(begins, int(row["chunk"]), STEP_SECONDS)
        demand(due <= now, 2, f"{row['user_id']} is sent to at {now}, and is due at {due}")
        stopped = self._stopped_at.get(dispatch["id"], now)
        demand(
            (now - stopped).total_seconds() <= function_seconds, 2,
            f"{row['user_id']} is sent to, and that was stopped long ago",
        )  # fmt: skip

    def take(self, dispatch: Row, user: str) -> None:
        """Nobody is sent a run by two dispatches."""
        for run in self._of(dispatch):
            by = self._sent.setdefault((user, run), dispatch["id"])
            demand(by == dispatch["id"], 2, f"{user} is sent the run of {run} by two dispatches")

    def at_rest(self) -> None:
        """Each run has been made, by one dispatch; of a notification there is one."""
        dispatches = list(self._tables.rows("DISPATCHES_TABLE"))
        if self._runs is None:
            demand(len(dispatches) == 1, 1, f"{len(dispatches)} dispatches")
            return
        for dispatch in dispatches:
            demand(parse(dispatch["run_at"]) in self._runs, 2, f"a run that nobody wants: {dispatch}")
        frequency = self._frequency()
        if frequency is None or not _is_running(frequency):
            return
        made = self._made(frequency, dispatches)
        lost = [run for run in self._wanted(frequency) if made[run] != 1]
        demand(not lost, 1, f"runs that were not made: {lost}")
        demand("due" not in frequency, 1, f"it has ended, and is due: {frequency}")

    def _frequency(self) -> Row | None:
        return next(self._tables.rows("FREQUENCIES_TABLE"), None)

    def _wanted(self, frequency: Row) -> list[datetime]:
        """The runs after it was made."""
        return [run for run in self._runs or () if run > parse(frequency["created_at"])]

    def _of(self, dispatch: Row) -> list[datetime]:
        """The runs that a dispatch stands for: its own, and those that were missed until it was made."""
        if "run_at" not in dispatch:
            return []
        first = parse(dispatch["run_at"])
        sent = self._made_for.setdefault(dispatch["id"], parse(dispatch["due_at"]))
        return [run for run in self._runs or () if first <= run <= max(first, sent)]

    def _made(self, frequency: Row, dispatches: list[Row]) -> Counter[datetime]:
        """How many dispatches each run has become, but for those that a change has stopped."""
        return Counter(
            run
            for dispatch in dispatches
            if not self._is_stopped(dispatch, frequency)
            for run in self._of(dispatch)
        )

    def _is_stopped(self, dispatch: Row, frequency: Row | None) -> bool:
        if "run_at" not in dispatch:
            return False
        if frequency is None or not _is_running(frequency):
            return True
        eras = json.loads(frequency["eras"])
        return not owns(eras, dispatch["run_at"], int(dispatch["frequency_version"]))


def _is_running(frequency: Row) -> bool:
    return not frequency.get("is_paused") and not frequency.get("is_deleting")
