"""/api/v1/audiences: parts and lists, whose they are, what is refused and why; refusals write nothing."""

import json
import uuid
from typing import Any

import pytest

from chalicelib.domain.times import utc_now
from chalicelib.services.administrators import create_administrator
from chalicelib.services.applications import register_application
from tests.support.api import PROBLEM, Answer, Api, basic
from tests.support.aws import World

PATH = "/api/v1/audiences/"
NOTIFICATIONS = "/api/v1/notifications/"


@pytest.fixture
def api(world: World) -> Api:
    return Api(f"shop {register_application('shop', utc_now()).password}")


@pytest.fixture
def other(world: World) -> Api:
    return Api(f"other {register_application('other', utc_now()).password}")


@pytest.fixture
def administrator(world: World) -> Api:
    return Api(basic("anna", create_administrator("anna", utc_now())))


def users(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def opened(api: Api, **body: Any) -> str:
    answer = api.post(PATH, body)
    assert answer.status == 201
    return str(answer.json["id"])


def put(api: Api, audience: str, number: int, ids: list[str]) -> Answer:
    return api.put(f"{PATH}{audience}/parts/{number}/", {"users": ids})


def completed(api: Api, *parts: list[str]) -> str:
    audience = opened(api)
    for number, ids in enumerate(parts, start=1):
        assert put(api, audience, number, ids).status == 200
    assert api.post(f"{PATH}{audience}/complete/", b"").status == 200
    return audience


def notification(**changed: Any) -> dict[str, Any]:
    return {"type": "mail", "title": "Hello", "text": "A text.", **changed}


def refused(answer: Answer, status: int, field: str | None = None, reason: str = "") -> None:
    assert answer.status == status, answer.body
    assert answer.content_type == PROBLEM
    if field is None:
        assert reason in answer.json["detail"]
    else:
        assert reason in answer.fields()[field]


def test_from_its_making_to_a_notification(world: World, api: Api) -> None:
    everybody = users(250)
    answer = api.post(PATH, {"name": "Everybody in Kazan"})
    made = answer.json
    assert answer.status == 201
    assert (made["name"], made["author"], made["state"]) == ("Everybody in Kazan", "application:shop", "open")
    assert (made["parts"], made["users"], made["recipients"], made["duplicates"]) == ([], 0, None, None)
    assert made["expires_at"] > made["created_at"]
    assert put(api, made["id"], 2, everybody[:200]).json["parts"] == [{"number": 2, "users": 200}]
    assert put(api, made["id"], 1, everybody[100:]).json["users"] == 350
    done = api.post(f"{PATH}{made['id']}/complete/", b"").json
    assert (done["state"], done["recipients"], done["duplicates"]) == ("complete", 250, 100)
    assert done["expires_at"] is None
    assert api.get(f"{PATH}{made['id']}/").json == done

    sent = api.post(NOTIFICATIONS, notification(audience_id=made["id"]))
    assert (sent.status, sent.json["recipients"]) == (201, 250)
    page = api.get(f"{NOTIFICATIONS}{sent.json['id']}/recipients/?limit=100").json
    assert [each["user_id"] for each in page["results"]] == everybody[100:200]
    assert len(world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL")) == 1


@pytest.mark.parametrize("content_type", ["text/csv", "text/plain", "text/csv; charset=utf-8"])
def test_a_part_from_a_list(world: World, api: Api, content_type: str) -> None:
    ids = users(130)
    text = "\ufeffuser_id\r\n" + "\r\n".join(ids)
    audience = opened(api)
    headers = {"Content-Type": content_type}
    answer = api.put(f"{PATH}{audience}/parts/1/", text.encode(), headers)
    assert (answer.status, answer.json["users"]) == (200, 130)
    again = put(api, audience, 1, ids)  # the same users in the other form are the same part
    assert again.json == answer.json


def test_lines_that_are_no_ids_are_named_and_nothing_changes(world: World, api: Api) -> None:
    audience = opened(api)
    put(api, audience, 1, users(3))
    before = world.table("AUDIENCES_TABLE")
    lines = [f"wrong {number}" if number % 2 else str(uuid.uuid4()) for number in range(100)]
    answer = api.put(f"{PATH}{audience}/parts/1/", "\n".join(lines).encode(), {"Content-Type": "text/csv"})
    refused(answer, 422, "line 2", "'wrong 1' is not a UUID")
    assert answer.json["detail"] == "50 lines were not accepted"
    assert list(answer.fields()) == [f"line {number}" for number in range(2, 42, 2)]
    assert world.table("AUDIENCES_TABLE") == before


@pytest.mark.parametrize(
    ("content_type", "body", "status", "field", "reason"),
    [
        ("application/json", b"{", 400, None, ""),
        ("application/json", b"{}", 422, "users", "required"),
        ("application/json", b'{"users": []}', 422, "users", "at least one"),
        ("application/json", b'{"users": null}', 422, "users", "array"),
        ("application/json", b'{"users": ["x"]}', 422, "users.0", "UUID"),
        ("application/json", json.dumps({"users": ["0" * 32] * 200_000}).encode(), 413, None, "4400000"),
        ("text/csv", b"", 422, "users", "at least one"),
        ("text/csv", b"\xff\xfe", 422, "line 1", "UTF-8"),
        ("text/csv", b"0" * 4_400_001, 413, None, "4400000"),
        ("text/html", b"x", 415, None, "text/csv"),
        ("", b"x", 415, None, "text/csv"),
    ],
)
def test_a_part_that_is_refused(
    world: World, api: Api, content_type: str, body: bytes, status: int, field: str | None, reason: str
) -> None:
    audience = opened(api)
    before = world.table("AUDIENCES_TABLE")
    headers = {"Content-Type": content_type or None}
    refused(api.put(f"{PATH}{audience}/parts/1/", body, headers), status, field, reason)
    assert world.table("AUDIENCES_TABLE") == before


def test_a_hundred_thousand_in_one_part_and_not_one_more(world: World, api: Api) -> None:
    audience = opened(api)
    ids = [uuid.UUID(int=number).hex for number in range(100_001)]
    refused(put(api, audience, 1, ids), 413, None, "at most 100000")
    assert put(api, audience, 1, ids[1:]).json["users"] == 100_000


@pytest.mark.parametrize("number", ["0", "101", "-1", "x", "1.5"])
def test_a_part_has_a_number_from_1_to_100(world: World, api: Api, number: str) -> None:
    refused(api.put(f"{PATH}{opened(api)}/parts/{number}/", {"users": users(1)}), 404)


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [({"name": ""}, "name", "blank"), ({"name": "x" * 201}, "name", "at most 200"),
     ({"name": 5}, "name", "str"), ({"name": "a\nb"}, "name", "one line"), ([], "(body)", "object")],
)  # fmt: skip
def test_a_wrong_name(world: World, api: Api, body: Any, field: str, reason: str) -> None:
    refused(api.post(PATH, body), 422, field, reason)
    assert world.table("AUDIENCES_TABLE") == []


def test_what_its_state_does_not_allow_is_a_conflict(world: World, api: Api) -> None:
    audience = opened(api)
    refused(api.post(f"{PATH}{audience}/complete/", b""), 409, None, "no part")
    ids = users(2)
    put(api, audience, 1, ids)
    assert (
        api.post(f"{PATH}{audience}/complete/", b"").json == api.post(f"{PATH}{audience}/complete/", b"").json
    )
    assert put(api, audience, 1, ids).status == 200
    refused(put(api, audience, 1, users(2)), 409, None, "complete")
    assert api.delete(f"{PATH}{audience}/").status == 204
    for answer in (
        api.get(f"{PATH}{audience}/"), api.delete(f"{PATH}{audience}/"), put(api, audience, 1, ids),
        api.post(f"{PATH}{audience}/complete/", b""),
    ):  # fmt: skip
        refused(answer, 404)


def test_another_applications_audience_is_not_found(world: World, api: Api, other: Api) -> None:
    audience = completed(api, users(2))
    for answer in (
        other.get(f"{PATH}{audience}/"), other.delete(f"{PATH}{audience}/"),
        put(other, audience, 1, users(1)), other.post(f"{PATH}{audience}/complete/", b""),
    ):  # fmt: skip
        refused(answer, 404)
    refused(other.post(NOTIFICATIONS, notification(audience_id=audience)), 422, "audience_id", "no such")


def test_a_list_has_ones_own_page_by_page(world: World, api: Api, other: Api, administrator: Api) -> None:
    mine = [opened(api) for _ in range(5)]
    theirs = opened(other)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get(f"{PATH}?limit=2{cursor and '&cursor=' + cursor}").json
        assert len(page["results"]) <= 2
        found += [each["id"] for each in page["results"]]
        cursor = page["next"]
    assert sorted(found) == sorted(mine)
    assert found == sorted(found)
    assert [each["id"] for each in api.get(f"{PATH}?author=application:other").json["results"]] == found
    assert [each["id"] for each in other.get(PATH).json["results"]] == [theirs]
    assert {each["id"] for each in administrator.get(PATH).json["results"]} == {*mine, theirs}
    by_author = administrator.get(f"{PATH}?author=application:other").json["results"]
    assert [each["id"] for each in by_author] == [theirs]


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("cursor=x", "cursor"), ("cursor=WzFd", "cursor")],
)
def test_a_wrong_page_is_refused(world: World, api: Api, query: str, field: str) -> None:
    refused(api.get(f"{PATH}?{query}"), 422, field)


