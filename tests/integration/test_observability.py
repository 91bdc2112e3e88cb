"""What is logged: each notification can be followed, what was counted is true, and nobody is named."""

import json
import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

import app  # noqa: F401 - Chalice raises the level of the logger that has the name of its app
from chalicelib.domain.backoff import attempt_limit
from chalicelib.domain.fanning import ChunkRange
from chalicelib.domain.lanes import Lane
from chalicelib.domain.mail_events import EventKind
from chalicelib.domain.messages import FanOutMessage, names_in
from chalicelib.domain.results import Permanent, RateLimited, Retryable
from chalicelib.observability import METRICS, SENT, about, correlated, logger, measure
from chalicelib.services.applications import register_application
from chalicelib.tables import activity
from chalicelib.tables.dispatches import Dispatch
from tests.support import factories
from tests.support.api import Api, set_api_clock
from tests.support.aws import World
from tests.support.factories import START, address_of, user_id, user_ids
from tests.support.log_lines import PERSONAL, LogLines
from tests.support.mail_events import envelope, event

REFUSED = ClientError({"Error": {"Code": "ValidationException", "Message": "wrong"}}, "UpdateItem")
HOUR = 3600


@pytest.fixture
def log(world: World) -> Iterator[LogLines]:
    with LogLines().kept() as lines:
        yield lines


def everything_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Dispatch]:
    """Runs in which each kind of thing happens to somebody; the dispatches."""
    users = user_ids(8)
    refused, busy, hopeless, broken, refusing, nobody, first, second = users
    world.knows([each for each in users if each != nobody])
    world.unsubscribes(refusing, "mail")
    world.channel.answers = {
        address_of(refused): [Permanent("550 no such user")],
        address_of(busy): [Retryable("451 later"), RateLimited("slow down", 10)],
        address_of(hopeless): [Retryable("451 later")] * attempt_limit(Lane.EXPRESS),
        address_of(broken): [RuntimeError("unforeseen")] * 5,
    }
    dispatches = [world.submit(users, is_express=True)]
    world.settle(6 * HOUR)
    # Two are unsent: one goes out when the queue is back, the other expires.
    world.queues.down.add(world.queues.url("DELIVERY_REGULAR_QUEUE_URL"))
    dispatches.append(world.submit([first]))
    world.fan_out()
    world.sweep()
    world.clock.advance(120)
    world.queues.down.clear()
    world.sweep()
    world.settle()
    world.queues.down.add(world.queues.url("DELIVERY_REGULAR_QUEUE_URL"))
    dispatches.append(world.submit([second]))
    world.fan_out()
    world.clock.advance(80 * HOUR)
    world.sweep()
    # One is pending: its fan-out queue was out of reach.
    world.queues.down = {world.queues.url("FAN_OUT_REGULAR_QUEUE_URL")}
    dispatches.append(world.submit([first]))
    world.queues.down.clear()
    world.clock.advance(90)
    world.sweep()
    world.settle()
    # Of one mail everything is told that can be.
    key = first, str(dispatches[-1].id)
    for kind in EventKind:
        world.queues.put("MAIL_EVENTS_QUEUE_URL", envelope(event(kind, address_of(first), key)))
    world.mail_events()
    set_api_clock(monkeypatch, world.clock)
    shop = Api(f"shop {register_application('shop', START).password}")
    world.database.fail("GetItem", "notifications", error=REFUSED)
    assert shop.get(f"/api/v1/notifications/{dispatches[0].notification_id}/").status == 500
    return dispatches


