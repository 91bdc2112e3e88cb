"""A real browser with the network cut off: what a page asks of anybody but the deployment fails the test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect, sync_playwright

if TYPE_CHECKING:
    from tests.support.deployment import Deployment
    from tests.support.panel_desk import Desk

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",  # as root, as in CI
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
WIDTH, HEIGHT = 1280, 900
PATIENCE_MS = 30_000
"""For functions that start first, on a machine that others use too."""
TIME_ZONE = "Europe/Moscow"
"""Where who uses the panel is: not where the functions are."""
TELL_REFUSALS = """document.addEventListener('securitypolicyviolation', event =>
  console.error(`refused by the policy: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`))"""


def chromium() -> str | None:
    """Where Chromium is, if it is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium. In CI it has to be there."""
    program = chromium()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(f"none of {', '.join(PROGRAMS)} is installed", pytrace=False)
        pytest.skip(f"none of {', '.join(PROGRAMS)} is installed: `apt-get install chromium`")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page; at its end nothing may have been asked of others, and nothing stand in the console."""
    with watched(context) as (page, complaints):
        yield page
        assert complaints == []


@contextmanager
def watched(context: BrowserContext) -> Iterator[tuple[Page, list[str]]]:
    """A page, and a list that grows by all it does wrong: what its policy refuses, too."""
    complaints: list[str] = []

    def only_here(route: Route) -> None:
        if route.request.url.startswith(("http://127.0.0.1:", "http://localhost:")):
            route.continue_()
        else:
            complaints.append(f"asked for {route.request.url}")
            route.abort()

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    context.route("**/*", only_here)
    context.add_init_script(TELL_REFUSALS)
    page = context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(f"thrown: {error}"))
    yield page, complaints
    page.close()


@pytest.fixture(scope="module")
def services(vestnik: "Deployment") -> Iterator[None]:
    """The services in this process, upon the deployed stack, as the operator's commands have them."""
    from tests.support.deployed_services import as_a_function  # what other tests need not load

    vestnik.deploy()
    with as_a_function(vestnik):
        yield


@pytest.fixture(scope="module", params=["en", "ru"])
def seat(
    request: pytest.FixtureRequest, vestnik: "Deployment", services: None, browser: Browser
) -> Iterator["Desk"]:
    """A manager who has chosen their language at the door, and come in."""
    from chalicelib.domain.times import utc_now
    from chalicelib.services.administrators import create_administrator
    from chalicelib.services.rights import Role
    from tests.support.panel import PASSWORD
    from tests.support.panel_examples import unused

    login = unused("maria")
    create_administrator(login, utc_now(), PASSWORD, Role.MANAGER)
    with at_the_door(browser, vestnik, login, request.param) as desk:
        desk.come_in()
        yield desk


@contextmanager
def at_the_door(browser: Browser, vestnik: "Deployment", login: str, language: str) -> Iterator["Desk"]:
    """Somebody in a browser of their own, who has chosen their language at the door."""
    from tests.support.panel_desk import Desk

    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", timezone_id=TIME_ZONE
    )
    with watched(context) as (page, complaints):
        page.set_default_timeout(PATIENCE_MS)
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(f"{vestnik.api_url}/admin/")
        page.locator(f"button[name=language][value={language}]").click()
        expect(page.locator(f"html[lang={language}]")).to_have_count(1)
        yield Desk(page, vestnik.api_url, login, language, complaints)
    context.close()


@pytest.fixture
def desk(seat: "Desk") -> Iterator["Desk"]:
    """The manager at the panel; at a test's end nothing may stand in the console."""
    seat.complaints.clear()
    yield seat
    assert seat.complaints == []
    assert seat.page.locator("html").get_attribute("lang") == seat.language
