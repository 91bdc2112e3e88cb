"""The panel's suppressions: listed, found by their address, lifted."""

import re

import pytest

from chalicelib.domain.times import later
from chalicelib.services.rights import Role
from chalicelib.services.suppression_list import find_suppression
from chalicelib.tables.suppressions import forget_address, lift, suppress, suppression_id
from tests.support.api import set_api_clock
from tests.support.audited import BY_MANAGER, audited
from tests.support.aws import World
from tests.support.factories import START
from tests.support.panel import Browser, Shown, visitor
from tests.support.requests_made import requests_made

LIST = "/admin/suppressions"
ADDRESS = "anna@example.com"
ID = suppression_id("mail", ADDRESS)
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_api_clock(monkeypatch, world.clock)


@pytest.fixture
def browser(world: World) -> Browser:
    return visitor(now=START)


def listed(shown: Shown) -> list[str]:
    return re.findall(r'href="\.\./admin/suppressions/([0-9a-f]{32})"', shown.html)


def test_the_list_has_the_last_first_and_filters(browser: Browser) -> None:
    assert "Nothing is suppressed" in browser.get(LIST).text
    suppress("mail", ADDRESS, "bounced: 550 5.1.1 user unknown", START)
    suppress("telegram", "4711", "blocked by the user", later(START, 1))
    chat = suppression_id("telegram", "4711")
    for query, found in [
        ("", [chat, ID]),
        ("?channel=mail", [ID]),
        ("?channel=telegram", [chat]),
        ("?channel=webhook", []),
        ("?address=%20Anna%40Example.com%20", [ID]),
        ("?address=4711", [chat]),
        ("?address=4711&channel=telegram", [chat]),
        ("?address=boris%40example.com", []),
    ]:
        page = browser.get(LIST + query)
        assert (page.status, listed(page)) == (200, found), query
        assert ("No suppression matches" in page.text) is (not found)
    assert "550 5.1.1 user unknown" in browser.get(LIST).text


@pytest.mark.parametrize(
    ("query", "field", "reason"),
    [
        ("channel=pigeon", "channel", "Not a valid value."),
        ("address=" + "x" * 501, "address", "Not a valid value."),
        ("address=nobody", "address", "is none of any channel&#39;s"),
        ("address=nobody&channel=mail", "address", "is none of the channel&#39;s"),
    ],
)
def test_a_filter_that_is_no_such_value_is_said_so(
    browser: Browser, query: str, field: str, reason: str
) -> None:
    page = browser.get(f"{LIST}?{query}")
    assert (page.status, f'id="e-{field}">{reason}' in page.html) == (422, True)
    assert browser.get(f"{LIST}?cursor=xx").status == 422


def test_one_tells_why_and_since_when_and_is_lifted(world: World, browser: Browser) -> None:
    suppress("mail", ADDRESS, "complained", START)
    page = browser.get(f"{LIST}/{ID}")
    assert (ADDRESS in page.text, "complained" in page.text, "2026-11-23 10:00" in page.text) == (True,) * 3
    done = browser.post(f"{LIST}/{ID}/lift")
    assert (done.path, "The suppression is lifted" in done.text) == (f"{LIST}/{ID}?done=lifted", True)
    found = find_suppression(ID)
    assert (found.is_suppressed, found.lifted_by) == (False, "administrator:manager")
    assert "Lifted by administrator:manager" in done.text
    assert f"{ID}/lift" not in done.html
    assert listed(browser.get(LIST)) == []
    assert browser.post(f"{LIST}/{ID}/lift").status == 200
    assert audited() == [(BY_MANAGER, "lifted", "suppression", ID)]


@pytest.mark.parametrize("wanted", ["0" * 32, "filter%23mail%230", "x", "a" * 3_000, ID.upper()])
def test_what_is_not_there_is_not_found(browser: Browser, wanted: str) -> None:
    suppress("mail", ADDRESS, "complained", START)
    assert browser.get(f"{LIST}/{wanted}").status == 404
    assert browser.post(f"{LIST}/{wanted}/lift").status == 404
    assert find_suppression(ID).is_suppressed


def test_what_is_stored_is_shown_as_text(browser: Browser) -> None:
    suppress("mail", f'"{SCRIPT}"@example.com', f"bounced: {SCRIPT}", START)
    id_ = suppression_id("mail", f'"{SCRIPT}"@example.com')
    for path in (LIST, f"{LIST}/{id_}"):
        page = browser.get(path)
        assert SCRIPT not in page.html
        assert page.html.count("&lt;script&gt;") == 2
    assert SCRIPT not in browser.get(f"{LIST}?address=%3Cscript%3Ealert(1)%3C/script%3E").html


def test_of_an_erased_user_no_address_is_left(browser: Browser) -> None:
    suppress("mail", ADDRESS, "bounced: 550 anna@example.com unknown", START)
    forget_address(find_suppression(ID))
    assert "of an erased user" in browser.get(LIST).text
    page = browser.get(f"{LIST}/{ID}")
    assert ("Address of an erased user" in page.text, ADDRESS in page.text) == (True, False)


def test_one_that_was_lifted_before_is_shown_still(browser: Browser) -> None:
    suppress("telegram", "4711", "blocked by the user", START)
    lift(suppression_id("telegram", "4711"), "telegram bot", later(START, 60))
    page = browser.get(f"{LIST}/{suppression_id('telegram', '4711')}")
    assert "Lifted by telegram bot" in page.text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SENDER])
def test_only_a_manager_comes_here(role: Role) -> None:
    suppress("mail", ADDRESS, "complained", START)
    browser = visitor(role, now=START)
    for path in (LIST, f"{LIST}/{ID}"):
        assert browser.get(path).status == 403
    assert browser.post(f"{LIST}/{ID}/lift").status == 403
    assert find_suppression(ID).is_suppressed


def test_a_full_page_is_small_goes_on_and_costs_the_same(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    suppress("mail", ADDRESS, "complained", START)
    few = requests_made(monkeypatch, lambda: browser.get(LIST))
    for number in range(60):
        url = f"https://example.com/{number}/".ljust(500, "<")
        suppress("webhook", url, "<" * 900, later(START, number + 1))
    assert requests_made(monkeypatch, lambda: browser.get(LIST)) == few
    shown, found = browser.get(LIST), []
    while True:
        assert len(shown.html.encode()) < 100_000
        found += listed(shown)
        following = re.search(r'rel="next" href="\.\./([^"]+)"', shown.html)
        if following is None:
            break
        shown = browser.get("/" + following[1].replace("&amp;", "&"))
    assert (len(found), len(set(found)), found[-1]) == (61, 61, ID)
