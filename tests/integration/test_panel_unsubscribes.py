"""The panel's unsubscribes: listed, found, made and taken back."""

import re

import pytest

from chalicelib.services.rights import Role
from chalicelib.tables.unsubscribes import ERASED_AGAIN_AFTER_SECONDS, Unsubscribe, find
from tests.support.api import set_api_clock
from tests.support.audited import BY_MANAGER, audited
from tests.support.aws import World
from tests.support.factories import START, user_id, user_ids
from tests.support.panel import Browser, visitor
from tests.support.requests_made import requests_made

ANNA, BORIS, CARL = user_ids(3)
LIST = "/admin/unsubscribes"


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_api_clock(monkeypatch, world.clock)


@pytest.fixture
def browser(world: World) -> Browser:
    return visitor(now=START)


def refuses(user: str = ANNA) -> set[str]:
    found = find(user)
    return set(found.scopes or ()) if found else set()


def test_the_list_has_the_last_changed_first(world: World, browser: Browser) -> None:
    assert "No unsubscribes" in browser.get(LIST).text
    for user, scope in ((ANNA, "*"), (BORIS, "mail")):
        world.unsubscribes(user, scope)
        world.clock.advance(1)
    world.erases(CARL)
    page = browser.get(LIST)
    assert re.findall(r'class="mono" href="\.\./admin/unsubscribes/([^"]+)"', page.html) == [
        CARL,
        BORIS,
        ANNA,
    ]
    rows = page.text[page.text.index("Changed") : page.text.index("Unsubscribe a user")]
    assert re.findall("everything|mail|erased", rows) == ["everything", "erased", "mail", "everything"]


def test_a_user_is_found_by_their_id(browser: Browser) -> None:
    assert browser.get(f"{LIST}?user={ANNA.upper()}").path == f"{LIST}/{ANNA}"
    assert "The user has not unsubscribed from anything" in browser.get(f"{LIST}/{ANNA}").text
    wrong = browser.get(f"{LIST}?user=%3Cb%3E")
    assert (wrong.status, "Not a user id" in wrong.text) == (422, True)
    assert "<b>" not in wrong.html
    assert browser.get(f"{LIST}/anna").status == 404


def test_a_user_is_unsubscribed_and_subscribed_again(browser: Browser) -> None:
    done = browser.post(LIST, {"user_id": f" {ANNA} ", "channel": "mail"})
    assert (done.path, "Unsubscribed" in done.text) == (f"{LIST}/{ANNA}?done=unsubscribed", True)
    assert refuses() == {"mail"}
    browser.post(LIST, {"user_id": ANNA, "channel": "telegram"})
    browser.post(LIST, {"user_id": ANNA, "channel": ""})
    assert refuses() == {"*", "mail", "telegram"}
    assert 'id="unsubscribe"' not in browser.get(f"{LIST}/{ANNA}").html
    assert "Subscribed again." in browser.post(f"{LIST}/{ANNA}/subscribe", {"channel": "mail"}).text
    assert refuses() == {"*", "telegram"}
    browser.post(f"{LIST}/{ANNA}/subscribe")
    assert refuses() == set()


def test_nothing_is_sent_to_who_was_unsubscribed_here(world: World, browser: Browser) -> None:
    world.knows([ANNA])
    browser.post(LIST, {"user_id": ANNA, "channel": "mail"})
    world.submit([ANNA])
    world.settle()
    assert not world.channel.sent
    browser.post(f"{LIST}/{ANNA}/subscribe", {"channel": "mail"})
    world.submit([ANNA])
    world.settle()
    assert len(world.channel.sent) == 1


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"user_id": "anna"}, "user_id", "Not a user id: a UUID is needed."),
        ({"user_id": ""}, "user_id", "Not a user id: a UUID is needed."),
        ({"user_id": ANNA, "channel": "pigeon"}, "channel", "unknown channel; there are: "),
    ],
)
def test_what_cannot_be_taken_is_said_at_its_field(
    world: World, browser: Browser, fields: dict[str, str], field: str, reason: str
) -> None:
    refused = browser.post(LIST, fields)
    assert refused.status == 422
    assert f'id="e-{field}">{reason}' in refused.html
    assert not world.table("UNSUBSCRIBES_TABLE")


