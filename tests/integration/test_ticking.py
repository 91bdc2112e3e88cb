"""Tick: each run of a frequency is sent once, in its second; what has a time of its own, then."""

from typing import Any
from uuid import UUID

import pytest

from chalicelib.domain.messages import DueMessage
from chalicelib.domain.results import Permanent
from chalicelib.domain.times import iso, later, parse
from chalicelib.services import frequencies, notifications, tick
from chalicelib.services.cancelling import cancel
from chalicelib.services.content import Content
from chalicelib.services.errors import ConflictError, InvalidFieldError
from chalicelib.services.frequencies import Wanted
from chalicelib.services.frequency_times import FrequencyState, next_runs, state_of
from chalicelib.services.send_again import send_failed_again
from chalicelib.tables.frequencies import Frequency, read_frequency
from tests.support.aws import Row, World, stored_dispatch
from tests.support.factories import SHOP, START, address_of, user_id, user_ids

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


def test_each_run_is_sent_in_its_second_though_the_rule_fires_each_minute(world: World) -> None:
    create(world, period=7)
    assert world.live(150) == [float(second) for second in range(7, 150, 7)]
    assert len({letter.id for letter in world.channel.sent}) == len(range(7, 150, 7))


def test_one_that_is_made_between_two_ticks_runs_at_once(world: World) -> None:
    world.tick()
    world.clock.advance(10)
    create(world, period=5)
    assert world.live(19, every=10_000) == [15.0, 20.0, 25.0]


def test_both_lanes_have_their_own_parts(world: World) -> None:
    world.checks = False  # of so many they take long
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
    sent = world.live(200)
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
    assert world.live(130) == [20, 40, 60, 80, 100, 120]


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


def counts(world: World) -> list[dict[str, int]]:
    return [world.counts(stored_dispatch(row["id"])) for row in dispatches(world)]


def test_what_is_on_its_way_of_a_paused_one_is_not_sent(world: World) -> None:
    create(world, period=10)
    sent = world.live(25)
    assert sent == [10.0, 20.0]
    change(world, is_paused=True)
    assert world.live(200) == []
    assert counts(world) == [{"sent": 1}] * 2 + [{"cancelled": 1}] * 10  # two minutes had been made ahead
    assert all("cancelled_at" in row for row in dispatches(world)[2:])
    resumed = change(world, is_paused=False)
    assert resumed.next_run_at == iso(later(START, 260))  # half a minute after it was asked for
    assert world.live(50) == [260.0, 270.0]


def test_delayed_messages_of_a_deleted_one_are_not_sent(world: World) -> None:
    create(world, count=250, period=3600, starts_at=later(START, 10))
    assert len(world.live(12)) == 100
    delayed = world.queues.waiting("DELIVERY_REGULAR_QUEUE_URL")
    assert len(delayed) == 150  # each hundred a minute later
    frequencies.delete("often", SHOP, world.clock())
    assert world.live(200) == []
    assert counts(world) == [{"sent": 100, "cancelled": 150}]


def test_a_run_of_a_stopped_one_that_waits_unsent_is_cancelled(world: World) -> None:
    create(world, period=10)
    world.queues.refuses = lambda body: '"address"' in body
    world.live(11)
    assert world.statuses() == {user_id(1): "unsent"}
    world.queues.refuses = lambda body: False
    change(world, is_paused=True)
    world.clock.advance(60)
    assert world.sweep() == {"cancelled": 1}
    assert counts(world)[0] == {"cancelled": 1}


def test_a_change_of_what_is_said_comes_into_effect_and_no_run_goes_twice(world: World) -> None:
    create(world, period=10)
    world.live(25)
    change(world, content=Content("mail", "Other news", "This is new."))
    sent = world.live(100)
    assert sent == [float(second) for second in range(30, 125, 10)]
    titles = [letter.title for letter in world.channel.sent]
    assert titles == ["News"] * 5 + ["Other news"] * 7  # those from half a minute after the change on


def test_a_change_of_the_times_begins_when_it_comes_into_effect(world: World) -> None:
    create(world, period=10)
    world.live(25)
    changed = change(world, timing={"period": 7, "starts_at": START})
    assert changed.next_run_at == iso(later(START, 56))
    assert world.live(60) == [30.0, 40.0, 50.0, 56.0, 63.0, 70.0, 77.0, 84.0]


def test_one_that_is_made_anew_runs_anew(world: World) -> None:
    create(world, period=10)
    world.live(15)
    frequencies.delete("often", SHOP, world.clock())
    create(world, period=10)
    assert world.live(30) == [25.0, 35.0, 45.0]


def test_the_last_run_is_the_end(world: World) -> None:
    create(world, period=10, ends_at=later(START, 30))
    assert world.live(120) == [10.0, 20.0, 30.0]
    row = read_frequency("often")
    assert row is not None
    assert not row.due
    assert state_of(row, world.clock()) is FrequencyState.ENDED
    assert world.tick() == {"express": 0, "regular": 0}


