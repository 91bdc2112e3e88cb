"""Applications in the panel: registered, changed, rotated; a password is shown once, and nowhere else."""

import re

import pytest

from chalicelib.services.applications import change_rights, register_application
from chalicelib.services.rights import Role, Scope
from tests.support.api import Api, set_api_clock
from tests.support.aws import World
from tests.support.factories import START
from tests.support.panel import Browser, Shown
from tests.support.panel import visitor as logged_in

NOTIFICATIONS = "/api/v1/notifications/"
LIST = "/admin/applications"


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_api_clock(monkeypatch, world.clock)


@pytest.fixture
def anna(world: World) -> Browser:
    return logged_in(Role.MANAGER, "anna", now=START)


def password_in(shown: Shown, slug: str = "shop") -> str:
    found = re.search(rf"Authorization: {slug} ([\w-]{{20,}})<", shown.html)
    assert found, shown.text
    return found[1]


def status(slug: str, password: str) -> int:
    return Api(f"{slug} {password}").get(NOTIFICATIONS).status


def test_a_password_is_on_the_page_that_answers_and_on_no_other(
    world: World, anna: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = anna.post(LIST, {"slug": "shop", "scopes": ["read", "send"]})
    password = password_in(shown)
    assert (shown.status, shown.path, shown.headers["Cache-Control"]) == (200, LIST, "no-store")
    assert "not shown again" in shown.text
    assert status("shop", password) == 200
    for path in (LIST, f"{LIST}/shop", "/admin/audit"):
        assert password not in anna.get(path).html
    said = capsys.readouterr()
    assert password not in said.out + said.err
    assert all(password not in str(world.table(table)) for table in world.tables)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"slug": "", "scopes": "read"}, "must be 1 to 64 of a-z, 0-9, dot, dash"),
        ({"slug": "Shop", "scopes": "read"}, "must be 1 to 64 of a-z, 0-9, dot, dash"),
        ({"slug": "bearer", "scopes": "read"}, "&#39;bearer&#39; is the name of an authorization scheme"),
        ({"slug": "shop"}, "choose at least one"),
        ({"slug": "shop", "scopes": ["read", "everything"]}, "there is no such scope"),
    ],
)
def test_a_wrong_one_is_refused_beside_its_field(
    world: World, anna: Browser, fields: dict[str, str], reason: str
) -> None:
    shown = anna.post(LIST, fields)
    assert (shown.status, reason in shown.html) == (422, True)
    assert re.search(rf'class="error" id="e-(slug|scopes)">{re.escape(reason)}', shown.html)
    assert f'value="{fields["slug"]}"' in shown.html
    assert not world.table("APPLICATIONS_TABLE")


def test_a_taken_name_is_refused(anna: Browser) -> None:
    register_application("shop", START)
    shown = anna.post(LIST, {"slug": "shop", "scopes": "read"})
    assert (shown.status, "there is an application 'shop' already" in shown.text) == (409, True)


def test_rights_are_changed(world: World, anna: Browser) -> None:
    password = register_application("shop", START, [Scope.READ]).password
    assert status("shop", password) == 200
    shown = anna.post(f"{LIST}/shop/scopes", {"scopes_form": "yes", "scopes": ["manage", "send"]})
    assert shown.path.startswith(f"{LIST}/shop?done=")
    assert re.findall(r'value="(\w+)" checked', shown.html) == ["send", "manage"]
    world.clock.advance(30)
    assert status("shop", password) == 403
    shown = anna.post(f"{LIST}/shop/scopes", {"scopes_form": "yes"})
    assert (shown.status, "choose at least one" in shown.text) == (422, True)
    assert world.table("APPLICATIONS_TABLE")[0]["scopes"] == {"manage", "send"}


def test_it_is_disabled_and_enabled(world: World, anna: Browser) -> None:
    password = register_application("shop", START).password
    assert "shop disabled" in anna.post(f"{LIST}/shop/disable").text
    world.clock.advance(30)
    assert status("shop", password) == 401
    assert "shop active" in anna.post(f"{LIST}/shop/enable").text
    world.clock.advance(30)
    assert status("shop", password) == 200


