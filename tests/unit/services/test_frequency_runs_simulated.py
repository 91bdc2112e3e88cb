"""Runs under simulated ticks: late, none for an hour, several at once, with deaths and changes.

The documented rule (`services/frequency_runs.py`) is written down here a second time, and compared.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise, takewhile

from hypothesis import example, given, settings

from chalicelib.domain.schedule import Schedule
from chalicelib.domain.times import later
from chalicelib.services.frequencies import Wanted
from tests.support.frequency_cases import (
    CHANGES,
    CREATED,
    LAGS,
    NEWS,
    PACES,
    SCHEDULES,
    TICKS,
    Timing,
)
from tests.support.frequency_world import FrequencyWorld, Look, Made, Version, Worked, simulated
from tests.support.interleaving import Pace

LOOKAHEAD_SECONDS = 120


def run(
    timing: Timing,
    ticks: Sequence[tuple[float, float]],
    paces: Sequence[Pace] = (Pace(),),
    lags: Sequence[float] = (0.0,),
    changes: Sequence[tuple[tuple[int, int], Wanted]] = (),
) -> FrequencyWorld:
    """All of it, from the making of the frequency on until nothing more is on its way."""
    with simulated(timing.created, paces, lags) as world:
        world.create(timing.asked())
        moments = [timing.created]
        for gap, off in ticks:
            moments.append(later(moments[-1], gap))
            world.time.at(moments[-1], lambda off=off: world.tick(off))  # type: ignore[misc]
        for (tick, seconds), wanted in changes:
            at = max(later(moments[tick % len(moments)], seconds), timing.created)
            world.time.at(at, lambda wanted=wanted: world.change(wanted))  # type: ignore[misc]
        world.time.run()
        world.recover()
    return world


# The rule.


def runs_between(schedule: Schedule, after: datetime, until: datetime) -> list[datetime]:
    """Every run of a schedule after a moment and until another, in order."""
    return list(takewhile(lambda run: run <= until, schedule.runs_after(after)))


def in_spans(runs: Sequence[datetime], spans: Sequence[Made]) -> list[list[datetime]]:
    """Which runs each dispatch stands for."""
    return [
        list(runs[bisect_left(runs, each.run_at) : bisect_right(runs, each.covers_until)]) for each in spans
    ]


def version_at(world: FrequencyWorld, known: int, run_at: datetime) -> Version:
    """Which version a run belongs to, for who knows those up to one of them."""
    return next(
        each for each in reversed(world.versions) if each.number <= known and each.effective <= run_at
    )


def check_look(world: FrequencyWorld, look: Look) -> None:
    """Whoever looks to the end leaves each run until there made, in one dispatch, and on its way."""
    known = [each for each in world.versions if each.number <= look.version]
    before = max(world.created, *(later(each.effective, -0.001) for each in known if each.is_cut))
    spans = [
        each for each in look.made if each.version == version_at(world, look.version, each.run_at).number
    ]
    due = runs_between(known[-1].schedule, before, look.until)
    covered = Counter(each for span in in_spans(due, spans) for each in span)
    assert [(each, covered[each]) for each in due if covered[each] != 1] == []
    assert {each.id for each in spans if before < each.run_at <= look.until} <= look.in_queue


def check_made(world: FrequencyWorld, made: Made) -> None:
    """A dispatch is a run of its version's schedule, and stands for others only if it was late."""
    (version,) = (each for each in world.versions if each.number == made.version)
    assert version.is_running
    assert next(version.schedule.runs_after(later(made.run_at, -1)), None) == made.run_at
    assert made.due == made.covers_until >= made.run_at
    assert made.notification_id in {
        each.notification_id for each in world.versions if each.number >= made.version
    }


def is_unwanted(world: FrequencyWorld, worked: Worked, made: Made) -> bool:
    """Whether a run is not to be sent: the frequency is paused, or a change has taken effect before it."""
    since = [each for each in world.versions if made.version < each.number <= worked.version]
    return not worked.is_running or any(each.effective <= made.run_at for each in since)


def check_all(world: FrequencyWorld) -> list[Made]:
    """The rule, for whatever has happened; what was sent."""
    for look in world.looks:
        check_look(world, look)
    for made in world.made.values():
        check_made(world, made)
    stopped: set[str] = set()
    sent: dict[str, Made] = {}
    for worked in world.worked:
        made = world.made[worked.id]
        assert worked.at >= made.due
        if worked.id not in stopped:
            assert worked.is_stopped == is_unwanted(world, worked, made), f"{made}, {worked}"
        if worked.is_stopped:
            stopped.add(worked.id)
        else:
            sent[worked.id] = made
    assert {each.id for each in world.worked} == set(world.made)
    in_order = sorted(sent.values(), key=lambda each: each.run_at)
    for before, after in pairwise(in_order):
        assert before.covers_until < after.run_at, f"twice: {before}, {after}"
    return in_order


