"""Notification frequencies: what is written, what a failure leaves, and where they stand when due."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from chalicelib.domain.lanes import Lane, shard_key
from chalicelib.domain.times import iso, later
from chalicelib.services import audience_parts, audiences, frequencies
from chalicelib.services.content import Content
from chalicelib.services.errors import AlreadyThereError, ConflictError, NotFoundError, OutdatedError
from chalicelib.services.frequencies import Wanted
from chalicelib.services.frequency_times import FrequencyState, next_runs, state_of
from chalicelib.services.rights import Principal
from chalicelib.tables.base import DATABASE_ERRORS
from chalicelib.tables.frequencies import (
    Frequency,
    due_slugs,
    put_version,
    read_frequency,
    remove_frequency,
)
from tests.support.aws import World
from tests.support.factories import SHOP, START, user_id, user_ids

CINEMA = Principal("application", "cinema")
CONTENT = Content("mail", "News", "There is something new.")
DAY = 86_400

FIRST = int(START.timestamp() * 1000)
"""The version of a frequency that is made when the clock starts."""


def wanted(**changed: Any) -> Wanted:
    users = [UUID(user) for user in user_ids(3)]
    return replace(Wanted(timing={"period": 3600}, content=CONTENT, users=users), **changed)


def create(world: World, slug: str = "weekly", **changed: Any) -> Frequency:
    return frequencies.create(slug, wanted(**changed), SHOP, world.clock()).frequency


def change(world: World, slug: str = "weekly", version: int | None = None, **changed: Any) -> Frequency:
    return frequencies.change(slug, Wanted(**changed), SHOP, world.clock(), version).frequency


def delete(world: World, slug: str = "weekly") -> None:
    frequencies.delete(slug, SHOP, world.clock())


def complete_audience(world: World, count: int = 5) -> str:
    audience = audiences.create(None, SHOP, world.clock())
    ids = [UUID(user_id(number)).bytes for number in range(1, count + 1)]
    audience_parts.put_part(audience.id, 1, ids, SHOP, world.clock())
    return audience_parts.complete(audience.id, SHOP, world.clock()).id


def stored(slug: str = "weekly") -> Frequency:
    row = read_frequency(slug)
    assert row is not None
    return row


def due(world: World, before: timedelta) -> list[str]:
    """What a tick would find that looks so far ahead."""
    return due_slugs(Lane.REGULAR, world.clock() + before, 10)


def timing(row: Frequency) -> dict[str, Any]:
    return {"period": row.period, "cron": row.cron}


def headers(world: World) -> list[dict[str, Any]]:
    return [row for row in world.table("AUDIENCES_TABLE") if row["chunk"] == -1]


def expiring(world: World, table: str) -> list[int]:
    return [int(row["expires_at"]) for row in world.table(table) if "expires_at" in row]


def test_all_that_belongs_to_it_is_there_before_it_is(world: World) -> None:
    row = create(world)
    (notification,) = world.table("NOTIFICATIONS_TABLE")
    assert notification["id"] == row.notification_id
    assert (notification["title"], notification["author"]) == ("News", "application:shop")
    assert "dispatch_id" not in notification
    assert "expires_at" not in notification
    (header,) = headers(world)
    assert (header["part"], header["recipients"], header["state"]) == (row.audience_id, 3, "complete")
    assert header["used_by"] == {row.audience_use}
    assert expiring(world, "AUDIENCES_TABLE") == []
    assert (row.version, row.recipients, row.owns_audience, row.type) == (FIRST, 3, True, "mail")
    assert stored().serialize() == row.serialize()
    assert world.table("DISPATCHES_TABLE") == []


def test_the_due_index_has_who_runs_again_by_their_next_run(world: World) -> None:
    create(world, "hourly")
    create(world, "paused", is_paused=True)
    create(world, "daily", timing={"cron": "0 9 * * *", "time_zone": "Europe/Berlin"})
    assert due(world, timedelta(hours=1)) == ["hourly"]
    assert stored("hourly").next_run_at == iso(later(START, 3600))
    assert stored("daily").next_run_at == "2026-11-24T08:00:00.000Z"
    assert stored("daily").due == shard_key(Lane.REGULAR, "daily")
    assert sorted(due(world, timedelta(days=1))) == ["daily", "hourly"]
    change(world, "hourly", is_paused=True)
    change(world, "paused", is_paused=False)
    assert sorted(due(world, timedelta(days=1))) == ["daily", "paused"]
    assert state_of(stored("hourly"), world.clock()) is FrequencyState.PAUSED
    assert not stored("hourly").next_run_at
    delete(world, "paused")
    assert due(world, timedelta(days=1)) == ["daily"]


def test_the_next_five_runs_are_shown(world: World) -> None:
    row = create(world, timing={"period": 60, "starts_at": later(START, 90), "ends_at": later(START, 1000)})
    assert next_runs(row, world.clock()) == [iso(later(START, 90 + 60 * number)) for number in range(5)]
    world.clock.advance(80 * 60)
    ended = change(world, is_paused=False, timing={"ends_at": later(START, 100)})
    assert (state_of(ended, world.clock()), next_runs(ended, world.clock())) == (FrequencyState.ENDED, [])


def test_what_is_overdue_stays_so_until_the_tick_has_sent_it(world: World) -> None:
    create(world)
    world.clock.advance(4000)
    row = change(world, content=replace(CONTENT, title="Other news"))
    assert row.next_run_at == iso(later(START, 3600))
    assert next_runs(row, world.clock())[:2] == [iso(later(START, 3600)), iso(later(START, 7200))]
    assert change(world, timing={"period": 3600}).next_run_at == iso(later(START, 7200))


def test_resumed_it_does_not_make_up_for_what_it_missed(world: World) -> None:
    create(world)
    change(world, is_paused=True)
    world.clock.advance(10_000)
    assert change(world, is_paused=False).next_run_at == iso(later(START, 3 * 3600))


def test_each_change_is_a_version_and_keeps_the_rest(world: World) -> None:
    first = create(world)
    world.clock.advance(10)
    second = change(world, timing={"cron": "0 9 * * MON-FRI"})
    assert second.version == FIRST + 1
    assert timing(second) == {"period": None, "cron": "0 9 * * MON-FRI"}
    assert (second.notification_id, second.audience_id) == (first.notification_id, first.audience_id)
    assert (second.created_at, second.updated_at) == (iso(START), iso(later(START, 10)))
    third = change(world, timing={"period": 60})
    assert third.version == FIRST + 2
    assert timing(third) == {"period": 60, "cron": None}
    assert len(world.table("NOTIFICATIONS_TABLE")) == len(headers(world)) == 1


def test_another_content_is_another_notification_and_the_old_one_expires(world: World) -> None:
    first = create(world)
    second = change(world, content=replace(CONTENT, title="Other news", is_express=True))
    assert second.notification_id != first.notification_id
    assert (second.title, second.is_express) == ("Other news", True)
    rows = {row["id"]: row for row in world.table("NOTIFICATIONS_TABLE")}
    assert rows[first.notification_id]["title"] == "News"
    assert rows[first.notification_id]["expires_at"] > START.timestamp() + 30 * DAY
    assert "expires_at" not in rows[second.notification_id]


def test_other_users_are_another_audience_and_the_old_one_expires(world: World) -> None:
    first = create(world)
    second = change(world, users=[UUID(user_id(9))])
    assert (second.recipients, second.audience_id == first.audience_id) == (1, False)
    (header,) = headers(world)
    assert header["part"] == second.audience_id
    chunks = {row["part"]: row for row in world.table("AUDIENCES_TABLE") if row["chunk"] == 0}
    assert chunks[f"{first.audience_id}#0"]["expires_at"] > START.timestamp() + 30 * DAY
    assert "expires_at" not in chunks[f"{second.audience_id}#0"]


def test_an_audience_of_a_client_is_used_and_let_go_again(world: World) -> None:
    audience_id = complete_audience(world)
    row = create(world, users=None, audience_id=audience_id)
    assert (row.recipients, row.owns_audience) == (5, False)
    world.clock.advance(600)
    with pytest.raises(ConflictError, match="used by the frequency weekly"):
        audiences.delete(audience_id, SHOP, world.clock())
    delete(world)
    assert audiences.usable(audience_id, SHOP, world.clock()).used_by is None
    audiences.delete(audience_id, SHOP, world.clock())
    assert headers(world) == []


def test_users_that_another_frequency_uses_stay(world: World) -> None:
    row = create(world)
    create(world, "second", users=None, audience_id=row.audience_id)
    world.clock.advance(600)
    delete(world)
    assert audiences.usable(row.audience_id, SHOP, world.clock()).id == row.audience_id
    assert expiring(world, "AUDIENCES_TABLE") == []
    delete(world, "second")


def test_the_content_of_a_notification_is_taken_over(world: World) -> None:
    sent = world.submit([user_id(1)], title="A title", content_id="film-7")
    row = create(world, content=None, notification_id=sent.notification_id)
    assert (row.title, row.notification_id == sent.notification_id) == ("A title", False)
    assert frequencies.find("weekly", SHOP).content.content_id == "film-7"


def test_deleted_it_leaves_nothing_that_stays(world: World) -> None:
    create(world)
    delete(world)
    assert world.table("FREQUENCIES_TABLE") == headers(world) == []
    assert len(expiring(world, "AUDIENCES_TABLE")) == len(expiring(world, "NOTIFICATIONS_TABLE")) == 1
    with pytest.raises(NotFoundError):
        delete(world)
    world.clock.advance(60)
    assert create(world).version == FIRST + 60_000


# Who else is there.


def test_a_slug_belongs_to_who_had_it_first(world: World) -> None:
    create(world)
    before = stored().serialize()
    for principal in (SHOP, CINEMA):
        with pytest.raises(AlreadyThereError, match="weekly"):
            frequencies.create("weekly", wanted(), principal, world.clock())
    assert stored().serialize() == before
    assert len(world.table("NOTIFICATIONS_TABLE")) == len(headers(world)) == 1


def test_two_that_make_it_at_once_leave_one_and_nothing_of_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = audiences.use

    def use_after_the_other(*arguments: Any) -> str:
        mark = made(*arguments)
        monkeypatch.setattr(audiences, "use", made)
        frequencies.create("weekly", wanted(users=[UUID(user_id(7))]), SHOP, world.clock())
        return mark

    monkeypatch.setattr(audiences, "use", use_after_the_other)
    with pytest.raises(AlreadyThereError):
        create(world)
    (header,) = headers(world)
    assert (header["part"], stored().recipients) == (stored().audience_id, 1)
    kept = [row for row in world.table("NOTIFICATIONS_TABLE") if "expires_at" not in row]
    assert [row["id"] for row in kept] == [stored().notification_id]


def test_a_change_at_the_same_moment_is_refused_and_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(world)
    made = audiences.use

    def use_after_the_other(*arguments: Any) -> str:
        mark = made(*arguments)
        monkeypatch.setattr(audiences, "use", made)
        change(world, is_paused=True)
        return mark

    monkeypatch.setattr(audiences, "use", use_after_the_other)
    with pytest.raises(ConflictError, match="same moment"):
        change(world, users=[UUID(user_id(7))], content=replace(CONTENT, title="Lost"))
    row = stored()
    assert (row.version, row.is_paused, row.title, row.recipients) == (FIRST + 1, True, "News", 3)
    (header,) = headers(world)
    assert header["part"] == row.audience_id
    kept = [each["title"] for each in world.table("NOTIFICATIONS_TABLE") if "expires_at" not in each]
    assert kept == ["News"]


def test_what_was_read_must_be_what_is_changed_where_the_client_says_so(world: World) -> None:
    create(world)
    assert change(world, version=FIRST, is_paused=True).version == FIRST + 1
    with pytest.raises(OutdatedError, match=f"version {FIRST + 1}"):
        change(world, version=FIRST, is_paused=False)
    with pytest.raises(OutdatedError):
        frequencies.delete("weekly", SHOP, world.clock(), version=FIRST)
    assert stored().is_paused


def test_another_applications_frequency_is_not_found(world: World) -> None:
    create(world)
    with pytest.raises(NotFoundError):
        frequencies.find("weekly", CINEMA)
    with pytest.raises(NotFoundError):
        frequencies.change("weekly", Wanted(is_paused=True), CINEMA, world.clock())
    with pytest.raises(NotFoundError):
        frequencies.delete("weekly", CINEMA, world.clock())
    by_anna = frequencies.change(
        "weekly", Wanted(users=[UUID(user_id(4))]), Principal("administrator", "anna"), world.clock()
    )
    assert by_anna.frequency.author == SHOP.author
    (header,) = headers(world)
    assert header["author"] == SHOP.author


# What fails.


WRITES = ["PutItem", "BatchWriteItem", "UpdateItem"]


def fail_nth(world: World, operation: str, skipped: int) -> None:
    """Of the requests of a kind, let so many pass and refuse the next."""
    left = [skipped]

    def refuse(**_: Any) -> None:
        left[0] -= 1
        if left[0] == -1:
            raise ConnectionError("out of reach")

    world.database._events.register_first(f"before-call.dynamodb.{operation}", refuse)


@pytest.mark.parametrize(
    ("operation", "skipped"),
    [
        ("PutItem", 0),
        ("BatchWriteItem", 0),
        ("UpdateItem", 0),
        ("UpdateItem", 1),
        ("PutItem", 1),
        ("PutItem", 2),
    ],
)
def test_a_making_that_broke_off_can_be_repeated(world: World, operation: str, skipped: int) -> None:
    fail_nth(world, operation, skipped)
    with pytest.raises((ConnectionError, *DATABASE_ERRORS)):
        create(world)
    assert world.table("FREQUENCIES_TABLE") == []
    row = create(world)
    world.clock.advance(61)  # what the first left is listed, and can be deleted
    for header in headers(world):
        if header["part"] != row.audience_id:
            audiences.delete(header["part"], SHOP, world.clock())
    (header,) = headers(world)
    assert header["used_by"] == {row.audience_use}


@pytest.mark.parametrize(
    ("operation", "skipped"),
    [("PutItem", 0), ("UpdateItem", 0), ("UpdateItem", 1), ("UpdateItem", 2), ("Query", 0),
     ("BatchWriteItem", 0), ("DeleteItem", 0), ("DeleteItem", 1)],
)  # fmt: skip
def test_a_deletion_that_broke_off_goes_on(world: World, operation: str, skipped: int) -> None:
    create(world)
    fail_nth(world, operation, skipped)
    with pytest.raises((ConnectionError, *DATABASE_ERRORS)):
        delete(world)
    if operation != "PutItem":
        assert due(world, timedelta(days=1)) == []
        with pytest.raises(ConflictError, match="being deleted"):
            change(world, is_paused=False)
        with pytest.raises(AlreadyThereError):
            create(world)
    delete(world)
    assert world.table("FREQUENCIES_TABLE") == headers(world) == []
    assert all("expires_at" in row for row in world.table("AUDIENCES_TABLE"))
    assert all("expires_at" in row for row in world.table("NOTIFICATIONS_TABLE"))


@pytest.mark.parametrize("operation", [*WRITES, "DeleteItem"])
def test_a_lost_answer_changes_nothing(world: World, operation: str) -> None:
    lost = world.database.lose_answers(operation)
    create(world)
    row = change(world, users=[UUID(user_id(9))], content=replace(CONTENT, title="Other news"))
    assert (row.version, stored().serialize() == row.serialize()) == (FIRST + 1, True)
    (header,) = headers(world)
    assert header["used_by"] == {row.audience_use}
    delete(world)
    assert world.table("FREQUENCIES_TABLE") == headers(world) == []
    assert lost


def test_a_late_echo_of_a_deletion_leaves_the_next_of_that_slug(world: World) -> None:
    old = create(world)
    delete(world)
    new = create(world)
    remove_frequency(old)
    assert stored().changed_by == new.changed_by


def test_made_anew_it_is_another(world: World) -> None:
    old = create(world)
    delete(world)
    create(world)  # in the same millisecond, even: its version is that of the old one
    read, old.version, old.changed_by = old.changed_by, FIRST + 1, "this"
    assert not put_version(old, read)
    world.clock.advance(0.001)
    delete(world)
    create(world)
    with pytest.raises(OutdatedError):
        change(world, version=FIRST, is_paused=True)
    assert not stored().is_paused


def test_a_deletion_of_a_version_that_broke_off_goes_on_too(world: World) -> None:
    create(world)
    fail_nth(world, "DeleteItem", 0)
    with pytest.raises((ConnectionError, *DATABASE_ERRORS)):
        frequencies.delete("weekly", SHOP, world.clock(), version=FIRST)
    frequencies.delete("weekly", SHOP, world.clock(), version=FIRST)
    assert world.table("FREQUENCIES_TABLE") == headers(world) == []


def test_a_version_is_written_once(world: World) -> None:
    row = create(world)
    read, row.version, row.changed_by = row.changed_by, FIRST + 1, "this"
    assert put_version(row, read)
    assert put_version(row, read)  # its own echo
    row.changed_by = "another"
    assert not put_version(row, read)
