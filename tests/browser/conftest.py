"""A real browser with the network cut off: what a page asks of anybody but the deployment fails the test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, sync_playwright

if TYPE_CHECKING:
    from tests.support.deployment import Deployment

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