def expected_spans(
    timing: Timing, looks: Sequence[tuple[datetime, float]]
) -> list[tuple[datetime, datetime]]:
    """What is sent if nothing fails: each run in its second, but for those that nobody came for in time."""
    last = later(looks[-1][0], 2 * LOOKAHEAD_SECONDS)
    runs = _grid(timing, last) if timing.period else _cron(timing, last)
    place = bisect_right(runs, timing.created)
    spans = []
    for now, off in looks:
        is_found = place < len(runs) and runs[place] <= later(now, LOOKAHEAD_SECONDS + off)
        while is_found and place < len(runs) and runs[place] <= later(now, LOOKAHEAD_SECONDS):
            spans.append((runs[place], max(runs[place], now)))
            place = bisect_right(runs, spans[-1][1])
    return spans


def _grid(timing: Timing, last: datetime) -> list[datetime]:
    assert timing.period
    starts = timing.created.timestamp() + (timing.starts or 0)
    ends = min(last.timestamp(), timing.created.timestamp() + (timing.ends or 10**9))
    moments = range(math.ceil(starts), math.floor(ends) + 1, timing.period)
    return [datetime.fromtimestamp(each, UTC) for each in moments if each > timing.created.timestamp()]


def _cron(timing: Timing, last: datetime) -> list[datetime]:
    ends = later(timing.created, timing.ends) if timing.ends else None
    schedule = Schedule(timing.created, ends, cron=timing.cron, time_zone=timing.zone)
    return runs_between(schedule, later(timing.created, -1), last)


@settings(max_examples=100)
@given(SCHEDULES, TICKS)
def test_what_is_sent_follows_from_when_the_rule_fired(
    timing: Timing, ticks: Sequence[tuple[float, float]]
) -> None:
    world = run(timing, ticks)
    sent = [(each.run_at, each.covers_until) for each in check_all(world)]
    assert sent == expected_spans(timing, [(timing.created, 0.0), *world.ticks])


@settings(max_examples=100)
@given(SCHEDULES, TICKS, PACES, LAGS)
def test_each_run_is_sent_once_whoever_dies(
    timing: Timing, ticks: Sequence[tuple[float, float]], paces: Sequence[Pace], lags: Sequence[float]
) -> None:
    world = run(timing, ticks, paces, lags)
    sent = check_all(world)
    assert len(sent) == len(world.made)
    until = max((look.until for look in world.looks), default=timing.created)
    due = runs_between(world.versions[0].schedule, timing.created, until)
    assert [each for span in in_spans(due, sent) for each in span] == due


# A look so slow that a change of the times takes effect before it ends.
@example(
    Timing(CREATED, 1), [(500.0, 0.0)], [Pace(), Pace(), Pace((0.0, 24.0))], [0.0],
    [((1, 1), Wanted(timing={"period": 5}))],
)  # fmt: skip
# A request that reads after a look which began after it, and which made up for missed runs.
@example(
    Timing(CREATED, 1), [(500.0, 0.0), (60.0, 0.0)], [Pace(), Pace((7.0, 0.0)), Pace(), Pace()], [0.0],
    [((1, -1), NEWS)],
)  # fmt: skip
# Another change before the new times have taken effect.
@example(Timing(CREATED, 60), [], [Pace()], [0.0], [((0, 3), Wanted(timing={"period": 2})), ((0, 8), NEWS)])
# Resumed at once, with other times.
@example(
    Timing(CREATED, 1), [], [Pace()], [0.0],
    [((0, 3), Wanted(is_paused=True)), ((0, 5), Wanted(timing={"period": 7})),
     ((0, 8), Wanted(is_paused=False))],
)  # fmt: skip
@example(Timing(CREATED, 1), [], [Pace()], [0.0], [((0, number), NEWS) for number in range(11)])
@settings(max_examples=250)
@given(SCHEDULES, TICKS, PACES, LAGS, CHANGES)
def test_each_run_is_sent_once_over_all_changes(
    timing: Timing,
    ticks: Sequence[tuple[float, float]],
    paces: Sequence[Pace],
    lags: Sequence[float],
    changes: Sequence[tuple[tuple[int, int], Wanted]],
) -> None:
    check_all(run(timing, ticks, paces, lags, changes))
