"""Nothing is lost, nothing is sent twice: proved at every call, and at the boundary before it."""

from collections import Counter
from collections.abc import Sequence

import pytest

from tests.faults.conftest import Tally
from tests.faults.explorer import Explorer, Run, by_call, every_fault, sampled
from tests.faults.scenarios import CASES, Answers, Scenario
from tests.faults.world import World

SHOWN = 5

every_case = pytest.mark.parametrize(("scenario", "answers"), CASES, ids=lambda each: each.name)


def assert_all_hold(runs: Sequence[Run]) -> None:
    broken = [run for run in runs if run.violation]
    shown = "\n\n".join(str(run) for run in broken[:SHOWN])
    assert not broken, f"{len(broken)} of {len(runs)} runs broke; the first of them:\n{shown}"


@every_case
def test_whatever_happens_at_one_call_the_seven_points_hold(
    faulty: World, scenario: Scenario, answers: Answers, tally: Tally
) -> None:
    explorer = Explorer(faulty, scenario, answers)
    runs = explorer.explore(every_fault(scenario, *tally.part))
    twice = dict(by_call(runs))
    tally.calls += len(explorer.calls)
    tally.runs += len(runs)
    tally.second_sends += sum(twice.values())
    tally.lines.append(f"{scenario.name}, {answers.name}: {len(explorer.calls)} calls, {len(runs)} runs")
    called = Counter(call.name for call in explorer.calls)
    tally.lines += [f"    {number:3} x {name}" for name, number in called.items()]
    tally.lines += [f"    sent twice after: {where}" for where in twice]
    assert_all_hold(runs)


@every_case
def test_whatever_happens_at_two_calls_the_seven_points_hold(
    faulty: World, scenario: Scenario, answers: Answers, tally: Tally
) -> None:
    explorer = Explorer(faulty, scenario, answers)
    each = -(-tally.pairs // len(CASES))
    runs = explorer.explore(sampled(scenario, explorer.calls, each, tally.seed))
    tally.runs += len(runs)
    tally.second_sends += sum(run.second_sends for run in runs)
    assert len(runs) == each
    assert_all_hold(runs)
