"""The panel's door: who comes in, for how long, and what no other site can make them do."""

import json
import re
from datetime import timedelta

import pytest

from chalicelib.services.administrators import (
    change_administrator_rights,
    change_password,
    create_administrator,
    issue_token,
)
from chalicelib.services.rights import Role, administrator
from tests.support.api import set_api_clock
from tests.support.aws import World
from tests.support.factories import START
from tests.support.panel import PASSWORD, Browser
from tests.support.panel import visitor as logged_in

pytestmark = pytest.mark.usefixtures("world")


def is_logged_in(browser: Browser) -> bool:
    return browser.get("/admin/account").path == "/admin/account"


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_api_clock(monkeypatch, world.clock)


def visitor(role: Role = Role.MANAGER, login: str | None = None) -> Browser:
    return logged_in(role, login, now=START)


@pytest.fixture
def anna(world: World) -> Browser:
    create_administrator("anna", world.clock(), PASSWORD)
    return Browser()


def test_who_is_not_logged_in_is_sent_to_the_door_and_then_goes_on(anna: Browser) -> None:
    assert anna.get("/admin/account").path == "/admin/login?next=admin%2Faccount"
    found = re.search(r'name="next" value="([^"]+)"', anna.page.html if anna.page else "")
    assert found
    entered = anna.post("/admin/login", {"login": "anna", "password": PASSWORD, "next": found[1]})
    assert (entered.status, entered.path) == (200, "/admin/account")


@pytest.mark.parametrize(("login", "password"), [("anna", "wrong"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_log_in_does_not_say_what_was_wrong(anna: Browser, login: str, password: str) -> None:
    shown = anna.log_in(login, password)
    assert shown.status == 422
    assert "Unknown login or wrong password." in shown.text
    assert not is_logged_in(anna)


def test_log_ins_are_limited(world: World, anna: Browser) -> None:
    world.configure("LOGIN_ATTEMPTS_PER_LOGIN", "2")
    assert [anna.log_in("anna", "wrong").status for _ in range(3)] == [422, 422, 429]
    assert anna.log_in("anna").status == 429
    assert "too many failed log-ins" in anna.log_in("anna").text


def test_the_cookie_is_for_no_script_and_no_other_site(world: World, anna: Browser) -> None:
    world.configure("PUBLIC_URL", "http://localhost:8004")
    anna.log_in("anna")
    assert re.search(
        r"^vestnik-session=[^;]+; Path=/; SameSite=Lax; HttpOnly; Max-Age=43200$", anna.set_cookies[-1]
    )
    world.configure("PUBLIC_URL", "https://vestnik.example")
    anna.log_in("anna")
    assert re.search(
        r"^__Host-vestnik-session=[^;]+; .*HttpOnly; Secure; Max-Age=43200$", anna.set_cookies[-1]
    )


@pytest.mark.parametrize("token", [None, "", "wrong", "x" * 5_000, "ключ"])
def test_without_the_sessions_own_token_nothing_is_done(token: str | None) -> None:
    browser = visitor()
    fields = {} if token is None else {"csrf": token}
    shown = browser.post("/admin/account/logout_everywhere", fields, csrf=None)
    assert (shown.status, is_logged_in(browser)) == (403, True)


def test_the_token_of_another_session_is_no_token() -> None:
    browser, other = visitor(), visitor(login="other")
    shown = browser.post("/admin/account/logout_everywhere", csrf=other.csrf())
    assert (shown.status, is_logged_in(browser)) == (403, True)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_form_of_another_site_is_refused_even_with_the_token(site: str) -> None:
    browser = visitor()
    shown = browser.post("/admin/account/logout_everywhere", headers={"Sec-Fetch-Site": site})
    assert (shown.status, is_logged_in(browser)) == (403, True)


def test_nobody_is_logged_in_by_a_form_that_is_not_their_browsers(anna: Browser) -> None:
    foreign = Browser()
    shown = foreign.post("/admin/login", {"login": "anna", "password": PASSWORD}, csrf=anna.csrf())
    assert (shown.status, is_logged_in(foreign)) == (403, False)


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "admin/../../evil", "admin/%2e%2e/x",
        "javascript:alert(1)", "admin//evil.example", "admin/\r\nX: y", "..", "admin@evil.example",
    ],
)  # fmt: skip
def test_a_log_in_leads_nowhere_but_into_the_panel(anna: Browser, wanted: str) -> None:
    anna.get("/admin/login")
    shown = anna.post("/admin/login", {"login": "anna", "password": PASSWORD, "next": wanted})
    assert shown.path == "/admin/notifications"


def test_a_session_ends_when_it_is_not_used(world: World, anna: Browser) -> None:
    anna.log_in("anna")
    world.clock.advance(59 * 60)
    assert is_logged_in(anna)
    world.clock.advance(59 * 60)
    assert is_logged_in(anna)
    world.clock.advance(61 * 60)
    assert not is_logged_in(anna)


def test_what_a_page_asks_for_by_itself_keeps_no_session(world: World, anna: Browser) -> None:
    anna.log_in("anna")
    for _ in range(2):
        world.clock.advance(31 * 60)
        anna.get("/admin/account", {"HX-Request": "true", "X-By-Itself": "yes"})
    assert not is_logged_in(anna)


def test_a_part_of_a_page_that_somebody_asks_for_keeps_the_session(world: World, anna: Browser) -> None:
    anna.log_in("anna")
    for _ in range(2):
        world.clock.advance(31 * 60)
        anna.get("/admin/account", {"HX-Request": "true"})
    assert is_logged_in(anna)


def test_who_types_keeps_the_session_and_learns_that_it_has_ended(world: World, anna: Browser) -> None:
    anna.log_in("anna")
    token, asked = anna.csrf(), {"HX-Request": "true"}
    for _ in range(3):
        world.clock.advance(40 * 60)
        shown = anna.get("/admin/account/session", asked)
        assert json.loads(shown.html) == {"who": "administrator:anna", "csrf": token}
    world.clock.advance(61 * 60)
    assert anna.get("/admin/account/session", asked).status == 401


@pytest.fixture
def ended(world: World, anna: Browser) -> Browser:
    """Somebody whose session has ended while a page of theirs is open."""
    anna.log_in("anna")
    anna.csrf()
    world.clock.advance(61 * 60)
    return anna


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/admin/notifications/new", "admin%2Fnotifications%2Fnew"),
        ("/admin/account/password", "admin%2Faccount"),
    ],
)
def test_whose_session_has_ended_is_told_so_and_goes_on(ended: Browser, path: str, back: str) -> None:
    shown = ended.post(path, {}, csrf="of before")
    assert shown.path == f"/admin/login?done=session-ended&next={back}"
    assert "Your session has ended. Please log in again." in shown.text


