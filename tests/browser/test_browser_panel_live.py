"""What of the panel is drawn again and again, in a real browser upon the app of this process.

The browser's clock and the server's are in the test's hands.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from tests.browser.conftest import watched
from tests.support.api import Api, set_api_clock
from tests.support.aws import World
from tests.support.factories import START, user_ids
from tests.support.panel import visitor

pytestmark = [pytest.mark.browser]

BASE = "http://localhost:1"
HIDDEN = "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})"
SEEN = "delete document.hidden"
FOCUSED = "document.activeElement.id"


@dataclass
class Panel:
    """A page of the panel, and what stands between it and the app."""

    page: Page
    world: World
    api: Api
    cookies: str
    fault: int | None = None
    """What is answered instead of the app's answer; 0 is nothing."""
    asked: list[str] = field(default_factory=list)
    """What htmx has asked for."""

    def answer(self, route: Route) -> None:
        request = route.request
        headers = request.all_headers()
        if headers.get("hx-request"):
            self.asked.append(request.url)
        if self.fault == 0:
            route.abort()
        elif self.fault:
            route.fulfill(status=self.fault, body="{}", content_type="application/json")
        else:
            path = request.url.removeprefix(BASE)
            found = self.api.request(
                request.method,
                path,
                body=request.post_data_buffer or b"",
                headers={**headers, "cookie": self.cookies},
            )
            route.fulfill(status=found.status, body=found.body, headers=dict(found.headers))

    def open(self, path: str) -> None:
        self.page.goto(f"{BASE}/admin/{path}")

    def live(self, seconds: int) -> None:
        """Let time pass, for the browser and for the server."""
        self.world.clock.advance(seconds)
        self.page.clock.run_for(seconds * 1000)


@pytest.fixture
def panel(world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Panel]:
    set_api_clock(monkeypatch, world.clock)
    context = browser.new_context()
    cookies = "; ".join(f"{name}={value}" for name, value in visitor(now=START).cookies.items())
    with watched(context) as (page, complaints):
        panel = Panel(page, world, Api(), cookies)
        page.route("**/*", panel.answer)
        page.clock.install(time=START)
        yield panel
        assert [
            each for each in complaints if "Failed to load resource" not in each and "htmx:" not in each
        ] == []
    context.close()


def sent_to(world: World, recipients: int) -> str:
    """A notification that is on its way; the path of its page."""
    world.knows(user_ids(recipients))
    return f"notifications/{world.submit(user_ids(recipients)).notification_id}"


def test_who_stands_on_a_number_stays_there_when_it_is_drawn_again(panel: Panel) -> None:
    panel.open(sent_to(panel.world, 3))
    panel.page.focus("#count-queued")
    panel.world.fan_out()
    panel.world.deliver(limit=1)
    panel.live(2)
    expect(panel.page.locator("#count-queued .count")).to_have_text("2")
    assert panel.page.evaluate(FOCUSED) == "count-queued"
    panel.world.settle()
    panel.live(2)
    expect(panel.page.locator("#progress[data-refresh]")).to_have_count(0)
    asked = len(panel.asked)
    panel.live(60)
    assert len(panel.asked) == asked == 2, "it is over"


@pytest.mark.parametrize("place", ["#figures-summary", "#figures-table"])
def test_who_stands_in_the_figures_stays_there_when_they_are_drawn_again(panel: Panel, place: str) -> None:
    panel.open("operations")
    panel.page.click("#figures-summary")
    panel.page.focus(place)
    first = panel.page.locator("#now > p time").get_attribute("datetime")
    panel.live(10)
    expect(panel.page.locator("#now > p time")).not_to_have_attribute("datetime", str(first))
    assert f"#{panel.page.evaluate(FOCUSED)}" == place


@pytest.mark.parametrize(("place", "seconds"), [("#progress", 2), ("#now", 10)])
@pytest.mark.parametrize("fault", [0, 502])
def test_trouble_is_told_until_it_is_over(panel: Panel, place: str, seconds: int, fault: int) -> None:
    panel.open(sent_to(panel.world, 3) if place == "#progress" else "operations")
    said = panel.page.locator(f"{place} > [role=alert]")
    expect(said).to_be_empty()
    panel.fault = fault
    panel.live(seconds)
    expect(said).to_have_text("The server cannot be reached, or does not answer.")
    panel.fault = None
    panel.live(seconds)
    expect(said).to_be_empty()


def test_nothing_is_asked_for_while_nobody_looks(panel: Panel) -> None:
    panel.open(sent_to(panel.world, 3))
    panel.page.evaluate(HIDDEN)
    panel.live(60)
    assert panel.asked == []
    panel.page.evaluate(SEEN)
    with panel.page.expect_response("**/notifications/*"):
        panel.live(2)


def test_what_was_stopped_on_its_way_can_be_sent_again(panel: Panel) -> None:
    panel.open("account")
    posted: list[str] = []
    panel.page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    panel.page.route("**/logout_everywhere", lambda route: route.fulfill(status=204))  # it leads nowhere
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    panel.page.on("dialog", agree)
    button = panel.page.locator("form[action$='/logout_everywhere'] button")
    for seconds in (1, 9, 1):
        button.click()
        panel.page.clock.run_for(seconds * 1000)
    assert len(posted) == 2
    assert set(asked) == {"Log out on every device, this one too?"}
