"""Administrators in the panel: added, changed, logged out; nobody changes their own rights."""

import re

import pytest

from chalicelib.services.administrators import (
    change_administrator_rights,
    create_administrator,
    find_administrator,
    issue_token,
    role_of,
)
from chalicelib.services.authentication import forget
from chalicelib.services.errors import ConflictError
from chalicelib.services.rights import Role, administrator
from tests.support.api import Api, basic, set_api_clock
from tests.support.aws import World
from tests.support.factories import START
from tests.support.panel import PASSWORD, Browser
from tests.support.panel import visitor as logged_in

LIST = "/admin/administrators"
ACTIONS = ("role", "disable", "enable", "password", "end_sessions")


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_api_clock(monkeypatch, world.clock)


@pytest.fixture
def anna(world: World) -> Browser:
    return logged_in(Role.MANAGER, "anna", now=START)


@pytest.fixture
def boris(anna: Browser) -> Browser:
    return logged_in(Role.SENDER, "boris", now=START)


def is_in(browser: Browser) -> bool:
    return browser.get("/admin/account").path == "/admin/account"


def status(authorization: str) -> int:
    forget()
    return Api(authorization).get("/api/v1/notifications/").status


def test_one_is_added_and_the_password_is_shown_once(
    world: World, anna: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = anna.post(LIST, {"login": "carl", "role": "viewer"})
    assert (shown.status, shown.path, shown.headers["Cache-Control"]) == (200, LIST, "no-store")
    found = re.search(r'id="password">([\w-]{20,})<', shown.html)
    assert found
    carl = Browser()
    assert carl.log_in("carl", found[1]).path == "/admin/notifications"
    assert "Viewer: sees notifications" in carl.get("/admin/account").text
    for path in (LIST, f"{LIST}/carl"):
        assert found[1] not in anna.get(path).html
    said = capsys.readouterr()
    assert found[1] not in said.out + said.err
    assert all(found[1] not in str(world.table(table)) for table in world.tables)
    assert find_administrator("carl").created_by == "administrator:anna"


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"login": "", "role": "viewer"}, "login", "must be 1 to 64 of a-z"),
        ({"login": "Carl", "role": "viewer"}, "login", "must be 1 to 64 of a-z"),
        ({"login": "carl", "role": "owner"}, "role", "there is no such role"),
        ({"login": "carl"}, "role", "there is no such role"),
    ],
)
def test_a_wrong_one_is_refused_beside_its_field(
    world: World, anna: Browser, fields: dict[str, str], field: str, reason: str
) -> None:
    shown = anna.post(LIST, fields)
    assert shown.status == 422
    assert re.search(rf'id="e-{field}">{reason}', shown.html)
    assert f'value="{fields["login"]}"' in shown.html
    assert [row["login"] for row in world.table("ADMINS_TABLE")] == ["anna"]


def test_a_taken_login_is_refused(world: World, anna: Browser) -> None:
    before = world.table("ADMINS_TABLE")
    shown = anna.post(LIST, {"login": "anna", "role": "viewer"})
    assert (shown.status, "there is an administrator 'anna' already" in shown.text) == (409, True)
    assert world.table("ADMINS_TABLE") == before


def test_a_role_is_changed_and_holds_at_once(world: World, anna: Browser, boris: Browser) -> None:
    assert boris.get(LIST).status == 403
    shown = anna.post(f"{LIST}/boris/role", {"role": "manager"})
    assert re.search(r'value="manager" selected', shown.html)
    assert "Saved." in shown.text
    assert boris.get(LIST).status == 200
    shown = anna.post(f"{LIST}/boris/role", {"role": "owner"})
    assert (shown.status, "there is no such role" in shown.text) == (422, True)
    assert find_administrator("boris").role == "manager"
    assert any(
        (row["action"], row["about"], row["who"]) == ("changed", "boris", "administrator:anna")
        for row in world.table("AUDIT_TABLE")
    )


def test_who_is_disabled_is_out_until_they_log_in_again(anna: Browser, boris: Browser) -> None:
    token = f"Bearer {issue_token('boris', START)}"
    assert status(token) == 200
    assert "is disabled Role" in anna.post(f"{LIST}/boris/disable").text
    assert (is_in(boris), status(token), Browser().log_in("boris").status) == (False, 401, 422)
    assert "may log in Role" in anna.post(f"{LIST}/boris/enable").text
    assert (is_in(boris), status(token)) == (False, 401)
    assert Browser().log_in("boris").status == 200