def test_a_part_of_a_page_leads_back_to_the_page(ended: Browser) -> None:
    page = {"HX-Request": "true", "HX-Current-URL": "https://vestnik.example/api/admin/audit?month=2026-11"}
    part = ended.get("/admin/operations", page)
    wanted = "../admin/login?done=session-ended&next=admin%2Faudit%3Fmonth%3D2026-11"
    assert (part.status, part.headers["HX-Redirect"]) == (401, wanted)


def test_without_a_session_one_still_logs_out_and_chooses_a_language(ended: Browser) -> None:
    assert "You are logged out." in ended.post("/admin/logout", csrf="of before").text
    said = ended.post("/admin/language", {"language": "ru", "next": "admin/account"}, csrf="of before")
    assert (said.status, '<html lang="ru">' in said.html) == (200, True)
    other = ended.post(
        "/admin/language", {"language": "en"}, csrf=None, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert other.status == 403


def test_beside_an_answer_to_a_form_no_language_is_chosen() -> None:
    """It would lead away from what was typed, or from a password that is shown once."""
    browser = visitor()
    assert 'name="language"' in browser.get("/admin/account").html
    shown = browser.post("/admin/account/password", {"new_password": "a", "repeated": "b"})
    assert (shown.status, 'name="language"' in shown.html) == (422, False)
    stranger = Browser()
    stranger.get("/admin/login")
    token = re.search(r'name="csrf" value="([^"]+)"', stranger.page.html if stranger.page else "")
    assert token
    assert 'name="language"' in stranger.post("/admin/login", {"login": "anna"}, csrf=token[1]).html


def test_a_session_ends_after_its_hours_however_it_is_used(world: World, anna: Browser) -> None:
    anna.log_in("anna")
    for _ in range(14):
        world.clock.advance(50 * 60)
        assert is_logged_in(anna)
    world.clock.advance(21 * 60)
    assert not is_logged_in(anna)


def test_a_new_password_ends_every_session_at_once(anna: Browser) -> None:
    anna.log_in("anna")
    change_password("anna", "battery staple correct horse")
    assert not is_logged_in(anna)


def test_the_own_password_is_changed_and_only_this_session_goes_on(anna: Browser) -> None:
    anna.log_in("anna")
    other = Browser(anna.cookies)
    new = "battery staple correct horse"
    asked = {"password": PASSWORD, "new_password": new, "repeated": new}
    assert (
        "This is not your password." in anna.post("/admin/account/password", asked | {"password": "x"}).text
    )
    assert (
        "The passwords do not match." in anna.post("/admin/account/password", asked | {"repeated": "x"}).text
    )
    short = anna.post("/admin/account/password", asked | {"new_password": "short", "repeated": "short"})
    assert (short.status, "must have 12 to 256 characters" in short.text) == (422, True)
    assert "The password is changed." in anna.post("/admin/account/password", asked).text
    assert is_logged_in(anna)
    assert not is_logged_in(other)
    assert anna.log_in("anna", new).status == 200


def test_log_out_everywhere_ends_sessions_and_tokens(world: World, anna: Browser) -> None:
    anna.log_in("anna")
    other = Browser(anna.cookies)
    assert anna.post("/admin/account/logout_everywhere").path == "/admin/login?done=logged-out-everywhere"
    assert not is_logged_in(anna)
    assert not is_logged_in(other)


def test_log_out_takes_the_cookie_away(anna: Browser) -> None:
    anna.log_in("anna")
    assert "You are logged out." in anna.post("/admin/logout").text
    assert not is_logged_in(anna)


def test_who_is_disabled_is_out_at_once() -> None:
    browser = visitor(Role.SENDER)
    visitor(Role.MANAGER, "boss")
    change_administrator_rights("sender", administrator("boss"), is_active=False)
    assert not is_logged_in(browser)
    change_administrator_rights("sender", administrator("boss"), is_active=True)
    assert not is_logged_in(browser)


def test_a_token_of_the_api_is_no_session(world: World) -> None:
    browser = visitor()
    browser.cookies["__Host-vestnik-session"] = issue_token("manager", world.clock())
    assert not is_logged_in(browser)


def test_the_panel_speaks_the_viewers_language(anna: Browser) -> None:
    assert "Пароль" in anna.get("/admin/login", {"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"}).text
    assert "Password" in anna.get("/admin/login", {"Accept-Language": "en,ru;q=0.5"}).text
    chosen = anna.post("/admin/language", {"language": "ru", "next": "admin/login"})
    assert (chosen.path, "Пароль" in chosen.text) == ("/admin/login", True)
    assert '<html lang="ru">' in chosen.html
    assert anna.post("/admin/language", {"language": "xx", "next": "admin/login"}).html == chosen.html


def test_times_are_in_the_viewers_zone(world: World) -> None:
    browser = visitor()
    browser.cookies["vestnik-zone"] = "Asia%2FVladivostok"
    assert (world.clock() + timedelta(hours=10)).strftime("%Y-%m-%d %H:") in browser.get(
        "/admin/account"
    ).text
    browser.cookies["vestnik-zone"] = "../../etc/passwd"
    assert "Times are in UTC" in browser.get("/admin/account").text


def test_pages_allow_no_script_of_their_own() -> None:
    for shown in (Browser().get("/admin/login"), visitor().get("/admin/account")):
        policy = shown.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=|https?://", shown.html)
        assert shown.headers["Cache-Control"] == "no-store"


def test_files_are_kept_for_ever_under_names_of_their_content() -> None:
    browser = Browser()
    names = re.findall(r"admin/(static/[^\"]+)", browser.get("/admin/login").html)
    assert len(set(names)) == 4
    for name in names:
        assert re.fullmatch(r"static/[\w-]+\.[0-9a-f]{16}\.(js|css|svg)", name)
        answer = browser.get(f"/admin/{name}")
        assert (answer.status, "immutable" in answer.headers["Cache-Control"]) == (200, True)
    assert browser.get("/admin/static/panel.0000000000000000.css").status == 404


@pytest.mark.parametrize("query", ["root=1", "self=1", "parts=1&root=2&done=x"])
def test_whatever_a_query_is_called_the_page_is_there(query: str) -> None:
    assert Browser().get(f"/admin/login?{query}").status == 200
    assert Browser().get(f"/admin/account?{query}").path.startswith("/admin/login?next=admin%2Faccount")
    assert visitor().get(f"/admin/account?{query}").status == 200
    problem = visitor().get(f"/admin/notifications/nothing?{query}")
    assert (problem.status, "X-Request-Id" in problem.headers) == (404, True)


@pytest.mark.parametrize("odd", ['{"x":1, "y":2}', "hello world", "a=b=c", "ключ", '"', ""])
def test_a_cookie_of_somebody_else_locks_nobody_out(odd: str) -> None:
    browser = visitor()
    browser.cookies = {"odd": odd, **browser.cookies, "odd2": odd}
    headers: dict[str, str | None] = {"Cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())}
    assert browser.get("/admin/account", headers).path == "/admin/account"


@pytest.mark.parametrize("zone", ["Etc%2FGMT%2B3", "Etc/GMT+3"])
def test_the_zone_is_read_as_the_script_writes_it(zone: str) -> None:
    browser = visitor()
    browser.cookies["vestnik-zone"] = zone
    assert "Times are in Etc/GMT+3" in browser.get("/admin/account").text


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.example", 403), ("null", 403), ("https://vestnik.example.evil.example", 403),
        ("https://vestnik.example", 200), (None, 200),
    ],
)  # fmt: skip
def test_without_fetch_metadata_the_origin_counts(world: World, origin: str | None, status: int) -> None:
    world.configure("PUBLIC_URL", "https://vestnik.example/api")
    browser = visitor()
    assert browser.post("/admin/account/logout_everywhere", headers={"Origin": origin}).status == status


