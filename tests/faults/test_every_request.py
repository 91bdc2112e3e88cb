"""Requests that change something: whatever happens at one call, asking again leads where it should."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app import app
from chalicelib.services import authentication, rate_limits
from tests.faults.conftest import Tally
from tests.faults.functions import timeout_of
from tests.faults.requests import REQUESTS, Names, Request, administrator, what_stands
from tests.faults.scenarios import ACCEPTS, SCENARIOS
from tests.faults.stage import forget_what_a_warm_function_knows
from tests.faults.wire import PARTIAL, Call, Fault, Kind, ProcessDiedError
from tests.faults.world import World
from tests.support.aws import Invocation

MAX_REQUESTS = 6
CLIENT_PAUSE_SECONDS = 2.0
STRIKES = (
    Fault.THROTTLED,
    Fault.SERVER_ERROR,
    Fault.ECHO,
    Fault.ANSWER_LOST,
    Fault.DIES_BEFORE,
    Fault.DIES_AFTER,
)

STATISTICS = frozenset({"ACTIVITY_TABLE", "AUDIT_TABLE"})
"""What may be counted or told twice, or not at all: no promise hangs on it, and a line is logged."""

State = Counter[tuple[str, str]]
"""What stands in the tables, and how often."""


@dataclass(frozen=True)
class Run:
    """What a client was answered until it was done, what was called, and what stands then."""

    answers: list[int]
    calls: list[Call]
    state: State


class Client:
    """Sends one request until it is answered, with a fault at one of its calls."""

    def __init__(self, world: World, authorization: str, request: Request) -> None:
        self._world, self._authorization, self._request = world, authorization, request

    def run(self, number: int | None = None, fault: Fault | None = None) -> Run:
        """All of it, from the same state."""
        world = self._world
        world.begin(SCENARIOS[0], ACCEPTS)
        world.points.are_watched = False
        with world.wire.off():
            names = self._request.prepare()
        world.wire.choose = lambda call: fault if call.number == number else None
        answers: list[int] = []
        try:
            while not answers or answers[-1] in (0, 503):
                assert len(answers) < MAX_REQUESTS, f"{self._request.name}: only {answers}"
                answers.append(self._ask(names))
                world.clock.advance(CLIENT_PAUSE_SECONDS)
        finally:
            world.wire.choose = lambda call: None
        return Run(answers, list(world.wire.calls), self._state())

    def _ask(self, names: Names) -> int:
        """The status of the answer; 0 for none."""
        seen: list[int] = []
        authentication.forget()
        rate_limits.forget()
        forget_what_a_warm_function_knows()
        with self._world.wire.process("api", lambda: None):
            try:
                answer = app(
                    self._request.event(self._authorization, names),
                    Invocation(self._world.clock, timeout_of("APIHandler")),
                )
                self._world.wire.end_of_process("the answer", lambda: seen.append(answer["statusCode"]))
            except ProcessDiedError:
                return 0
        return seen[0]

    def _state(self) -> State:
        return Counter(
            (variable, what_stands(row))
            for variable in self._world.tables.variables
            if variable not in STATISTICS
            for row in self._world.tables.rows(variable)
        )


def strikes(calls: list[Call]) -> Iterator[tuple[Call, Fault]]:
    """Every fault at every call; between calls nobody else has a part in these requests."""
    for call in calls:
        if call.kind is Kind.END:
            yield call, Fault.DIES_BEFORE
            continue
        for fault in (*STRIKES, *(PARTIAL if call.kind is Kind.BATCH else ())):
            yield call, fault


@pytest.fixture(scope="module")
def authorization(faulty: World) -> str:
    with faulty.wire.off():
        header = administrator()
    faulty.tables.keep()
    return header


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: each.name)
def test_asking_again_leads_where_it_should(
    faulty: World, authorization: str, request_: Request, tally: Tally
) -> None:
    client = Client(faulty, authorization, request_)
    usual = client.run()
    assert usual.answers == [request_.status]
    assert any(request_.reaches in call.name for call in usual.calls)
    broken = []
    for call, fault in strikes(usual.calls):
        run = client.run(call.number, fault)
        tally.runs += 1
        if reason := _broken(request_, fault, usual, run):
            broken.append(f"{fault} (call {call.number}, {call.name}): {reason}")
    tally.calls += len(usual.calls)
    tally.lines.append(f"{request_.name}: {len(usual.calls)} calls")
    assert not broken, "\n".join(broken)


def _broken(request: Request, fault: Fault, usual: Run, run: Run) -> str | None:
    allowed = {request.status} | (request.repeats_with if len(run.answers) > 1 else frozenset())
    if run.answers[-1] not in allowed or not set(run.answers[:-1]) <= {0, 503}:
        return f"the client was answered {run.answers}"
    if fault is Fault.ECHO and run.answers != usual.answers:
        return f"the echo was noticed: {run.answers}"
    behind = request.tells_later if len(run.answers) > 1 else frozenset()
    lost = {each for each in usual.state - run.state if each[0] not in behind}
    left_over = {each for each in run.state - usual.state if each[0] not in request.leaves | behind}
    if lost or left_over:
        return f"another state: {sorted(lost)} are missing, {sorted(left_over)} are too many"
    return None
