"""/api/v1/administrators: made with a role, changed, logged out; nobody changes their own rights."""

from typing import Any

import pytest

from chalicelib.services.administrators import create_administrator, issue_token
from chalicelib.services.authentication import forget
from chalicelib.services.rights import Role
from tests.support.api import Api, basic, set_api_clock
from tests.support.aws import World
from tests.support.factories import START
from tests.support.panel import PASSWORD

PATH = "/api/v1/administrators/"
NOTIFICATIONS = "/api/v1/notifications/"


@pytest.fixture
def anna(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    set_api_clock(monkeypatch, world.clock)
    create_administrator("anna", START, PASSWORD)
    return Api(f"Bearer {issue_token('anna', START)}")


def status(authorization: str) -> int:
    """What somebody gets for reading: 200 or 401."""
    forget()
    return Api(authorization).get(NOTIFICATIONS).status


def logins(world: World) -> set[str]:
    return {row["login"] for row in world.table("ADMINS_TABLE")}


def test_a_password_is_shown_once(world: World, anna: Api) -> None:
    made = anna.post(PATH, {"login": "boris", "role": "viewer"})
    assert made.status == 201
    password = made.json["password"]
    assert status(basic("boris", password)) == 200
    assert anna.get(f"{PATH}boris/").json == {
        "login": "boris",
        "role": "viewer",
        "is_active": True,
        "created_at": "2026-11-23T10:00:00.000Z",
        "created_by": "administrator:anna",
        "last_login_at": None,
    }
    assert password not in str(world.table("ADMINS_TABLE")) + str(world.table("AUDIT_TABLE"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "viewer"}, "login"),
        ({"login": "Boris", "role": "viewer"}, "login"),
        ({"login": "b" * 65, "role": "viewer"}, "login"),
        ({"login": "boris"}, "role"),
        ({"login": "boris", "role": "owner"}, "role"),
        ({"login": "boris", "role": None}, "role"),
    ],
)
def test_a_wrong_one_is_refused(world: World, anna: Api, body: Any, field: str) -> None:
    answer = anna.post(PATH, body)
    assert (answer.status, list(answer.fields())) == (422, [field])
    assert logins(world) == {"anna"}


def test_a_taken_login_is_a_conflict(world: World, anna: Api) -> None:
    before = world.table("ADMINS_TABLE")
    assert anna.post(PATH, {"login": "anna", "role": "viewer"}).status == 409
    assert world.table("ADMINS_TABLE") == before


def test_they_are_listed_by_login_page_by_page(anna: Api) -> None:
    for number in reversed(range(5)):
        create_administrator(f"b{number}", START, PASSWORD, Role.SENDER)
    found: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = anna.get(f"{PATH}?limit=2{cursor and '&cursor=' + cursor}").json
        assert len(page["results"]) <= 2
        found += [(each["login"], each["role"]) for each in page["results"]]
        cursor = page["next"]
    assert found == [("anna", "manager"), *((f"b{number}", "sender") for number in range(5))]


def test_a_role_is_changed_at_once(anna: Api) -> None:
    create_administrator("boris", START, PASSWORD, Role.VIEWER)
    boris = f"Bearer {issue_token('boris', START)}"
    assert Api(boris).get(PATH).status == 403
    assert anna.patch(f"{PATH}boris/", {"role": "manager"}).json["role"] == "manager"
    assert Api(boris).get(PATH).status == 200
    assert anna.patch(f"{PATH}boris/", {}).json["role"] == "manager"
    assert anna.patch(f"{PATH}boris/", {"role": "boss"}).status == 422


def test_who_is_disabled_is_out_and_so_are_their_tokens_for_ever(anna: Api) -> None:
    create_administrator("boris", START, PASSWORD, Role.VIEWER)
    token = f"Bearer {issue_token('boris', START)}"
    assert Api(token).get(NOTIFICATIONS).status == 200
    assert anna.patch(f"{PATH}boris/", {"is_active": False}).json["is_active"] is False
    assert Api(token).get(NOTIFICATIONS).status == 401
    assert status(basic("boris", PASSWORD)) == 401
    assert anna.patch(f"{PATH}boris/", {"is_active": True}).json["is_active"] is True
    assert (status(basic("boris", PASSWORD)), status(token)) == (200, 401)


def test_a_new_password_ends_the_old_one_and_the_tokens(anna: Api) -> None:
    create_administrator("boris", START, PASSWORD, Role.VIEWER)
    token = f"Bearer {issue_token('boris', START)}"
    assert Api(token).get(NOTIFICATIONS).status == 200
    given = anna.post(f"{PATH}boris/password/", None)
    assert given.status == 200
    assert Api(token).get(NOTIFICATIONS).status == 401
    assert status(basic("boris", PASSWORD)) == 401
    assert status(basic("boris", given.json["password"])) == 200


def test_log_out_everywhere(anna: Api) -> None:
    create_administrator("boris", START, PASSWORD, Role.VIEWER)
    token = f"Bearer {issue_token('boris', START)}"
    assert Api(token).get(NOTIFICATIONS).status == 200
    assert anna.post(f"{PATH}boris/end_sessions/", None).status == 204
    assert Api(token).get(NOTIFICATIONS).status == 401
    assert status(basic("boris", PASSWORD)) == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "anna/", {"role": "viewer"}),
        ("PATCH", "anna/", {"is_active": False}),
        ("POST", "anna/password/", None),
    ],
)
def test_nobody_changes_their_own_rights_or_takes_a_password_without_the_old_one(
    world: World, anna: Api, method: str, path: str, body: Any
) -> None:
    before = world.table("ADMINS_TABLE")
    answer = anna.patch(PATH + path, body) if method == "PATCH" else anna.post(PATH + path, body)
    assert answer.status == 409
    assert world.table("ADMINS_TABLE") == before


def test_who_is_not_there_is_not_found(world: World, anna: Api) -> None:
    for login in ("nobody", "Not-A-Login"):
        assert anna.get(f"{PATH}{login}/").status == 404
        assert anna.patch(f"{PATH}{login}/", {"role": "viewer"}).status == 404
        assert anna.post(f"{PATH}{login}/password/", None).status == 404
        assert anna.post(f"{PATH}{login}/end_sessions/", None).status == 404
    assert logins(world) == {"anna"}
