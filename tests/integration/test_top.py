"""What the operator's page is drawn from: tables, read by a few small requests."""

import argparse
from collections import Counter
from datetime import timedelta

import pytest

from chalicelib.domain.lanes import Lane
from chalicelib.domain.times import later
from chalicelib.observability import BY_CHANNEL, METRICS, Metric
from chalicelib.services import operations
from chalicelib.services.queue_depths import Depth
from chalicelib.tables import activity
from infra import top_command
from infra.consumers_command import View
from tests.support.aws import World
from tests.support.factories import START, user_id, user_ids

NOTHING = View(
    numbers=dict.fromkeys(Lane, (10, 2, 20)),
    sources={lane: [] for lane in Lane},
    depths=[Depth("DeliveryExpressQueue", 3, 2, 1, 95)],
    account=None,
    reserved=20,
    notes=["CloudWatch is not told"],
)


def lane_now(world: World, lane: Lane = Lane.REGULAR) -> top_command.LaneNow:
    """A lane as it is shown, over the last two minutes."""
    at = world.clock()
    minutes = [activity.minute_of(later(at, -60 * back)) for back in range(2)]
    return top_command._lane_now(lane, activity.counted(minutes)[lane], at)


def test_what_went_out_is_counted_by_lane(world: World) -> None:
    world.knows(user_ids(4))
    world.submit(user_ids(3))
    world.submit([user_id(4), user_id(5)], is_express=True)
    world.clock.advance(1.5)
    world.settle()
    regular, express = lane_now(world), lane_now(world, Lane.EXPRESS)
    assert regular.counts == {"accepted": 3, "dispatches": 1, "sent": 3, "failed": 0}
    assert express.counts == {"accepted": 2, "dispatches": 1, "sent": 1, "failed": 0, "wrong_contact": 1}
    assert regular.latency == express.latency == {"p50": "2 s", "p95": "2 s"}
    world.clock.advance(120)
    assert lane_now(world).counts == {"failed": 0}
    assert lane_now(world).latency == {"p50": "-", "p95": "-"}


def test_what_waits_is_counted_with_the_oldest_of_it(world: World) -> None:
    world.knows(user_ids(4))
    world.queues.down = {world.queues.url("DELIVERY_REGULAR_QUEUE_URL")}
    world.submit(user_ids(3))
    world.fan_out()
    world.clock.advance(10)
    world.queues.down = {world.queues.url("FAN_OUT_REGULAR_QUEUE_URL")}
    world.submit([user_id(4)])
    world.submit([user_id(4)], send_at=world.clock() + timedelta(hours=1))
    world.clock.advance(20)
    found = lane_now(world)
    assert (found.unsent, found.unsent_seconds, found.pending, found.pending_seconds) == (3, 30, 1, 20)
    other = lane_now(world, Lane.EXPRESS)
    assert (other.unsent, other.unsent_seconds, other.pending, other.pending_seconds) == (0, 0, 0, 0)


def test_nothing_is_scanned_and_everything_has_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.knows(user_ids(5))
    world.queues.down = {world.queues.url("DELIVERY_REGULAR_QUEUE_URL")}
    world.submit(user_ids(5))
    world.fan_out()
    monkeypatch.setattr(operations, "COUNTED", 3)
    monkeypatch.setattr(operations, "LOOKED_AT", 2)
    world.database.requests.clear()
    assert lane_now(world).unsent == 3
    # Two minutes, four shards of the unsent and four of the pending; the rows that are looked at.
    assert dict(world.database.requests) == {"Query": 2 + 4 + 4, "BatchGetItem": 1}


@pytest.mark.parametrize(
    ("latencies", "p50", "p95"),
    [
        ([], "-", "-"),
        ([0.1], "0.5 s", "0.5 s"),
        ([0.1] * 10 + [40], "0.5 s", "60 s"),
        ([0.5] * 95 + [40] * 5, "0.5 s", "0.5 s"),
        ([2000], "> 900 s", "> 900 s"),
    ],
)
def test_a_percentile_is_the_least_bound(latencies: list[float], p50: str, p95: str) -> None:
    counted = Counter(map(activity.latency_name, latencies))
    assert [operations.percentile(counted, percent) or "-" for percent in (50, 95)] == [p50, p95]


def test_a_minutes_counts_fit_into_one_write_unit(world: World) -> None:
    """All that a lane can have, of one channel: an update costs the item's size, by the kilobyte."""
    names = [f"mail {metric.name}" for metric in top_command_metrics()]
    names += [activity.latency_name(each) for each in (*activity.LATENCY_BOUNDS, None)]
    activity.count(Lane.REGULAR, dict.fromkeys(names, 99_999), START)
    (item,) = world.table("ACTIVITY_TABLE")
    size = sum(len(name) + len(str(value)) for name, value in item.items())
    assert len(item) == len(names) + 3
    assert size < 1024


def top_command_metrics() -> list[Metric]:
    """What is counted in a minute."""
    return [metric for metric in METRICS if metric.dimensions == BY_CHANNEL and metric.unit == "Count"]


def now() -> top_command.Now:
    lane = top_command.LaneNow(
        {"accepted": 30, "failed": 3}, {"p50": "1 s", "p95": "5 s"}, 1_000, 7_300, 2, 65
    )
    return top_command.Now(START, 2.5, {Lane.EXPRESS: lane}, NOTHING)


def test_it_is_drawn_as_a_table() -> None:
    drawn = top_command._drawn("vestnik-dev", now()).splitlines()
    assert drawn[0] == "vestnik-dev  2026-11-23 10:00:00 UTC"
    assert drawn[3].split() == [
        "express",
        "12.0",
        "0.0",
        "1.2",
        "0.0",
        "0.0",
        "0.0",
        "0.0",
        "1",
        "s",
        "5",
        "s",
    ]
    assert drawn[6].split() == ["express", "1000", "or", "more", "2", "h", "2", "65", "s"]
    assert "DeliveryExpressQueue  3        2          1        95 s" in drawn
    assert drawn[-1] == "CloudWatch is not told"


def test_it_is_drawn_again_and_again_until_it_is_broken_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(top_command, "now", lambda *_: now())
    options = argparse.Namespace(
        endpoint_url="http://127.0.0.1:1",
        stack_name="vestnik-dev",
        json=False,
        once=False,
        minutes=5,
        every=7.0,
    )
    assert top_command.run(options, pause) == ""
    assert pauses == [7.0] * 3
    assert capsys.readouterr().out.count("vestnik-dev  2026-11-23") == 3
