"""One frequency in a simulated world: the real tick, looks, changes and stops, on tables in memory."""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from pynamodb.expressions.condition import Condition

from chalicelib import queues
from chalicelib import settings as configuration
from chalicelib.domain.eras import first_era
from chalicelib.domain.lanes import Lane, shard_key
from chalicelib.domain.messages import DueMessage, FanOutMessage, load_fan_out
from chalicelib.domain.schedule import Schedule
from chalicelib.domain.times import Clock, iso, later, parse
from chalicelib.services import frequencies, frequency_runs, hand_over, stopping, tick
from chalicelib.services.content import Content, new_notification
from chalicelib.services.errors import RefusedError
from chalicelib.services.frequencies import Wanted
from chalicelib.services.frequency_times import schedule_of, set_first_run, set_timing
from chalicelib.tables import dispatches
from chalicelib.tables import frequencies as frequency_table
from chalicelib.tables.base import Table
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.frequencies import Frequency
from tests.support.factories import ENVIRONMENT, SHOP
from tests.support.interleaving import Interleaving, Pace, Process
from tests.support.memory_tables import MemoryTables

SLUG = "often"
CONTENT = Content("mail", "News", "There is something new.")
API_SECONDS, WORKER_SECONDS = 29.0, 60.0
VISIBILITY_SECONDS = 360.0
MAX_RECEIVES = 5
SWEPT_AFTER_SECONDS = 60.0
RECOVERY_MINUTES = 5
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    """A version of the frequency that was written, as the documented rule sees it."""

    number: int
    effective: datetime
    schedule: Schedule
    is_running: bool
    notification_id: str
    is_cut: bool
    """Whether it is more than another content: what was overdue before it need not be made up for."""


@dataclass(frozen=True)
class Made:
    """A run that was made: its place in the schedule, and until when the runs are that it stands for."""

    id: str
    version: int
    run_at: datetime
    due: datetime
    covers_until: datetime
    notification_id: str


@dataclass(frozen=True)
class Look:
    """A look that came to its end: what it has read, until when it has looked, and what there was by then."""

    version: int
    until: datetime
    made: tuple[Made, ...]
    in_queue: frozenset[str]
    """The dispatches whose message was sent, or refused: the sweep sends it then."""


@dataclass(frozen=True)
class Worked:
    """What came of a run's message, and what was known at that moment."""

    id: str
    at: datetime
    is_stopped: bool
    version: int
    is_running: bool


