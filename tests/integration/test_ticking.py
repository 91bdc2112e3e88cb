"""Tick: each run of a frequency is sent once, in its second; what has a time of its own, then."""

from typing import Any
from uuid import UUID

from chalicelib.domain.messages import DueMessage
from chalicelib.domain.times import iso, later, parse
from chalicelib.services import frequencies, tick
from chalicelib.services.content import Content
from chalicelib.services.frequencies import Wanted
from chalicelib.tables.frequencies import Frequency, read_frequency
from tests.support.aws import Row, World
from tests.support.factories import SHOP, START, user_ids

CONTENT = Content("mail", "News", "There is something new.")


def create(world: World, slug: str = "often", count: int = 1, **timing: Any) -> Frequency:
    """A frequency for users who are known."""
    users = user_ids(count)
    world.knows(users)
    is_express = timing.pop("is_express", False)
    wanted = Wanted(
        timing=timing,
        content=Content("mail", "News", "There is something new.", is_express),
        users=[UUID(user) for user in users],
    )
    return frequencies.create(slug, wanted, SHOP, world.clock()).frequency


def change(world: World, slug: str = "often", **changed: Any) -> Frequency:
    return frequencies.change(slug, Wanted(**changed), SHOP, world.clock()).frequency


def dispatches(world: World) -> list[Row]:
    return sorted(world.table("DISPATCHES_TABLE"), key=lambda row: str(row["run_at"]))


def runs(world: World) -> list[float]:
    """The runs that were made, in seconds since the start."""
    return [(parse(row["run_at"]) - START).total_seconds() for row in dispatches(world)]


def live(world: World, seconds: int, ticks: int = 60) -> list[float]:
    """Let time pass, second by second, the rule firing each minute; when each letter was sent."""
    sent: list[float] = []
    world.channel.on_send = lambda _: sent.append((world.clock() - START).total_seconds())
    for second in range(seconds):
        if second % ticks == 0:
            world.tick()
            world.sweep()
        world.settle()
        if second < seconds - 1:
            world.clock.advance(1)
    return sent


def test_each_run_is_sent_in_its_second_though_the_rule_fires_each_minute(world: World) -> None:
    create(world, period=7)
    assert live(world, 200) == [float(second) for second in range(7, 200, 7)]
    assert len({letter.id for letter in world.channel.sent}) == len(range(7, 200, 7))


def test_one_that_is_made_between_two_ticks_runs_at_once(world: World) -> None:
    world.tick()
    world.clock.advance(10)
    create(world, period=5)
    assert live(world, 20, ticks=10_000) == [15.0, 20.0, 25.0]


def test_both_lanes_have_their_own_parts(world: World) -> None:
    for number in range(60):
        create(world, f"slow-{number}", period=3600, starts_at=later(START, 200 + number))
    create(world, "urgent", period=3600, starts_at=later(START, 200), is_express=True)
    world.clock.advance(139)
    assert world.tick() == {"express": 1, "regular": 3}
    regular = world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL")
    parts = [DueMessage.load(each.body).frequencies for each in regular]
    assert [len(part) for part in parts] == [25, 25, 10]
    assert len({slug for part in parts for slug in part}) == 60
    assert {each.group for each in regular} == {"tick"}
    sent = live(world, 200)
    assert len(sent) == 61
    assert dispatches(world)[0]["run_at"] == iso(later(START, 200))


def test_two_ticks_at_once_make_each_run_once(world: World) -> None:
    create(world, period=20)
    world.tick()
    world.tick()
    parts = world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL")
    assert len(parts) == 3  # and the one from its making
    row = read_frequency("often")
    assert row is not None
    for _ in range(3):
        tick.work_due(DueMessage(("often",)), world.clock, lambda: 60.0)
    assert runs(world) == [20, 40, 60, 80, 100, 120]
    assert live(world, 130) == [20, 40, 60, 80, 100, 120]


def test_missed_runs_are_sent_together_once(world: World) -> None:
    create(world, period=5, starts_at=later(START, 300))
    world.clock.advance(3600)
    world.tick()
    world.fan_out()
    (missed, *coming) = dispatches(world)
    assert missed["run_at"] == iso(later(START, 300))
    assert missed["due_at"] == missed["covers_until"] == iso(later(START, 3600))
    assert [parse(row["run_at"]) for row in coming] == [
        later(START, 3600 + 5 * number) for number in range(1, 25)
    ]
    assert all(row["run_at"] == row["due_at"] for row in coming)


def test_what_a_dying_tick_made_in_time_stands_for_itself(world: World) -> None:
    create(world, period=30, starts_at=later(START, 60))
    world.database.fail(
        "UpdateItem", world.tables["FREQUENCIES_TABLE"], times=2
    )  # the place of the next run cannot be written
    world.tick()
    assert world.fan_out() == 2
    assert runs(world) == [60, 90, 120]
    assert read_next() == 60
    world.clock.advance(1000)
    world.tick()
    world.fan_out()
    assert runs(world)[:5] == [60, 90, 120, 150, 1020]
    assert dispatches(world)[3]["covers_until"] == iso(later(START, 1000))


def read_next(slug: str = "often") -> float | None:
    row = read_frequency(slug)
    assert row is not None
    return (parse(row.next_run_at) - START).total_seconds() if row.next_run_at else None
