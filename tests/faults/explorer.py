"""Runs a scenario, and at each of its calls lets a copy of this process go on with a fault.

A copy (fork) begins where the fault strikes: what came before need not be run again, and is the same for all.
"""

import gc
import json
import os
import random
import select
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest

from chalicelib.channels import CHANNELS
from tests.faults.scenarios import Answers, Scenario
from tests.faults.violations import require
from tests.faults.wire import FAULTS, Call, Fault
from tests.faults.world import World, names

COPIES_AT_ONCE = os.cpu_count() or 1
RUN_SECONDS = 120
"""A copy that is not at rest by then is stopped, and counts as broken."""
MAX_GAP = 30
"""Of a pair, the second fault strikes at one of so many calls after the first."""
TOLD_CALLS = 25
ENOUGH_BROKEN = int(os.environ.get("ENOUGH_BROKEN", "10"))
"""After so many broken runs no more are begun: they would all say the same."""


@dataclass(frozen=True)
class Strike:
    """A fault at a call; with a seed, of a pair: where and what the second one is, is drawn."""

    fault: Fault
    seed: int | None = None


@dataclass(frozen=True)
class Run:
    """What became of one run."""

    call: str
    faults: list[str]
    calls: int
    second_sends: int
    violation: str | None

    def __str__(self) -> str:
        return f"{' + '.join(self.faults)}\n{self.violation}"


Plan = Callable[[Call], Sequence[Strike]]


_ONLY_WHERE: dict[Fault, Callable[[Scenario], bool]] = {
    Fault.CANCEL: lambda scenario: scenario.timing is None,
    Fault.OPERATOR: lambda scenario: scenario.timing is None,
    Fault.TICK: lambda scenario: scenario.is_scheduled,
    Fault.PUT_OFF: lambda scenario: scenario.send_at is not None,
    Fault.CHANGE: lambda scenario: scenario.timing is not None,
    Fault.PAUSE: lambda scenario: scenario.timing is not None,
    Fault.DELETE: lambda scenario: scenario.timing is not None,
}


_TOO_LONG = (Fault.SWEEP_LATER, Fault.WAKES_LATE)
"""For a request that changes a frequency. AWS ends it after 29 s, and the product relies on that: a change
takes effect 30 s after it was asked for. (To die at each call is tried.)"""


def possible_at(scenario: Scenario, call: Call) -> list[Fault]:
    """What can strike at a call of a scenario at all."""
    changes_a_frequency = scenario.timing is not None and scenario.changes and call.name.startswith("api: ")
    return [
        fault
        for fault in FAULTS[call.kind]
        if (fault not in _ONLY_WHERE or _ONLY_WHERE[fault](scenario))
        and not (changes_a_frequency and fault in _TOO_LONG)
    ]


def faults_at(scenario: Scenario, call: Call) -> list[Fault]:
    """What strikes at a call at first. An operator finds something only where something has failed."""
    if call.after_seconds < scenario.struck_from_seconds:
        return []
    faults = possible_at(scenario, call)
    return [fault for fault in faults if fault is not Fault.OPERATOR or scenario.sent_again]


def every_fault(scenario: Scenario, part: int = 1, of: int = 1) -> Plan:
    """Each fault that can strike, at each call; or of so many parts that together are all of them, one.

    Each part has each fault at some calls.
    """
    order = {fault: number for number, fault in enumerate(Fault)}
    return lambda call: [
        Strike(fault) for fault in faults_at(scenario, call) if (call.number + order[fault]) % of == part - 1
    ]