class TestNotifications:
    @pytest.mark.parametrize(
        ("changed", "field", "reason"),
        [
            ({"audience_id": str(uuid.UUID(int=7))}, "audience_id", "no such audience"),
            ({"audience_id": "x"}, "audience_id", "UUID"),
            ({"audience_id": None}, "audience_id", "UUID"),
            ({"audience_id": str(uuid.UUID(int=7)), "users": ["0" * 32]}, "audience_id", "in place"),
            ({"audience_id": str(uuid.UUID(int=7)), "users": []}, "audience_id", "in place"),
            ({}, "users", "required"),
        ],
    )  # fmt: skip
    def test_either_users_or_a_complete_audience(
        self, world: World, api: Api, changed: dict[str, Any], field: str, reason: str
    ) -> None:
        refused(api.post(NOTIFICATIONS, notification(**changed)), 422, field, reason)
        assert world.table("NOTIFICATIONS_TABLE") == world.table("AUDIENCES_TABLE") == []

    def test_an_open_one_has_to_be_completed(self, world: World, api: Api) -> None:
        audience = opened(api)
        put(api, audience, 1, users(1))
        answer = api.post(NOTIFICATIONS, notification(audience_id=audience), {"Idempotency-Key": "k"})
        refused(answer, 422, "audience_id", "open")
        assert world.table("REQUESTS_TABLE") == []

    def test_a_repeat_with_the_same_key_sends_nothing_twice(self, world: World, api: Api) -> None:
        audience, second_one = completed(api, users(2)), completed(api, users(3))
        headers = {"Idempotency-Key": "k"}
        first = api.post(NOTIFICATIONS, notification(audience_id=audience), headers)
        second = api.post(NOTIFICATIONS, notification(audience_id=audience), headers)
        assert (first.json["is_repeat"], second.json["is_repeat"]) == (False, True)
        assert first.json["dispatch_id"] == second.json["dispatch_id"]
        (dispatch,) = world.table("DISPATCHES_TABLE")
        assert (dispatch["audience_id"], dispatch["recipients"]) == (audience, 2)
        refused(
            api.post(NOTIFICATIONS, notification(audience_id=second_one), headers), 422, None, "another body"
        )

    def test_a_repeat_is_good_when_the_audience_has_been_deleted(self, world: World, api: Api) -> None:
        audience = completed(api, users(2))
        headers = {"Idempotency-Key": "k"}
        first = api.post(NOTIFICATIONS, notification(audience_id=audience), headers)
        assert api.delete(f"{PATH}{audience}/").status == 204
        second = api.post(NOTIFICATIONS, notification(audience_id=audience), headers)
        assert (second.status, second.json) == (first.status, first.json | {"is_repeat": True})
        assert len(world.table("DISPATCHES_TABLE")) == 1
        other_body = notification(audience_id=audience, title="Other")
        refused(api.post(NOTIFICATIONS, other_body, headers), 422, None, "another body")
        refused(
            api.post(NOTIFICATIONS, other_body, {"Idempotency-Key": "other"}), 422, "audience_id", "no such"
        )

    def test_an_administrator_sends_to_any(self, world: World, api: Api, administrator: Api) -> None:
        audience = completed(api, users(2))
        sent = administrator.post(NOTIFICATIONS, notification(audience_id=audience))
        assert (sent.status, sent.json["author"]) == (201, "administrator:anna")
