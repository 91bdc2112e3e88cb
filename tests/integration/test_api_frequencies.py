"""/api/v1/notification_frequencies: what is shown, what is refused and why; refusals write nothing."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.times import iso, later, parse, utc_now
from chalicelib.services.administrators import create_administrator
from chalicelib.services.applications import register_application
from tests.support.api import PROBLEM, Answer, Api, basic, set_api_clock
from tests.support.aws import World
from tests.support.factories import START

PATH = "/api/v1/notification_frequencies/"
CONTENT = {"type": "mail", "title": "News", "text": "There is something new."}
FIRST = int(START.timestamp() * 1000)
"""The version of a frequency that is made when the clock starts."""
TABLES = ("FREQUENCIES_TABLE", "NOTIFICATIONS_TABLE", "AUDIENCES_TABLE")


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    set_api_clock(monkeypatch, world.clock)
    return Api(f"shop {register_application('shop', utc_now()).password}")


@pytest.fixture
def other(world: World, api: Api) -> Api:
    return Api(f"other {register_application('other', utc_now()).password}")


@pytest.fixture
def administrator(world: World, api: Api) -> Api:
    return Api(basic("anna", create_administrator("anna", utc_now())))


def a_body(**changed: Any) -> dict[str, Any]:
    body = {"slug": "weekly", "period": 3600, "notification": CONTENT, "users": [str(uuid.uuid4())]}
    return {name: value for name, value in (body | changed).items() if value is not ...}


def refused(answer: Answer, status: int, field: str | None = None, reason: str = "") -> None:
    assert answer.status == status, answer.body
    assert answer.content_type == PROBLEM
    if field is None:
        assert reason in answer.json["detail"]
    else:
        assert reason in answer.fields()[field]


def test_from_its_making_to_its_end(world: World, api: Api) -> None:
    user = uuid.uuid4()
    answer = api.post(PATH, a_body(users=[str(user), user.hex, str(uuid.uuid4())]))
    assert answer.status == 201
    made = answer.json
    runs = [iso(later(START, 3600 * number)) for number in range(1, 6)]
    assert made == {
        "slug": "weekly", "author": "application:shop", "version": FIRST, "state": "active",
        "is_paused": False, "period": 3600, "cron": None, "time_zone": "UTC", "starts_at": None,
        "ends_at": None,
        "next_run_at": runs[0], "next_runs": runs, "type": "mail", "title": "News", "is_express": False,
        "text": "There is something new.", "template": None, "variables": None, "content_id": None,
        "recipients": 2,
        "created_at": iso(START), "updated_at": iso(START),
        "notification_id": made["notification_id"], "audience_id": made["audience_id"],
    }  # fmt: skip
    assert api.get(f"{PATH}weekly").json == made
    world.clock.advance(10)
    paused = api.patch(f"{PATH}weekly/", {"is_paused": True}).json
    assert (paused["state"], paused["version"], paused["next_runs"]) == ("paused", FIRST + 1, [])
    assert paused["updated_at"] == iso(later(START, 10))
    resumed = api.patch(f"{PATH}weekly/", {"is_paused": False, "notification": CONTENT | {"text": "Other"}})
    assert (resumed.json["state"], resumed.json["text"]) == ("active", "Other")
    assert resumed.json["next_run_at"] == runs[0]
    assert api.delete(f"{PATH}weekly/").status == 204
    refused(api.get(f"{PATH}weekly/"), 404)


def test_a_cron_is_read_in_its_zone(world: World, api: Api) -> None:
    body = a_body(period=..., cron="30 9 * * MON-FRI", time_zone="Europe/Moscow")
    made = api.post(PATH, body).json
    assert made["next_runs"][:4] == [f"2026-11-{day}T06:30:00.000Z" for day in (24, 25, 26, 27)]
    assert made["next_runs"][4] == "2026-11-30T06:30:00.000Z"
    moved = api.patch(f"{PATH}weekly/", {"time_zone": "UTC"}).json
    assert (moved["cron"], moved["next_run_at"]) == ("30 9 * * MON-FRI", "2026-11-24T09:30:00.000Z")


def test_start_and_end_in_any_zone(world: World, api: Api) -> None:
    body = a_body(period=60, starts_at="2026-11-23T15:00:00+03:00", ends_at="2026-11-23T12:01:30Z")
    made = api.post(PATH, body).json
    assert (made["starts_at"], made["ends_at"]) == ("2026-11-23T12:00:00.000Z", "2026-11-23T12:01:30.000Z")
    assert made["next_runs"] == ["2026-11-23T12:00:00.000Z", "2026-11-23T12:01:00.000Z"]
    for_ever = api.patch(f"{PATH}weekly/", {"ends_at": None, "starts_at": None}).json
    assert (for_ever["ends_at"], len(for_ever["next_runs"])) == (None, 5)


def test_an_audience_and_a_notification_by_their_ids(world: World, api: Api) -> None:
    sent = api.post("/api/v1/notifications/", {**CONTENT, "content_id": "film", "users": ["0" * 32]}).json
    audience = api.post("/api/v1/audiences/", {}).json["id"]
    api.put(f"/api/v1/audiences/{audience}/parts/1/", {"users": [str(uuid.uuid4()) for _ in range(5)]})
    body = a_body(users=..., audience_id=audience, notification=..., notification_id=sent["id"])
    refused(api.post(PATH, body), 422, "audience_id", "open")
    assert world.table("FREQUENCIES_TABLE") == []
    api.post(f"/api/v1/audiences/{audience}/complete/", b"")
    made = api.post(PATH, body).json
    assert (made["audience_id"], made["recipients"], made["content_id"]) == (audience, 5, "film")
    refused(api.delete(f"/api/v1/audiences/{audience}/"), 409, None, "weekly")


@pytest.mark.parametrize(
    ("changed", "field", "reason"),
    [
        ({"slug": ...}, "slug", "required"),
        ({"slug": "Weekly"}, "slug", "pattern"),
        ({"slug": "a/b"}, "slug", "pattern"),
        ({"slug": "x" * 65}, "slug", "at most 64"),
        ({"period": ...}, "period", "exactly one"),
        ({"period": None}, "period", "exactly one"),
        ({"cron": "* * * * *"}, "period", "exactly one"),
        ({"period": 0}, "period", "greater than or equal to 1"),
        ({"period": 1.5}, "period", "integer"),
        ({"period": "60"}, "period", "integer"),
        ({"period": 10**10}, "period", "less than"),
        ({"period": ..., "cron": "every day"}, "cron", "five fields"),
        ({"period": ..., "cron": "0 0 31 2 *"}, "cron", "day-of-month"),
        ({"period": ..., "cron": "x" * 101}, "cron", "at most 100"),
        ({"time_zone": "Mars"}, "time_zone", "IANA"),
        ({"starts_at": "2026-11-23T10:00:00"}, "starts_at", "timezone"),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at", "from 2000"),
        ({"ends_at": "9999-12-31T23:59:59-12:00"}, "ends_at", "to 2199"),
        ({"ends_at": "tomorrow"}, "ends_at", "datetime"),
        ({"ends_at": "2026-11-23T09:59:59Z"}, "ends_at", "after the start"),
        ({"ends_at": "2026-11-23T10:30:00Z"}, "ends_at", "never run"),
        ({"starts_at": "2020-01-01T00:00Z", "ends_at": "2021-01-01T00:00Z"}, "ends_at", "never run"),
        ({"notification": ...}, "notification", "exactly one"),
        ({"notification": None}, "notification", ""),
        ({"notification": CONTENT | {"title": ""}}, "notification.title", "at least 1"),
        ({"notification": CONTENT | {"type": "pigeon"}}, "type", "unknown channel"),
        ({"notification_id": "0" * 32}, "notification_id", "exactly one"),
        ({"notification": ..., "notification_id": "0" * 32}, "notification_id", "no such"),
        ({"users": ...}, "users", "exactly one"),
        ({"users": []}, "users", "at least one"),
        ({"users": ["x"]}, "users.0", "UUID"),
        ({"audience_id": "0" * 32}, "audience_id", "exactly one"),
        ({"users": ..., "audience_id": "0" * 32}, "audience_id", "no such"),
        ({"is_paused": "perhaps"}, "is_paused", "boolean"),
    ],
)
def test_a_wrong_field_is_named_with_its_reason(
    world: World, api: Api, changed: dict[str, Any], field: str, reason: str
) -> None:
    refused(api.post(PATH, a_body(**changed)), 422, field, reason)
    assert not any(world.table(name) for name in TABLES)


@pytest.mark.parametrize(
    ("changed", "status", "field", "reason"),
    [
        ({"period": None}, 422, "period", "exactly one"),
        ({"period": 60, "cron": "* * * * *"}, 422, "period", "exactly one"),
        ({"period": 0}, 422, "period", "greater than"),
        ({"cron": "0 0 31 2 *"}, 422, "cron", "day-of-month"),
        ({"time_zone": "Mars"}, 422, "time_zone", "IANA"),
        ({"ends_at": "2026-11-23T09:59:59Z"}, 422, "ends_at", "after the start"),
        ({"is_paused": None}, 422, "is_paused", "boolean"),
        ({"notification": None}, 422, "notification", ""),
        ({"notification": {"title": "Only a title"}}, 422, "notification.type", "required"),
        ({"notification": CONTENT, "notification_id": "0" * 32}, 422, "notification_id", "exactly one"),
        ({"users": []}, 422, "users", "at least one"),
        ({"users": ["0" * 32], "audience_id": "0" * 32}, 422, "audience_id", "exactly one"),
        ({"audience_id": "0" * 32}, 422, "audience_id", "no such"),
        ([], 422, "(body)", "object"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(
    world: World, api: Api, changed: Any, status: int, field: str, reason: str
) -> None:
    api.post(PATH, a_body())
    before = {name: world.table(name) for name in TABLES}
    refused(api.patch(f"{PATH}weekly/", changed), status, field, reason)
    assert {name: world.table(name) for name in TABLES} == before


def test_to_have_it_end_now_is_a_change_like_any_other(world: World, api: Api) -> None:
    api.post(PATH, a_body())
    world.clock.advance(60)
    ended = api.patch(f"{PATH}weekly/", {"ends_at": iso(world.clock())}).json
    assert (ended["state"], ended["next_run_at"]) == ("ended", None)


def test_more_users_than_the_limit(world: World, api: Api) -> None:
    users = [uuid.UUID(int=number).hex for number in range(100_001)]
    refused(api.post(PATH, a_body(users=users)), 413, None, "at most 100000")
    assert not any(world.table(name) for name in TABLES)


def test_a_taken_slug_is_a_conflict_whoever_has_it(world: World, api: Api, other: Api) -> None:
    api.post(PATH, a_body())
    for who in (api, other):
        refused(who.post(PATH, a_body()), 409, None, "weekly")
    assert len(world.table("NOTIFICATIONS_TABLE")) == 1


def test_another_applications_slug_is_not_found(
    world: World, api: Api, other: Api, administrator: Api
) -> None:
    api.post(PATH, a_body())
    for answer in (
        other.get(f"{PATH}weekly/"), other.patch(f"{PATH}weekly/", {}), other.delete(f"{PATH}weekly/"),
        api.get(f"{PATH}daily/"), api.patch(f"{PATH}Weekly/", {}), api.delete(f"{PATH}%20/"),
    ):  # fmt: skip
        refused(answer, 404)
    assert administrator.patch(f"{PATH}weekly/", {"is_paused": True}).json["author"] == "application:shop"


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        (f"{FIRST}", 200),
        (f'"{FIRST}"', 200),
        ("*", 200),
        (None, 200),
        ("1", 412),
        (f'"{FIRST + 1}"', 412),
        ("x", 422),
        ("-1", 422),
    ],
)
def test_the_version_that_was_read(world: World, api: Api, if_match: str | None, status: int) -> None:
    api.post(PATH, a_body())
    answer = api.patch(f"{PATH}weekly/", {"is_paused": True}, {"If-Match": if_match})
    assert answer.status == status
    assert world.table("FREQUENCIES_TABLE")[0]["is_paused"] is (status == 200)
    if status == 412:
        refused(answer, 412, None, f"version {FIRST}")
        refused(api.delete(f"{PATH}weekly/", {"If-Match": if_match}), 412)


def test_a_list_has_ones_own_by_slug(world: World, api: Api, other: Api, administrator: Api) -> None:
    slugs = [f"news-{number}" for number in range(5)]
    for slug in reversed(slugs):
        api.post(PATH, a_body(slug=slug))
    other.post(PATH, a_body(slug="a-film"))
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get(f"{PATH}?limit=2{cursor and '&cursor=' + cursor}").json
        found += [each["slug"] for each in page["results"]]
        cursor = page["next"]
    assert found == slugs
    (shown,) = other.get(PATH).json["results"]
    assert (shown["slug"], len(shown["next_runs"]), "text" in shown) == ("a-film", 5, False)
    assert [each["slug"] for each in administrator.get(PATH).json["results"]] == ["a-film", *slugs]
    by_author = administrator.get(f"{PATH}?author=application:other").json["results"]
    assert [each["slug"] for each in by_author] == ["a-film"]


def test_a_clock_that_has_gone_on_shows_what_comes_next(world: World, api: Api) -> None:
    api.post(PATH, a_body(period=60))
    world.clock.advance(600)
    shown = api.get(f"{PATH}weekly/").json
    assert parse(shown["next_runs"][0]) == START + timedelta(seconds=60)  # overdue: the tick has yet to come
    assert parse(shown["next_runs"][1]) > world.clock()