def test_a_new_password_ends_everything(anna: Browser, boris: Browser) -> None:
    shown = anna.post(f"{LIST}/boris/password")
    found = re.search(r'id="password">([\w-]{20,})<', shown.html)
    assert found
    assert "sessions and tokens have ended" in shown.text
    assert not is_in(boris)
    assert [status(basic("boris", each)) for each in (PASSWORD, found[1])] == [401, 200]


def test_log_out_everywhere(anna: Browser, boris: Browser) -> None:
    assert "logged out on every device" in anna.post(f"{LIST}/boris/end_sessions").text
    assert not is_in(boris)
    assert Browser().log_in("boris").status == 200


def test_nobody_is_offered_or_does_a_change_of_their_own_rights(world: World, anna: Browser) -> None:
    shown = anna.get(f"{LIST}/anna")
    assert "Nobody can change their own rights" in shown.text
    assert f"{LIST}/anna/".removeprefix("/") not in shown.html
    before = world.table("ADMINS_TABLE")
    for action in ("role", "disable", "enable", "password"):
        shown = anna.post(f"{LIST}/anna/{action}", {"role": "viewer"})
        assert (shown.status, "own" in shown.text, 'role="alert"' in shown.html) == (409, True, True)
    assert world.table("ADMINS_TABLE") == before
    assert is_in(anna)


def test_who_is_not_there_is_not_found(world: World, anna: Browser) -> None:
    assert anna.get(f"{LIST}/nobody").status == 404
    assert [anna.post(f"{LIST}/nobody/{each}", {"role": "viewer"}).status for each in ACTIONS] == [404] * 5
    assert [row["login"] for row in world.table("ADMINS_TABLE")] == ["anna"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SENDER])
def test_it_is_for_managers(world: World, role: Role) -> None:
    create_administrator("carl", START, PASSWORD, Role.VIEWER)
    browser = logged_in(role, now=START)
    before = world.table("ADMINS_TABLE")
    for path in (LIST, f"{LIST}/carl", "/admin/new/administrator"):
        assert browser.get(path).status == 403
    assert browser.post(LIST, {"login": "dora", "role": "manager"}).status == 403
    for login in ("carl", str(role)):
        for action in ACTIONS:
            assert browser.post(f"{LIST}/{login}/{action}", {"role": "manager"}).status == 403
    assert world.table("ADMINS_TABLE") == before
    assert LIST.removeprefix("/") not in browser.get("/admin/account").html


def test_the_list_is_small_costs_the_same_and_has_pages(
    world: World, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.security.hash_administrator_password", lambda password: "hash")
    for number in range(119):
        create_administrator(f"a{number:03}{'b' * 60}", START, PASSWORD, author="administrator:" + "c" * 64)
    costs, logins, path = [], [], LIST
    for _ in range(3):
        world.database.requests.clear()
        shown = anna.get(path)
        costs.append(world.database.requests.total())
        assert len(shown.html.encode()) < 100_000
        logins += re.findall(r">(a\d{3}|anna)b*</a>", shown.html.partition("<main")[2])
        following = re.search(r'rel="next" href="[./]*([^"]+)"', shown.html)
        path = f"/{following[1]}" if following else ""
    assert (logins, path) == ([*(f"a{number:03}" for number in range(119)), "anna"], "")
    assert max(costs) == min(costs)


def test_what_somebody_made_up_is_only_text(anna: Browser) -> None:
    create_administrator("carl", START, PASSWORD, author="<script>alert(1)</script>")
    for path in (LIST, f"{LIST}/carl"):
        shown = anna.get(path)
        assert "<script>alert" not in shown.html
        assert "<script>alert(1)</script>" in shown.text
    assert "<script>alert" not in anna.post(LIST, {"login": '"><script>alert(2)</script>'}).html


def test_two_managers_who_end_each_other_leave_one(world: World, anna: Browser) -> None:
    """The one who is first has taken the other's rights: the other's change is none any more."""
    logged_in(Role.MANAGER, "boris", now=world.clock())
    anna_herself, boris = administrator("anna"), administrator("boris")
    change_administrator_rights("boris", anna_herself, role=Role.VIEWER)
    with pytest.raises(ConflictError, match="just being changed"):
        change_administrator_rights("anna", boris, role=Role.VIEWER)
    assert role_of(find_administrator("anna")) is Role.MANAGER
