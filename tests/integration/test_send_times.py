"""What is sent at a time of its own: not before it, changed and cancelled until then."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.lanes import Lane
from chalicelib.domain.times import iso, later, parse, utc_now
from chalicelib.services import audience_parts, audiences, send_times
from chalicelib.services.applications import register_application
from chalicelib.services.cancelling import cancel
from chalicelib.services.errors import ConflictError, InvalidFieldError, NotFoundError
from chalicelib.services.rights import Principal
from chalicelib.services.send_times import Changed
from chalicelib.services.submit import submit
from chalicelib.tables.dispatches import Dispatch, put_off_to
from tests.support.api import Api
from tests.support.aws import Row, World, stored_dispatch
from tests.support.factories import SHOP, START, submission, user_ids

PATH = "/api/v1/notifications/"
DAY = 86_400
FAR = 1200
"""Farther ahead than a queue can delay."""


def schedule(world: World, seconds: float, count: int = 1, **changed: Any) -> Dispatch:
    """Post something to users who are known, to be sent so many seconds after the start."""
    world.knows(user_ids(count))
    return world.submit(user_ids(count), send_at=later(START, seconds), **changed)


def change(world: World, dispatch: Dispatch, **changed: Any) -> None:
    send_times.change(dispatch.notification_id, Changed(**changed), SHOP, world.clock())


def live(world: World, until: float) -> list[float]:
    """Let time pass until so many seconds after the start; when letters were sent."""
    return world.live((later(START, until) - world.clock()).total_seconds())


def chunks(world: World) -> list[Row]:
    return [row for row in world.table("AUDIENCES_TABLE") if row["chunk"] >= 0]


@pytest.mark.parametrize("seconds", [5, 119.5, 121, 200, 959])
@pytest.mark.parametrize("lane", Lane)
def test_it_is_sent_in_its_second_and_not_before(world: World, lane: Lane, seconds: float) -> None:
    dispatch = schedule(world, seconds, is_express=lane is Lane.EXPRESS)
    row = stored_dispatch(dispatch.id)
    assert row.due_at == row.send_at == iso(later(START, seconds))
    sent = live(world, seconds + 70)
    assert len(sent) == 1
    assert 0 <= sent[0] - seconds < 1
    assert world.counts(dispatch) == {"sent": 1}


def test_what_is_far_ahead_costs_nothing_until_then(world: World) -> None:
    dispatch = schedule(world, 30 * DAY)
    for _ in range(3):
        world.tick()
        world.sweep()
        world.clock.advance(60)
    assert world.queues.batches == 0
    assert stored_dispatch(dispatch.id).pending
    world.clock.now = later(START, 30 * DAY - 100)
    assert live(world, 30 * DAY + 5) == [30 * DAY]


def test_what_it_needs_is_kept_until_long_after(world: World) -> None:
    dispatch = schedule(world, 300 * DAY, count=3)
    kept = START.timestamp() + (300 + 30 + 16) * DAY
    assert stored_dispatch(dispatch.id).expires_at == kept
    assert [row["expires_at"] for row in chunks(world)] == [kept]
    assert [row["expires_at"] for row in world.table("NOTIFICATIONS_TABLE")] == [kept]


def test_an_audience_that_is_deleted_meanwhile_is_still_sent_to(world: World) -> None:
    world.knows(user_ids(3))
    audience = audiences.create(None, SHOP, world.clock())
    ids = [bytes.fromhex(user.replace("-", "")) for user in user_ids(3)]
    audience_parts.put_part(audience.id, 1, ids, SHOP, world.clock())
    audience_parts.complete(audience.id, SHOP, world.clock())
    dispatch = world.submit(None, audience_id=audience.id, send_at=later(START, 360 * DAY))
    world.clock.advance(100)
    audiences.delete(audience.id, SHOP, world.clock())
    world.clock.now = later(START, 360 * DAY - 50)
    (kept,) = (row for row in chunks(world) if row["part"] == f"{audience.id}#0")
    assert kept["expires_at"] > world.clock().timestamp() + 30 * DAY
    assert len(live(world, 360 * DAY + 5)) == 3
    assert world.counts(dispatch) == {"sent": 3}


def test_two_ticks_at_once_send_it_once(world: World) -> None:
    schedule(world, 150)
    world.clock.advance(60)
    world.tick()
    world.tick()
    assert live(world, 300) == [150]


def test_a_tick_that_is_late_by_an_hour_leaves_it_to_the_sweep(world: World) -> None:
    dispatch = schedule(world, 300)
    world.clock.now = later(START, FAR)
    assert len(live(world, FAR + 10)) == 1
    assert world.counts(dispatch) == {"sent": 1}


@pytest.mark.parametrize("send_at", [START, START - timedelta(seconds=1), START + timedelta(days=367)])
def test_a_time_that_cannot_be_is_refused_and_nothing_is_kept(world: World, send_at: Any) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        world.submit(user_ids(1), send_at=send_at)
    assert refused.value.field == "send_at"
    assert world.table("NOTIFICATIONS_TABLE") == world.table("DISPATCHES_TABLE") == chunks(world) == []


def test_a_repeat_is_good_also_when_its_time_has_come(world: World) -> None:
    asked = submission(user_ids(1), send_at=later(START, 100), key="k", body_hash="h")
    first = submit(asked, SHOP, world.clock())
    world.clock.advance(200)
    again = submit(asked, SHOP, world.clock())
    assert (again.is_repeat, again.dispatch.id) == (True, first.dispatch.id)
    with pytest.raises(InvalidFieldError, match="future"):
        submit(submission(user_ids(1), send_at=later(START, 100), key="other"), SHOP, world.clock())


class TestChange:
    @pytest.mark.parametrize(
        ("first", "at", "then"),
        [
            (FAR, 10, 2 * FAR),
            (2 * FAR, 10, FAR),
            (100, 10, FAR),  # its message waits in the queue already
            (100, 90, 1300),
            (100, 10, 40),
            (FAR, 10, 50),
            (100, 10, 900),
        ],
    )
    def test_it_is_sent_at_the_other_time(self, world: World, first: int, at: int, then: int) -> None:
        dispatch = schedule(world, first)
        world.clock.now = later(START, at)
        change(world, dispatch, send_at=later(START, then))
        row = stored_dispatch(dispatch.id)
        assert row.due_at == row.send_at == iso(later(START, then))
        assert live(world, max(first, then) + 65) == [then]
        assert world.counts(dispatch) == {"sent": 1}

    def test_put_off_in_the_queue_it_does_not_hop_until_then(self, world: World) -> None:
        dispatch = schedule(world, 100)
        change(world, dispatch, send_at=later(START, 100 * DAY))
        live(world, 300)
        assert world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL") == []
        assert stored_dispatch(dispatch.id).pending

    @pytest.mark.parametrize("then", [250, FAR])
    def test_put_off_again_when_its_first_message_has_come(self, world: World, then: int) -> None:
        dispatch = schedule(world, 100, count=150)
        live(world, 10)
        change(world, dispatch, send_at=later(START, 160))
        live(world, 110)  # the messages of its recipients are in the queue, until 160
        change(world, dispatch, send_at=later(START, then))
        assert live(world, then + 130) == [then] * 100 + [then + 60] * 50
        assert world.counts(dispatch) == {"sent": 150}

    def test_a_tick_that_has_read_it_before_does_not_take_its_mark(self, world: World) -> None:
        dispatch = schedule(world, 150)
        world.clock.advance(60)
        world.tick()
        later_then = later(START, 10 * DAY)
        world.database.before(
            "UpdateItem", Dispatch.table(), lambda: change(world, dispatch, send_at=later_then)
        )
        world.fan_out()
        assert stored_dispatch(dispatch.id).pending
        assert live(world, 400) == []

    def test_what_it_needs_is_kept_longer(self, world: World) -> None:
        dispatch = schedule(world, FAR, count=150)
        change(world, dispatch, send_at=later(START, 200 * DAY))
        kept = START.timestamp() + (200 + 30 + 16) * DAY + 60
        assert stored_dispatch(dispatch.id).expires_at == kept
        assert [row["expires_at"] for row in chunks(world)] == [kept] * 2
        assert [row["expires_at"] for row in world.table("NOTIFICATIONS_TABLE")] == [kept]

    def test_it_says_something_else(self, world: World) -> None:
        dispatch = schedule(world, FAR)
        change(world, dispatch, title="Mended", text="Without the mistake.")
        live(world, FAR + 5)
        (letter,) = world.channel.sent
        assert (letter.title, letter.text) == ("Mended", "Without the mistake.")

    def test_what_is_due_cannot_be_changed(self, world: World) -> None:
        dispatch = schedule(world, 100)
        live(world, 101)
        with pytest.raises(ConflictError, match="being sent, or has been"):
            change(world, dispatch, send_at=later(START, FAR))
        at_once = world.submit(user_ids(1))
        with pytest.raises(ConflictError, match="being sent, or has been"):
            change(world, at_once, title="Too late")

    def test_what_becomes_due_in_that_very_moment_is_not_changed(self, world: World) -> None:
        dispatch = schedule(world, 100)
        assert not put_off_to(stored_dispatch(dispatch.id), later(START, FAR), 0, later(START, 100))
        assert stored_dispatch(dispatch.id).due_at == iso(later(START, 100))

    def test_what_another_has_changed_meanwhile_is_not_changed(self, world: World) -> None:
        dispatch = schedule(world, FAR)
        read = stored_dispatch(dispatch.id)
        change(world, dispatch, send_at=later(START, 2 * FAR))
        assert not put_off_to(read, later(START, 3 * FAR), 0, START)
        assert put_off_to(read, later(START, 2 * FAR), 0, START)  # its echo

    @pytest.mark.parametrize("send_at", [later(START, 10), later(START, 367 * DAY)])
    def test_a_time_that_cannot_be_is_refused(self, world: World, send_at: Any) -> None:
        dispatch = schedule(world, FAR)
        world.clock.advance(10)
        with pytest.raises(InvalidFieldError) as refused:
            change(world, dispatch, send_at=send_at)
        assert refused.value.field == "send_at"
        assert stored_dispatch(dispatch.id).due_at == iso(later(START, FAR))

    def test_a_cancelled_one_is_not_sent_and_not_changed(self, world: World) -> None:
        dispatch = schedule(world, FAR)
        cancel(dispatch.notification_id, SHOP, world.clock())
        with pytest.raises(ConflictError, match="cancelled"):
            change(world, dispatch, send_at=later(START, 2 * FAR))
        assert live(world, FAR + 5) == []
        assert world.counts(dispatch) == {"cancelled": 1}
        assert not stored_dispatch(dispatch.id).pending

    def test_cancelled_when_its_message_waits_already_it_is_not_sent(self, world: World) -> None:
        dispatch = schedule(world, 100)
        world.clock.advance(99)
        cancel(dispatch.notification_id, SHOP, world.clock())
        assert live(world, 200) == []
        assert world.counts(dispatch) == {"cancelled": 1}


class TestApi:
    @pytest.fixture
    def api(self, world: World) -> Api:
        return Api(f"shop {register_application('shop', world.clock()).password}")

    def test_it_is_shown_and_changed(self, world: World, api: Api) -> None:
        now = utc_now()
        send_at = iso(later(now, FAR))
        body = {"type": "mail", "title": "News", "text": "Text", "users": user_ids(2), "send_at": send_at}
        created = api.post(PATH, body)
        assert created.status == 201, created.body
        assert created.json["send_at"] == send_at
        where = f"{PATH}{created.json['id']}/"
        (dispatch,) = api.get(where).json["dispatches"]
        assert (dispatch["due_at"], dispatch["send_at"], dispatch["is_sent_to_queue"]) == (
            send_at, send_at, False,
        )  # fmt: skip
        other = later(now, 2 * FAR)
        zoned = (other + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%S+03:00")
        changed = api.patch(where, {"send_at": zoned, "title": "Other news"})
        assert changed.status == 200, changed.body
        assert changed.json["title"] == "Other news"
        assert parse(changed.json["dispatches"][0]["due_at"]) == other.replace(microsecond=0)
        page = api.get(f"{where}dispatches/").json
        assert [each["id"] for each in page["results"]] == [dispatch["id"]]
        assert page["next"] is None
        assert api.post(f"{where}cancel/", {}).json["counts"]["cancelled"] == 2
        assert api.patch(where, {"title": "Too late"}).status == 409

    @pytest.mark.parametrize(
        "send_at", ["2026-12-01T10:00:00", "tomorrow", 1_800_000_000, "2026-02-30T10:00:00Z", True]
    )
    def test_a_time_without_zone_or_sense_is_refused(self, world: World, api: Api, send_at: Any) -> None:
        body = {"type": "mail", "title": "News", "text": "Text", "users": user_ids(1), "send_at": send_at}
        answer = api.post(PATH, body)
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "send_at")
        assert world.table("NOTIFICATIONS_TABLE") == []

    def test_another_application_does_not_find_it(self, world: World) -> None:
        dispatch = schedule(world, FAR)
        with pytest.raises(NotFoundError, match="no such notification"):
            send_times.change(
                dispatch.notification_id,
                Changed(title="Mine"),
                Principal("application", "cinema"),
                world.clock(),
            )
