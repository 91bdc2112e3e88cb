"""How far a notification has come, as its page shows it again and again."""

import re
from datetime import timedelta

import pytest

from chalicelib.services.rights import Role
from chalicelib.tables.dispatches import Dispatch
from tests.support.api import set_api_clock
from tests.support.aws import World
from tests.support.factories import START, user_ids
from tests.support.panel import Browser, Shown, visitor

HTMX: dict[str, str | None] = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_api_clock(monkeypatch, world.clock)


@pytest.fixture
def browser() -> Browser:
    return visitor(Role.SENDER, now=START)


def path_of(dispatch: Dispatch) -> str:
    return f"/admin/notifications/{dispatch.notification_id}"


def asks(shown: Shown) -> str:
    """Where the part of the page asks again."""
    found = re.search(r'id="progress"[^>]* hx-get="(?:\.\./)+([^"]+)"', shown.html)
    assert found, shown.html
    return "/" + found[1].replace("&amp;", "&")


def seconds_between(shown: Shown) -> int:
    found = re.search(r'id="progress" data-refresh="(\d+)"', shown.html)
    assert found, shown.html
    return int(found[1])


def test_it_is_asked_for_while_something_is_to_be_sent(world: World, browser: Browser) -> None:
    users = user_ids(4)
    world.knows(users)
    dispatch = world.submit(users)
    shown = browser.get(path_of(dispatch))
    assert seconds_between(shown) == 2
    assert "0 of 4" in shown.text
    assert 'X-By-Itself": "yes"' in shown.html
    world.fan_out()
    world.deliver(limit=2)
    world.clock.advance(2)
    part = browser.get(asks(shown), HTMX)
    assert "<html" not in part.html
    assert "2 of 4" in part.text
    assert "60 a minute" in part.text
    assert "left" not in part.text, "that was too short a time"
    assert 'id="offers"' not in part.html, "nothing else can be done than before"
    world.settle()
    world.clock.advance(2)
    last = browser.get(asks(part), HTMX)
    assert "hx-get" not in last.html
    assert "data-refresh" not in last.html
    assert "Nothing is left to send." in last.text
    assert 'hx-swap-oob="true"' in last.html
    assert "Cancel it" not in last.html


@pytest.mark.parametrize(
    ("seconds", "rate", "words", "in_russian"),
    [
        (4, 100, "100 a second · about 9 minutes left", "100 в секунду · осталось примерно 9 минут"),
        (360, 2.5, "150 a minute · about 6 minutes left", "150 в минуту · осталось примерно 6 минут"),
        (497, 100, "100 a second · about 43 seconds left", "100 в секунду · осталось примерно 43 секунды"),
        (9, 0.02, "1 a minute · about 13 hours left", "1 в минуту · осталось примерно 13 часов"),
    ],
)
def test_how_fast_it_goes_and_how_long_it_takes_is_said_in_words(
    world: World, browser: Browser, seconds: int, rate: float, words: str, in_russian: str
) -> None:
    asked = f"{path_of(world.submit(user_ids(901)))}?done=0&at={START.timestamp() + seconds - 2}&rate={rate}"
    world.clock.advance(seconds)
    assert words in browser.get(asked, HTMX).text
    browser.cookies["vestnik-language"] = "ru"
    assert in_russian in browser.get(asked, HTMX).text


def test_before_anything_is_sent_no_time_is_told(world: World, browser: Browser) -> None:
    shown = browser.get(path_of(world.submit(user_ids(2))))
    for _ in range(20):
        world.clock.advance(2)
        shown = browser.get(asks(shown), HTMX)
        assert "On its way…" in shown.text
        assert "left" not in shown.text


@pytest.mark.parametrize(
    "query",
    [
        "done=x&at=y&rate=z",
        "done=-5&at=1e999",
        "done=9&at=9999999999999",
        "at=nan",
        "done=0&at=1&rate=nan",
        "done=0&at=1&rate=1e-320",
        "done=0&at=1&rate=1e320",
        "done=0&at=1&rate=-1",
    ],
)
def test_a_made_up_question_is_answered(world: World, browser: Browser, query: str) -> None:
    dispatch = world.submit(user_ids(2))
    assert browser.get(path_of(dispatch) + "?" + query, HTMX).status == 200


def test_what_waits_for_its_time_is_seldom_asked_for(world: World, browser: Browser) -> None:
    dispatch = world.submit(user_ids(1), send_at=START + timedelta(hours=5))
    shown = browser.get(path_of(dispatch))
    assert seconds_between(shown) == 30
    assert "Waiting for its time." in shown.text
    assert "2026-11-23 15:00:00" in shown.text


def test_what_is_drawn_again_can_have_the_focus_again(world: World, browser: Browser) -> None:
    """htmx gives it back to what has the same id."""
    html = browser.get(path_of(world.submit(user_ids(2), send_at=START + timedelta(hours=5)))).html
    parts = html[html.index('id="offers"') : html.index('class="cards"')]
    assert [each for each in re.findall(r"<(?:a|button|summary)\b[^>]*>", parts) if " id=" not in each] == []
    assert 'id="count-queued"' in parts
    assert '<p class="error" role="alert"></p>' in parts, "where trouble is told"