def test_an_unknown_channel_is_not_subscribed_to(world: World, browser: Browser) -> None:
    world.unsubscribes(ANNA, "mail")
    assert browser.post(f"{LIST}/{ANNA}/subscribe", {"channel": "<b>"}).status == 422
    assert refuses() == {"mail"}


def test_an_erased_user_comes_back_when_the_erasure_has_ended(world: World, browser: Browser) -> None:
    world.erases(ANNA)
    page = browser.get(f"{LIST}/{ANNA}")
    assert "This user’s data is erased" in page.text
    refused = browser.post(f"{LIST}/{ANNA}/subscribe")
    assert (refused.status, "just being erased" in refused.text) == (409, True)
    world.clock.advance(ERASED_AGAIN_AFTER_SECONDS + 1)
    world.sweep()
    assert "Subscribed again." in browser.post(f"{LIST}/{ANNA}/subscribe").text
    assert refuses() == set()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SENDER])
def test_only_a_manager_comes_here(world: World, role: Role) -> None:
    world.unsubscribes(ANNA, "mail")
    browser = visitor(role, now=START)
    for path in (LIST, f"{LIST}/{ANNA}"):
        assert browser.get(path).status == 403
    assert browser.post(LIST, {"user_id": ANNA}).status == 403
    assert browser.post(f"{LIST}/{ANNA}/subscribe").status == 403
    assert refuses() == {"mail"}


def test_a_full_page_is_small_goes_on_and_costs_the_same(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.unsubscribes(ANNA, "mail")
    few = requests_made(monkeypatch, lambda: browser.get(LIST))
    for number in range(2, 62):
        world.unsubscribes(user_id(number), "*")
        world.clock.advance(1)
    assert requests_made(monkeypatch, lambda: browser.get(LIST)) == few
    shown, found = browser.get(LIST), []
    while True:
        assert len(shown.html.encode()) < 100_000
        found += re.findall(r'href="\.\./admin/unsubscribes/([0-9a-f-]{36})"', shown.html)
        following = re.search(r'rel="next" href="\.\./([^"]+)"', shown.html)
        if following is None:
            break
        shown = browser.get("/" + following[1].replace("&amp;", "&"))
    assert found == [user_id(each) for each in range(61, 0, -1)]
    assert browser.get(f"{LIST}?cursor=xx").status == 422


def test_who_has_just_subscribed_again_leaves_no_empty_end(world: World, browser: Browser) -> None:
    for number in range(1, 28):
        world.unsubscribes(user_id(number), "mail")
        world.clock.advance(1)
    for row in list(Unsubscribe.scan()):  # the index may lag: the rows are gone, their places are not
        if row.user_id > user_id(2):
            Unsubscribe.change(row.user_id, actions=[Unsubscribe.scopes.remove()])
    page = browser.get(LIST)
    assert "Nothing on this page" in page.text
    assert 'rel="next"' in page.html


def test_what_is_done_here_is_in_the_audit_log(browser: Browser) -> None:
    browser.post(LIST, {"user_id": ANNA, "channel": "mail"})
    browser.post(LIST, {"user_id": ANNA, "channel": "mail"})
    browser.post(LIST, {"user_id": ANNA, "channel": "pigeon"})
    browser.post(f"{LIST}/{ANNA}/subscribe", {"channel": "mail"})
    assert audited() == [
        (BY_MANAGER, "unsubscribed", "unsubscribe", ANNA),
        (BY_MANAGER, "subscribed", "unsubscribe", ANNA),
    ]