@dataclass
class FrequencyWorld:
    """What happens to one frequency; begins with its making."""

    time: Interleaving
    paces: Sequence[Pace]
    lags: Sequence[float]
    ticks: list[tuple[datetime, float]] = field(default_factory=list)
    """When the rule fired, and how much the function's clock was off."""
    versions: list[Version] = field(default_factory=list)
    made: dict[str, Made] = field(default_factory=dict)
    in_queue: set[str] = field(default_factory=set)
    looks: list[Look] = field(default_factory=list)
    worked: list[Worked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tables = _Watched(self)
        self._asked: dict[Process, Wanted] = {}
        self._paces: Iterator[Pace] = itertools.cycle(self.paces)
        self._lags: Iterator[float] = itertools.cycle(self.lags)

    def create(self, timing: Mapping[str, Any]) -> None:
        """As `frequencies.create` does it, but for its audience."""
        now = self.time.now
        notification = new_notification(CONTENT, "first", SHOP.author, now)
        row = Frequency(
            SLUG, listed="", author=SHOP.author, version=1000, eras=first_era(1000), changed_by="create",
            created_at=iso(now), updated_at=iso(now), time_zone="UTC", notification_id=notification.id,
            type="mail", title=CONTENT.title, is_express=False, audience_id="audience", audience_use="use",
            owns_audience=True, recipients=1,
        )  # fmt: skip
        set_timing(row, timing)
        set_first_run(row, now)
        row.due = shard_key(row.lane, SLUG) if row.next_run_at else None
        notification.put()
        row.put()
        self.created = now
        tick.look_at(row, now)

    # What goes on.

    def tick(self, clock_is_off: float = 0.0) -> None:
        """The rule fires; and the sweep's."""
        pace = next(self._paces)
        self.ticks.append((self.time.now, clock_is_off))
        self.time.start(
            Pace(pace.pauses, pace.dies_at, pace.is_done, pace.are_queues_down, clock_is_off),
            WORKER_SECONDS,
            lambda process: tick.tick(process.clock),
        )
        self._sweep()

    def _sweep(self) -> None:
        overdue = later(self.time.now, -SWEPT_AFTER_SECONDS)
        left = [row for row in self.tables.rows(Dispatch, having="pending") if row.due <= overdue]
        hand_over.hand_over(left, self.time.now)

    def recover(self) -> None:
        """Nothing fails any more, and the rule goes on firing."""
        self._paces, self._lags = itertools.repeat(Pace()), itertools.repeat(0.0)
        for minute in range(RECOVERY_MINUTES):
            self.time.at(later(self.time.now, 60.0 * minute), self.tick)
        self.time.run()

    def change(self, wanted: Wanted) -> None:
        """A client's request."""

        def work(process: Process) -> None:
            self._asked[process] = wanted
            # Refused if another change came first, or this one makes no sense: the client sees it.
            with suppress(RefusedError):
                frequencies.change(SLUG, wanted, SHOP, process.clock())

        self.time.start(next(self._paces), API_SECONDS, work)

    def send_all(self, queue_url: str, messages: Sequence[queues.Outgoing]) -> list[int]:
        def send() -> list[int]:
            running = self.time.running
            loaded = [load_fan_out(each.body) for each in messages]
            self.in_queue |= {each.dispatch_id for each in loaded if isinstance(each, FanOutMessage)}
            if running and running.pace.are_queues_down:
                return list(range(len(messages)))
            for each, message in zip(messages, loaded, strict=True):
                arrives = later(self.time.now, each.delay_seconds + next(self._lags))
                if isinstance(message, DueMessage):
                    self.time.at(arrives, lambda message=message: self._look(message))  # type: ignore[misc]
                else:
                    self.time.at(arrives, lambda id_=message.dispatch_id: self._work(id_))  # type: ignore[misc]
            return []

        return self.time.request(send)

    def _look(self, message: DueMessage, receives: int = 1) -> None:
        def ended(process: Process) -> None:
            if process.died and receives < MAX_RECEIVES:
                again = later(self.time.now, VISIBILITY_SECONDS)
                self.time.at(again, lambda: self._look(message, receives + 1))

        self.time.start(
            next(self._paces),
            WORKER_SECONDS,
            lambda process: tick.work_due(message, process.clock, process.remaining_seconds),
            ended,
        )

    def _work(self, dispatch_id: str) -> None:
        """The beginning of fan out; nothing else of it is of interest here."""
        dispatch = self.tables.one(Dispatch, dispatch_id)
        assert dispatch is not None
        if self.time.now < dispatch.due:
            self.time.at(dispatch.due, lambda: self._work(dispatch_id))
            return
        frequency = self.tables.one(Frequency, SLUG)
        assert frequency is not None
        is_stopped = stopping.cancel_if_stopped(dispatch, self.time.now)
        self.worked.append(
            Worked(dispatch_id, self.time.now, is_stopped, int(frequency.version), frequency.is_running)
        )

    # What is noted.

    def wrote(self, row: Table) -> None:
        """A row was put."""
        if isinstance(row, Dispatch):
            self.made[row.id] = Made(
                row.id, int(row.frequency_version), parse(row.run_at), row.due, parse(row.covers_until),
                row.notification_id,
            )  # fmt: skip
        elif isinstance(row, Frequency):
            last = self.versions[-1] if self.versions else None
            asked = self._asked[self.time.running] if self.time.running else Wanted()
            self.versions.append(
                Version(
                    int(row.version),
                    later(parse(row.updated_at), 30) if last else LONG_AGO,
                    schedule_of(row),
                    row.is_running,
                    row.notification_id,
                    last is None or bool(asked.timing) or last.is_running != row.is_running,
                )
            )

    def looked(self, frequency: Frequency, until: datetime) -> None:
        """A look came to its end."""
        self.looks.append(
            Look(int(frequency.version), until, tuple(self.made.values()), frozenset(self.in_queue))
        )


class _Watched(MemoryTables):
    """Tells the world what is put."""

    def __init__(self, world: FrequencyWorld) -> None:
        super().__init__(world.time.request)
        self._world = world

    def put(self, row: Table, condition: Condition | None = None) -> None:
        super().put(row, condition)
        self._world.wrote(row)


@contextmanager
def simulated(starts: datetime, paces: Sequence[Pace], lags: Sequence[float]) -> Iterator[FrequencyWorld]:
    """The real services, with what is around them taken over."""
    world = FrequencyWorld(Interleaving(starts), paces, lags)
    make_runs = frequency_runs.make_runs

    def watched(frequency: Frequency, now: datetime, clock: Clock, remaining_seconds: Any) -> int:
        count = make_runs(frequency, now, clock, remaining_seconds)
        if frequency.is_running and remaining_seconds() > frequency_runs.TIME_KEPT_BACK_SECONDS:
            world.looked(frequency, later(now, hand_over.LOOKAHEAD_SECONDS))
        return count

    def due_slugs(lane: Lane, until: datetime, limit: int) -> list[str]:
        rows = world.tables.rows(Frequency, having="due")
        return [row.slug for row in rows if row.lane is lane and row.next_run_at <= iso(until)]

    quiet = logging.getLogger("simulation")
    quiet.setLevel(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        configuration.current.cache_clear()
        world.tables.install(patch, dispatches, frequency_table)
        patch.setattr(tick, "make_runs", watched)
        patch.setattr(tick, "due_slugs", lambda *arguments: world.time.request(lambda: due_slugs(*arguments)))
        patch.setattr(tick, "pending_between", lambda *arguments: [])
        patch.setattr(queues, "send_all", world.send_all)
        patch.setattr(frequencies, "_release", lambda *arguments, **named: None)
        for module in (tick, hand_over, stopping, frequencies):
            patch.setattr(module, "logger", quiet)
        patch.setattr(frequency_runs, "_tell", lambda *arguments: None)
        for module in (tick, hand_over):
            patch.setattr(module, "in_parallel", lambda work, parts: [work(part) for part in parts])
        yield world
    configuration.current.cache_clear()