def test_no_sister_domain_sets_the_token_of_the_form_to_log_in_with(world: World, anna: Browser) -> None:
    world.configure("PUBLIC_URL", "https://vestnik.example")
    assert anna.log_in("anna").status == 200
    assert any(re.match("__Host-vestnik-login=[^;]+; Path=/; .*Secure", each) for each in anna.set_cookies)
    foreign = Browser({"vestnik-login": "known"})
    fields = {"login": "anna", "password": PASSWORD, "csrf": "known"}
    assert foreign.post("/admin/login", fields, csrf=None).status == 403


def test_with_tls_browsers_are_told_to_stay_with_it(world: World) -> None:
    world.configure("PUBLIC_URL", "http://localhost:8004")
    assert "Strict-Transport-Security" not in Browser().get("/admin/login").headers
    world.configure("PUBLIC_URL", "https://vestnik.example")
    assert Browser().get("/admin/login").headers["Strict-Transport-Security"] == "max-age=31536000"


def test_who_is_limited_is_told_for_how_long(world: World, anna: Browser) -> None:
    world.configure("LOGIN_ATTEMPTS_PER_LOGIN", "1")
    anna.log_in("anna", "wrong")
    assert int(anna.log_in("anna").headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "audiences?author={}", "frequencies?author={}", "audiences?cursor={}", "administrators?cursor={}",
        "applications?cursor={}", "audit?cursor={}", "notifications?cursor={}", "frequencies?cursor={}",
    ],
)  # fmt: skip
def test_what_is_too_long_is_said_so(path: str) -> None:
    shown = visitor().get(f"/admin/{path.format('a' * 3_000)}")
    assert shown.status == 422
    assert re.search("must have at most [0-9]+ characters", shown.text)


