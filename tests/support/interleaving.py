"""Processes that go on at the same time, in a time of their own: at each request one may wait, or die."""

import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from chalicelib.domain.times import later

R = TypeVar("R")


class DiedError(BaseException):
    """The end of a process in the middle of its work: no code of the product may catch it."""


@dataclass(frozen=True)
class Pace:
    """How a process gets on: seconds before each of its requests, over and over, and whether it dies."""

    pauses: tuple[float, ...] = (0.0,)
    dies_at: int | None = None
    is_done: bool = False
    """Whether the request at which it dies is carried out."""
    are_queues_down: bool = False
    clock_is_off: float = 0.0


class Process:
    """Work under way. It has a thread, but only one of all threads ever runs."""

    def __init__(self, world: "Interleaving", pace: Pace, seconds: float, work: Callable[[], None]) -> None:
        self._world, self.pace, self._work = world, pace, work
        self.ends_at = later(world.now, seconds)
        self.requests = 0
        self.died = False
        self._error: BaseException | None = None
        self._is_given_up = False
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def clock(self) -> datetime:
        return later(self._world.now, self.pace.clock_is_off)

    def remaining_seconds(self) -> float:
        return (self.ends_at - self._world.now).total_seconds()

    def go_on(self) -> None:
        """Run until it waits, or ends."""
        before, self._world.running = self._world.running, self
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._go.release()
        self._stopped.acquire()
        self._world.running = before
        if self._error is not None:
            raise self._error

    def give_up(self) -> None:
        """End it: nobody waits for it any more."""
        self._is_given_up = True
        self.go_on()

    def request(self, work: Callable[[], R]) -> R:
        """One request: others may come first."""
        number, self.requests = self.requests, self.requests + 1
        pause = self.pace.pauses[number % len(self.pace.pauses)]
        if pause:
            self._world.at(later(self._world.now, pause), self.go_on)
            self._world.waiting.add(self)
            self._stopped.release()
            self._go.acquire()
            self._world.waiting.discard(self)
        if self._is_given_up or self._world.now > self.ends_at:
            raise DiedError
        if number == self.pace.dies_at:
            if self.pace.is_done:
                work()
            raise DiedError
        return work()

    def _run(self) -> None:
        try:
            self._work()
        except DiedError:
            self.died = True
        except BaseException as error:
            self._error = error
        self._stopped.release()


@dataclass
class Interleaving:
    """What happens, one after the other, by a clock that only what happens moves."""

    now: datetime
    running: Process | None = None
    waiting: set[Process] = field(default_factory=set)
    _coming: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def at(self, moment: datetime, work: Callable[[], None]) -> None:
        """Have something happen at a moment."""
        heapq.heappush(self._coming, (moment, next(self._numbers), work))

    def start(
        self,
        pace: Pace,
        seconds: float,
        work: Callable[[Process], object],
        ended: Callable[[Process], None] = lambda process: None,
    ) -> None:
        """Begin a process now. It is stopped after so many seconds, as a function is that takes too long."""

        def whole() -> None:
            try:
                work(process)
            except DiedError:
                process.died = True
            ended(process)

        process = Process(self, pace, seconds, whole)
        process.go_on()

    def request(self, work: Callable[[], R]) -> R:
        """A request of whoever runs now; the test's own is carried out at once."""
        return self.running.request(work) if self.running else work()

    def run(self) -> None:
        """Until nothing more is to come."""
        try:
            while self._coming:
                moment, _, work = heapq.heappop(self._coming)
                self.now = max(self.now, moment)
                work()
        finally:
            for process in list(self.waiting):
                process.give_up()
