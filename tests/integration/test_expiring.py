"""Retention: everything of a dispatch goes by itself, what a row names not before the row."""

from datetime import timedelta
from uuid import UUID

import pytest

from chalicelib.domain.results import Permanent
from chalicelib.domain.retention import LONGEST_IN_FLIGHT
from chalicelib.services import notifications
from chalicelib.services.errors import NotFoundError
from chalicelib.services.notification_list import Filters, list_notifications
from chalicelib.services.rights import Principal
from chalicelib.services.send_again import send_failed_again
from chalicelib.tables.audiences import read_chunk, write_audience
from chalicelib.tables.dispatches import keep_dispatch
from chalicelib.tables.notifications import Notification, keep_notification
from tests.support.aws import World
from tests.support.factories import START, user_ids

OPERATOR = Principal("administrator", "operator")
DAY = 86_400
KEPT = ("NOTIFICATIONS_TABLE", "DISPATCHES_TABLE", "PROGRESS_TABLE", "AUDIENCES_TABLE")


def days_kept(world: World, table: str) -> set[float]:
    """For how many days from START each item of a table is kept."""
    return {(float(row["expires_at"]) - START.timestamp()) / DAY for row in world.table(table)}


def test_rows_are_kept_for_the_retention_and_what_they_name_beyond_it(world: World) -> None:
    world.configure("RETENTION_DAYS", "40")
    world.knows(user_ids(2))
    world.submit(user_ids(3))
    world.settle()
    assert days_kept(world, "USERS_NOTIFICATIONS_TABLE") == {40}
    for table in KEPT:
        assert days_kept(world, table) == {40 + LONGEST_IN_FLIGHT.days}


def test_the_last_chunk_of_a_throttled_dispatch_counts(world: World) -> None:
    world.configure("THROTTLE_STEP_SECONDS", "3600")
    users = user_ids(201)
    world.knows(users)
    world.checks = False
    world.submit(users)
    world.settle(seconds=3 * 3600)
    assert max(days_kept(world, "USERS_NOTIFICATIONS_TABLE")) == 30 + 2 / 24
    assert days_kept(world, "PROGRESS_TABLE") == {46, 46 + 1 / 24, 46 + 2 / 24}
    for table in ("NOTIFICATIONS_TABLE", "DISPATCHES_TABLE", "AUDIENCES_TABLE"):
        assert days_kept(world, table) == {46 + 2 / 24}


def test_every_way_to_a_letter_keeps_it_as_long(world: World) -> None:
    world.queues.down.add(world.queues.url("DELIVERY_REGULAR_QUEUE_URL"))
    world.knows(user_ids(2))
    dispatch = world.submit(user_ids(3))
    world.fan_out()  # two unsent, one wrong contact
    world.clock.advance(80 * 3600)
    assert world.sweep()["expired"] == 2
    world.erases(user_ids(1)[0])
    assert world.counts(dispatch) == {"failed": 2, "wrong_contact": 1}
    assert days_kept(world, "PROGRESS_TABLE") == {46}


def test_who_is_sent_again_late_has_a_dispatch_as_long_as_a_row(world: World) -> None:
    world.channel.by_default = Permanent("no")
    world.knows(user_ids(1))
    dispatch = world.submit(user_ids(1))
    world.settle()
    world.clock.advance(29 * DAY)
    lost = world.database.lose_answers("UpdateItem", "dispatches")
    assert send_failed_again(dispatch.notification_id, OPERATOR, world.clock) == 1
    assert lost
    assert days_kept(world, "USERS_NOTIFICATIONS_TABLE") == {29 + 30}
    for table in ("NOTIFICATIONS_TABLE", "DISPATCHES_TABLE", "PROGRESS_TABLE"):
        assert days_kept(world, table) == {29 + 46}


def test_what_is_kept_for_good_or_longer_stays_so(world: World) -> None:
    dispatch = world.submit(user_ids(1))
    later, sooner = int(START.timestamp()) + 99 * DAY, int(START.timestamp()) + 98 * DAY
    keep_dispatch(dispatch.id, later)
    keep_dispatch(dispatch.id, sooner)
    assert days_kept(world, "DISPATCHES_TABLE") == {99}
    Notification.change(dispatch.notification_id, actions=[Notification.expires_at.remove()])
    keep_notification(dispatch.notification_id, later)
    assert "expires_at" not in world.table("NOTIFICATIONS_TABLE")[0]
    keep_notification("nothing", later)
    keep_dispatch("nothing", later)
    assert [len(world.table(table)) for table in KEPT[:2]] == [1, 1]


def test_an_audience_may_be_kept_for_good(world: World) -> None:
    write_audience("made by a client", [], None)
    assert world.table("AUDIENCES_TABLE") == []
    write_audience("made by a client", [UUID(user) for user in user_ids(2)], None)
    assert read_chunk("made by a client", 0) == user_ids(2)
    assert "expires_at" not in world.table("AUDIENCES_TABLE")[0]


def test_what_has_expired_is_not_shown_though_it_is_still_there(world: World) -> None:
    dispatch = world.submit(user_ids(1))
    last = START + timedelta(days=46) - timedelta(seconds=1)
    over = START + timedelta(days=46)
    assert notifications.find(dispatch.notification_id, OPERATOR, last).recipients == 1
    with pytest.raises(NotFoundError):
        notifications.find(dispatch.notification_id, OPERATOR, over)
    november = Filters(month="2026-11")
    assert len(list_notifications(OPERATOR, november, None, 10, last).notifications) == 1
    assert list_notifications(OPERATOR, november, None, 10, over).notifications == []