def test_what_is_no_login_is_nobodys() -> None:
    assert visitor().get(f"/admin/administrators/{'a' * 3_000}").status == 404


def test_the_title_says_that_something_is_wrong() -> None:
    """It is what somebody who cannot see the page hears of it first."""
    browser = visitor()
    browser.cookies["vestnik-language"] = "ru"
    assert "<title>Не найдено · Vestnik</title>" in browser.get("/admin/administrators/nobody").html
    assert "<title>Ваша учётная запись" in browser.get("/admin/account").html
    fields = {"password": PASSWORD, "new_password": "short", "repeated": "short"}
    assert "<title>Ошибка: Ваша учётная запись" in browser.post("/admin/account/password", fields).html


def test_a_form_that_no_page_shows_again_says_what_is_wrong() -> None:
    user = "00000000-0000-4000-8000-000000000001"
    shown = visitor().post(f"/admin/unsubscribes?user={user}", {"user_id": "nobody"})
    assert (shown.status, "Location" in shown.headers) == (422, False)
    assert "That did not work" in shown.text


@pytest.mark.parametrize("query", ["limit=zz", "limit=1000"])
def test_the_audit_log_says_what_is_wrong_with_what_is_no_field(query: str) -> None:
    shown = visitor().get(f"/admin/audit?{query}")
    assert shown.status == 422
    assert "limit: " in shown.text