def test_what_is_shown_as_next_is_what_comes_next_though_it_is_made_already(world: World) -> None:
    row = create(world, period=10)
    world.fan_out()
    row = read_frequency("often") or row
    assert parse(row.next_run_at) == later(START, 130)
    assert next_runs(row, world.clock())[:2] == [iso(later(START, 10)), iso(later(START, 20))]


@pytest.mark.parametrize(
    ("recipients", "timing", "field"),
    [
        (101, {"period": 119}, "period"),
        (101, {"cron": "* * * * *"}, "cron"),
        (1000, {"period": 599}, "period"),
        (1000, {"cron": "0,5 9 * * *"}, "cron"),
    ],
)
def test_a_run_must_be_sent_before_the_next_begins(
    world: World, recipients: int, timing: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidFieldError, match=r"there must be at least \d+ s from run to run") as refused:
        create(world, count=recipients, **timing)
    assert refused.value.field == field
    assert world.table("FREQUENCIES_TABLE") == world.table("AUDIENCES_TABLE") == []


@pytest.mark.parametrize(
    ("recipients", "timing"),
    [(100, {"period": 1}), (101, {"period": 120}), (500, {"cron": "0,5 9 * * *"})],
)
def test_a_run_that_is_sent_by_then_is_no_hindrance(
    world: World, recipients: int, timing: dict[str, Any]
) -> None:
    assert create(world, count=recipients, **timing).recipients == recipients


def test_a_change_to_more_people_is_refused_if_its_period_is_too_short(world: World) -> None:
    create(world, period=60)
    with pytest.raises(InvalidFieldError, match="at least 120 s"):
        change(world, users=[UUID(user) for user in user_ids(101)])
    assert change(world, is_paused=True).recipients == 1


def test_who_failed_in_a_run_can_be_sent_to_again_though_the_frequency_has_gone(world: World) -> None:
    create(world, period=3600, starts_at=later(START, 10))
    world.channel.answers[address_of(user_id(1))] = [Permanent("smtp 550")]
    world.live(12)
    frequencies.delete("often", SHOP, world.clock())
    (run,) = dispatches(world)
    world.clock.advance(200)
    assert send_failed_again(run["notification_id"], SHOP, world.clock, dispatch_id=run["id"]) == 1
    assert world.live(5) == [212.0]
    with pytest.raises(InvalidFieldError, match="no such dispatch"):
        send_failed_again(run["notification_id"], SHOP, world.clock, dispatch_id=user_id(1))


def test_many_runs_are_shown_page_by_page(world: World) -> None:
    row = create(world, period=1)
    world.fan_out()
    shown = notifications.find(row.notification_id, SHOP, world.clock())
    assert len(shown.dispatches) == notifications.DISPATCHES_SHOWN
    assert shown.recipients == 20
    found: list[str] = []
    cursor = None
    while cursor is not None or not found:
        page, cursor = notifications.dispatches(row.notification_id, SHOP, world.clock(), cursor, 50)
        found += [view.dispatch.run_at for view in page]
    assert found == [iso(later(START, second)) for second in range(120, 0, -1)]
    shown_to = notifications.recipients(row.notification_id, SHOP, world.clock(), None, 100)
    assert len({each.dispatch_id for each in shown_to.recipients}) == notifications.MAX_CHUNKS_READ
    read = len(shown_to.recipients)
    while shown_to.next_cursor:
        following = shown_to.next_cursor
        shown_to = notifications.recipients(row.notification_id, SHOP, world.clock(), following, 100)
        read += len(shown_to.recipients)
    assert read == 120
    with pytest.raises(ConflictError, match="pause that"):
        cancel(row.notification_id, SHOP, world.clock())


def test_what_cannot_be_made_of_one_does_not_hold_up_the_others(world: World) -> None:
    for slug in ("first", "second", "third"):
        create(world, slug, period=3600, starts_at=later(START, 60))
    world.database.fail("PutItem", world.tables["DISPATCHES_TABLE"], if_body="second")
    assert world.live(62) == [60.0, 60.0, 60.0]  # the next tick has made up for it


def test_while_the_queue_is_away_nothing_is_due_twice(world: World) -> None:
    create(world, period=20, starts_at=later(START, 150))
    queue = world.queues.url("FAN_OUT_REGULAR_QUEUE_URL")
    world.queues.down.add(queue)
    assert world.live(400) == []
    assert dispatches(world) == []
    world.queues.down.clear()
    world.clock.now = later(START, 405)
    assert world.live(30) == [405.0, 410.0, 430.0]
    assert dispatches(world)[0]["covers_until"] == iso(later(START, 405))