class Explorer:
    """All runs of one scenario under one plan."""

    def __init__(self, world: World, scenario: Scenario, answers: Answers) -> None:
        self._world, self._scenario, self._answers = world, scenario, answers
        self._begin()
        world.run()
        self.calls = list(world.wire.calls)
        """The calls of the run without faults."""
        self._left = world.tables.what_became()
        assert world.points.second_sends == 0

    def explore(self, plan: Plan) -> list[Run]:
        """Strike at each call as planned; every run's result."""
        copies = _Copies()
        struck: list[str] = []  # filled in a copy only

        def choose(call: Call) -> Fault | None:
            usual = self.calls[call.number]
            require(call == usual, f"not the run that it was before: {call} in the place of {usual}")
            for strike in plan(call):
                if copies.are_enough_broken:
                    return None
                if copies.fork():
                    struck.append(f"{strike.fault} (call {call.number}, {call.name})")
                    self._world.wire.choose = _second(self._scenario, strike, struck)
                    return strike.fault
            return None

        self._begin()
        # What the collector does not look at, it does not write to: the copies go on sharing the memory.
        gc.collect()
        gc.freeze()
        self._world.wire.choose = choose
        try:
            self._world.run()
            violation = self._violation(struck)
        except BaseException as error:
            if not struck:
                raise
            violation = self._told(error)
        finally:
            self._world.wire.choose = lambda call: None
            gc.unfreeze()
        if struck:
            called, second_sends = self._world.wire.calls, self._world.points.second_sends
            copies.report(Run(struck[0], struck, len(called), second_sends, violation))
        return copies.gather()

    def _begin(self) -> None:
        self._world.begin(self._scenario, self._answers)

    def _violation(self, struck: list[str]) -> str | None:
        if len(struck) != 1:
            return None
        if self._world.points.second_sends and not _may_send_twice(struck[0]):
            return f"point 2: sent twice after '{struck[0]}', though the first could be known of"
        if struck[0].startswith(f"{Fault.ECHO} ") and ": sqs " not in struck[0]:
            return self._difference()
        return None

    def _difference(self) -> str | None:
        """The SDK has sent the same again, and nobody may notice: a write accepts its own echo."""
        called, usual = names(self._world.wire.calls), names(self.calls)
        if called != usual:
            pairs = enumerate(zip_longest(called, usual))
            number = next(number for number, (one, other) in pairs if one != other)
            return f"the echo changed what followed: from call {number} on {called[number : number + 3]}"
        if (left := self._world.tables.what_became()) != self._left:
            return f"the echo changed what is left: {left} and not {self._left}"
        return None

    def _told(self, error: BaseException) -> str:
        last = "\n    ".join(names(self._world.wire.calls)[-TOLD_CALLS:])
        logged = "\n    ".join(line[:300] for line in self._world.points.log[-5:])
        where = "".join(traceback.format_tb(error.__traceback__)[-4:])
        return (
            f"{type(error).__name__}: {error}\n{where}  last calls:\n    {last}\n  last logged:\n    {logged}"
        )


def _may_send_twice(struck: str) -> bool:
    """Whether after this fault nobody could know that the channel had accepted."""
    fault = next(fault for fault in Fault if struck.startswith(f"{fault} ("))
    if fault in (Fault.DIES_BEFORE, Fault.DIES_AFTER, Fault.WAKES_LATE):
        return True
    return fault is Fault.ANSWER_LOST and any(f": {channel} in " in struck for channel in CHANNELS)


def _second(scenario: Scenario, strike: Strike, struck: list[str]) -> Callable[[Call], Fault | None]:
    """What happens at the calls after the first fault."""
    if strike.seed is None:
        return lambda call: None
    draw = random.Random(strike.seed)
    left = [draw.randint(1, MAX_GAP)]

    def choose(call: Call) -> Fault | None:
        left[0] -= 1
        if left[0] != 0:
            return None
        fault = draw.choice(possible_at(scenario, call))
        struck.append(f"{fault} (call {call.number}, {call.name})")
        return fault

    return choose


class _Copies:
    """Copies of this process, each with a pipe for its result."""

    def __init__(self) -> None:
        self._running: dict[int, int] = {}  # the reading end -> process id
        self._runs: list[Run] = []
        self._writing: int | None = None

    @property
    def are_enough_broken(self) -> bool:
        return sum(run.violation is not None for run in self._runs) >= ENOUGH_BROKEN

    def fork(self) -> bool:
        """True in a new copy; False in this process, which may wait until there is room for one."""
        while len(self._running) >= COPIES_AT_ONCE:
            self._collect()
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(reading)
            signal.alarm(RUN_SECONDS)
            self._writing = writing
            return True
        os.close(writing)
        self._running[reading] = process
        return False

    def report(self, run: Run) -> None:
        """End this copy, with its result; also when nobody reads it any more."""
        assert self._writing is not None
        try:
            with os.fdopen(self._writing, "w") as pipe:
                json.dump(asdict(run), pipe)
        finally:
            os._exit(0)

    def gather(self) -> list[Run]:
        """The results of all copies."""
        while self._running:
            self._collect()
        return self._runs

    def _collect(self) -> None:
        for reading in select.select(list(self._running), [], [])[0]:
            with os.fdopen(reading) as pipe:
                text = pipe.read()
            _, status = os.waitpid(self._running.pop(reading), 0)
            if status or not text:
                self._runs.append(
                    Run("?", ["?"], 0, 0, f"a run ended with status {status}, without a result")
                )
            else:
                self._runs.append(Run(**json.loads(text)))


def sampled(scenario: Scenario, calls: Sequence[Call], pairs: int, seed: int) -> Plan:
    """So many first faults of pairs, drawn from all that can strike at these calls."""
    draw = random.Random(seed)
    everything = [(call.number, fault) for call in calls for fault in faults_at(scenario, call)]
    drawn: dict[int, list[Strike]] = {}
    for number, fault in (draw.choice(everything) for _ in range(pairs)):
        drawn.setdefault(number, []).append(Strike(fault, draw.randrange(2**32)))
    return lambda call: drawn.get(call.number, [])


def by_call(runs: Sequence[Run]) -> Iterator[tuple[str, int]]:
    """Where second sends came from: (fault and call, how many)."""
    for run in runs:
        if run.second_sends:
            yield " + ".join(run.faults), run.second_sends