@pytest.mark.parametrize(("hours", "old_is"), [("24", 200), ("0", 401)])
def test_a_new_password_and_how_long_the_old_one_is_good(anna: Browser, hours: str, old_is: int) -> None:
    old = register_application("shop", START).password
    shown = anna.post(f"{LIST}/shop/rotate", {"keep_old_hours": hours})
    assert (status("shop", password_in(shown)), status("shop", old)) == (200, old_is)
    assert ("still valid until 2026-11-24 10:00" in shown.text) == (hours == "24")
    assert ("still valid until" in anna.get(f"{LIST}/shop").text) == (hours == "24")


@pytest.mark.parametrize(
    ("hours", "reason"),
    [("169", "less than or equal to 168"), ("-1", "greater than or equal to 0"), ("", "valid integer")],
)
def test_hours_have_limits(world: World, anna: Browser, hours: str, reason: str) -> None:
    old = register_application("shop", START).password
    before = world.table("APPLICATIONS_TABLE")
    shown = anna.post(f"{LIST}/shop/rotate", {"keep_old_hours": hours})
    assert shown.status == 422
    assert re.search(rf'id="e-keep_old_hours">[^<]*{reason}', shown.html)
    assert re.findall(r'value="(\w+)" checked', shown.html) == ["send", "read"]
    assert world.table("APPLICATIONS_TABLE") == before
    assert status("shop", old) == 200


def test_who_is_not_there_is_not_found(world: World, anna: Browser) -> None:
    assert anna.get(f"{LIST}/nobody").status == 404
    for action in ("scopes", "disable", "enable", "rotate"):
        fields = {"scopes": "read", "keep_old_hours": 1}
        assert anna.post(f"{LIST}/nobody/{action}", fields).status == 404
    assert not world.table("APPLICATIONS_TABLE")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SENDER])
def test_it_is_for_managers(world: World, role: Role) -> None:
    browser = logged_in(role, now=START)
    password = register_application("shop", START).password
    before = world.table("APPLICATIONS_TABLE")
    for path in (LIST, f"{LIST}/shop", "/admin/new/application"):
        shown = browser.get(path)
        assert (shown.status, "shop" in shown.text) == (403, False)
    assert browser.post(LIST, {"slug": "other", "scopes": "read"}).status == 403
    for action in ("scopes", "disable", "enable", "rotate"):
        fields = {"scopes": "manage", "keep_old_hours": 0}
        assert browser.post(f"{LIST}/shop/{action}", fields).status == 403
    assert world.table("APPLICATIONS_TABLE") == before
    assert status("shop", password) == 200
    assert "/admin/applications" not in browser.get("/admin/account").html


def test_the_list_is_small_costs_the_same_and_has_pages(world: World, anna: Browser) -> None:
    assert "No applications yet" in anna.get(LIST).text
    for number in range(120):
        register_application(f"{number:03}-{'a' * 60}", START, set(Scope), f"administrator:{'b' * 64}")
    costs, slugs, path = [], [], LIST
    for _ in range(3):
        world.database.requests.clear()
        shown = anna.get(path)
        costs.append(world.database.requests.total())
        assert len(shown.html.encode()) < 100_000
        slugs += re.findall(r">(\d{3})-a{60}</a>", shown.html)
        following = re.search(r'rel="next" href="[./]*([^"]+)"', shown.html)
        path = f"/{following[1]}" if following else ""
    assert (slugs, path) == ([f"{number:03}" for number in range(120)], "")
    assert max(costs) == min(costs)


def test_what_somebody_made_up_is_only_text(anna: Browser) -> None:
    register_application("shop", START, author="<script>alert(1)</script>")
    for path in (LIST, f"{LIST}/shop"):
        shown = anna.get(path)
        assert "<script>alert" not in shown.html
        assert "<script>alert(1)</script>" in shown.text
    shown = anna.post(LIST, {"slug": '"><script>alert(2)</script>', "scopes": "read"})
    assert "<script>alert" not in shown.html
    change_rights("shop", None, False)
    assert "disabled" in anna.get(LIST).text