def test_each_metric_is_emitted_and_valid(
    world: World, log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything_happens(world, monkeypatch)
    found = {(name, tuple(key for key, _ in where)) for name, where in log.metrics()}
    assert found == {(metric.name, metric.dimensions) for metric in METRICS}


def test_the_metrics_are_what_happened(world: World, log: LogLines, monkeypatch: pytest.MonkeyPatch) -> None:
    everything_happens(world, monkeypatch)
    sums = log.sums()
    tries = attempt_limit(Lane.EXPRESS)
    expected = {
        "accepted express mail": 8,
        "dispatches express mail": 1,
        "queued express mail": 6,
        "sent express mail": 3,
        "retried express mail": 2 + tries - 1,
        "failed_refused express mail": 1,
        "failed_given_up express mail": 1,
        "failed_dead_letter express mail": 1,
        "unsubscribed express mail": 1,
        "wrong_contact express mail": 1,
        "accepted regular mail": 3,
        "dispatches regular mail": 3,
        "queued regular mail": 1,
        "unsent regular mail": 2,
        "requeued regular mail": 1,
        "sent regular mail": 2,
        "failed_expired regular mail": 1,
        **{f"{kind} regular mail": 1 for kind in EventKind},
        "dead_letters": 2,  # the first time somebody holds the row
        "comes_again": 5,
        "server_errors": 1,
    }
    assert {name: sums[name] for name in expected} == expected
    counted = activity.counted({row["minute"] for row in world.table("ACTIVITY_TABLE")})
    for lane in Lane:
        of_lane = {name: number for name, number in expected.items() if f" {lane} mail" in name}
        kept = {f"{name.replace('mail ', '')} {lane} mail": number for name, number in counted[lane].items()}
        not_kept = {f"queued {lane} mail", f"requeued {lane} mail"}
        assert {name: kept.get(name) for name in of_lane.keys() - not_kept} == {
            name: number for name, number in of_lane.items() if name not in not_kept
        }


def test_every_line_about_a_notification_names_it(
    world: World, log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatches = everything_happens(world, monkeypatch)
    of = {dispatch.id: dispatch.notification_id for dispatch in dispatches}
    named = [line for line in log.lines if any(each in json.dumps(line) for each in of)]
    assert {line["message"] for line in named} >= {
        "accepted", "fanned out", "delivered", "message must come again", "recipient failed", "unsent swept",
        "dispatch stays pending", "handed over",
    }  # fmt: skip
    for line in named:
        assert line["notification"] == of[line["dispatch"]]
    about_none = {line["message"] for line in log.lines if "notification" not in line}
    assert about_none == {
        "swept",
        "dead letters",
        "mail events",
        "queue out of reach",
    }  # of several, or of none


def test_no_line_names_anybody(world: World, log: LogLines, monkeypatch: pytest.MonkeyPatch) -> None:
    everything_happens(world, monkeypatch)
    world.checks = False  # they read every message
    world.queues.put("DELIVERY_EXPRESS_QUEUE_URL", '{"v": 1, "address": "anna@example.com", "name": "Anna"}')
    world.settle(HOUR)
    assert log.of("unknown dead letter")
    assert PERSONAL.search('"anna@example.com"')
    assert PERSONAL.findall(log.text) == []


def test_a_batch_of_one_notification_is_one_line(world: World, log: LogLines) -> None:
    users = user_ids(10)
    world.knows(users)
    world.submit(users)
    world.settle()
    (line,) = log.of("delivered")
    assert (line["messages"], line["sent"], len(line["latency"])) == (10, 10, 10)


def test_a_batch_of_two_notifications_is_two_lines(world: World, log: LogLines) -> None:
    world.knows(user_ids(2))
    dispatches = [world.submit([user]) for user in user_ids(2)]
    world.fan_out()
    world.deliver()
    assert [line["notification"] for line in log.of("delivered")] == [
        dispatch.notification_id for dispatch in dispatches
    ]


@pytest.mark.parametrize("lane", Lane)
def test_latency_is_counted_from_when_a_recipient_was_due(world: World, log: LogLines, lane: Lane) -> None:
    world.knows([user_id(1)])
    world.channel.answers = {address_of(user_id(1)): [RateLimited("slow down", 7)]}
    world.submit([user_id(1)], is_express=lane is Lane.EXPRESS)
    world.clock.advance(1.25)
    world.settle(60)
    where = (("lane", str(lane)), ("channel", "mail"))
    assert log.metrics()["latency", where] == [8.25]
    assert log.metrics()["not_taken", where] == [100, 0]


def test_the_hundred_that_is_put_off_by_the_throttle_is_not_late(world: World, log: LogLines) -> None:
    world.checks = False
    world.knows(user_ids(101))
    world.submit(user_ids(101))
    world.settle(HOUR)
    latencies = log.metrics()["latency", (("lane", "regular"), ("channel", "mail"))]
    assert (len(latencies), max(latencies)) == (101, 0)


@pytest.mark.parametrize("lane", Lane)
def test_how_old_the_unsent_are_is_told_by_each_sweep_that_looks(
    world: World, log: LogLines, lane: Lane
) -> None:
    def ages() -> list[float]:
        return log.metrics()["unsent_age", (("lane", str(lane)),)]

    world.sweep()
    assert ages() == [0]
    world.knows([user_id(1)])
    world.queues.down.add(world.queues.url(f"DELIVERY_{lane.upper()}_QUEUE_URL"))
    world.submit([user_id(1)], is_express=lane is Lane.EXPRESS)
    world.fan_out(lane)
    world.clock.advance(10)
    world.sweep()
    assert ages() == [0, 10]
    world.clock.advance(1)
    world.sweep()  # it is nobody's turn: what was said before stands
    assert ages() == [0, 10]
    world.clock.advance(300)
    world.sweep()
    assert ages() == [0, 10, 311]
    world.queues.down.clear()
    world.clock.advance(600)
    world.sweep()
    world.sweep()
    assert ages() == [0, 10, 311, 911, 0]


def test_how_old_the_pending_are_is_counted_from_when_they_were_posted(world: World, log: LogLines) -> None:
    world.queues.down.add(world.queues.url("FAN_OUT_EXPRESS_QUEUE_URL"))
    world.submit([user_id(1)], is_express=True)
    for seconds in (90, 120, 180):
        world.clock.advance(seconds)
        world.sweep()
    # Each sweep has it be due anew: its age goes on.
    assert log.metrics()["pending_age", (("lane", "express"),)] == [90, 210, 390]


def test_the_answer_names_the_notification_that_was_made_or_asked_for(
    world: World, log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_api_clock(monkeypatch, world.clock)
    shop = Api(f"shop {register_application('shop', START).password}")
    made = shop.post(
        "/api/v1/notifications/", {"type": "mail", "title": "A", "text": "B", "users": [str(uuid.uuid4())]}
    )
    read = shop.get(f"/api/v1/notifications/{made.json['id'].upper()}/")
    other = shop.get("/api/v1/notifications/nonsense%0d%0a/")
    assert (made.status, read.status, other.status) == (201, 200, 404)
    assert made.headers["X-Correlation-Id"] == read.headers["X-Correlation-Id"] == made.json["id"]
    assert other.headers["X-Correlation-Id"] == other.headers["X-Request-Id"]
    lines = log.of("request")
    assert [line.get("notification") for line in lines] == [made.json["id"], made.json["id"], None]
    assert [line["request_id"] for line in lines] == [
        each.headers["X-Request-Id"] for each in (made, read, other)
    ]


def test_a_message_of_an_earlier_version_is_followed_too(world: World, log: LogLines) -> None:
    world.knows([user_id(1)])
    dispatch = world.submit([user_id(1)])
    world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL").clear()
    world.queues.put("FAN_OUT_REGULAR_QUEUE_URL", FanOutMessage(dispatch.id, ChunkRange(0, 1)).dump())
    world.fan_out()
    world.queues.waiting("DELIVERY_REGULAR_QUEUE_URL").clear()
    world.queues.put("DELIVERY_REGULAR_QUEUE_URL", factories.delivery(dispatch.id).dump())
    world.deliver()
    lines = log.of("fanned out") + log.of("delivered")
    assert [line["notification"] for line in lines] == [dispatch.notification_id] * 2


@pytest.mark.parametrize("body", ["", "null", "[]", '{"v": 2, "dispatch": "d"}', '{"v": 1, "dispatch": 5}'])
def test_a_body_that_names_nothing_names_nothing(body: str) -> None:
    assert names_in(body) == {}


def test_names_end_with_their_block() -> None:
    with about(notification="outer"):
        with about(notification="inner", dispatch=None):
            assert correlated() == "inner"
        assert correlated() == "outer"
    assert correlated() is None


def test_names_of_one_thread_are_none_of_another() -> None:
    both = threading.Barrier(2, timeout=10)

    def name(mine: str) -> list[str | None]:
        found = []
        both.wait()
        with about(notification=mine):
            both.wait()
            found.append(correlated())
            both.wait()
        both.wait()
        return [*found, correlated()]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(name, ["one", "other"])) == [["one", None], ["other", None]]
    assert correlated() is None


def test_metrics_are_there_at_every_level_of_logging(
    log: LogLines, capsys: pytest.CaptureFixture[str]
) -> None:
    before = logger.log_level
    try:
        logger.setLevel(logging.WARNING)
        measure("delivered", {SENT: 3}, lane="express", channel="mail", dispatch="d")
        measure("said", {}, dispatch="d")
    finally:
        logger.setLevel(before)
    (written,) = capsys.readouterr().out.splitlines()
    assert log.text == ""
    line = json.loads(written)
    assert (line["sent"], line["lane"]) == (3, "express")
    assert line["_aws"]["CloudWatchMetrics"] == [
        {"Namespace": "Vestnik/dev", "Dimensions": [["lane", "channel"]], "Metrics": [{"Name": "sent"}]}
    ]
