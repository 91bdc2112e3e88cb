"""Every page of the deployed panel: by the keyboard, to a screen reader, on a phone, by night."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page

from chalicelib.admin import words
from chalicelib.admin.declaring import View
from chalicelib.domain.times import utc_now
from chalicelib.services import notifications
from chalicelib.services.administrators import create_administrator
from chalicelib.services.rights import Role, administrator
from tests.browser.conftest import HEIGHT, WIDTH, watched
from tests.support.deployment import COLD_SECONDS, Deployment
from tests.support.panel import PASSWORD
from tests.support.panel_examples import Examples, unused, views
from tests.support.panel_in_browser import grave, keyboard_faults, log_in, too_wide
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

PHONE = 390
PAGES = [view for view in views("GET") if not view.is_open and view.path]


@dataclass(frozen=True)
class Panel:
    """The panel with one of everything, and a manager who is logged in."""

    base: str
    page: Page
    complaints: list[str]
    examples: Examples

    def open(self, view: View) -> bool:
        """Open a page; False if it is a file, or a part of a page."""
        self.complaints.clear()
        path = self.examples.path_of(view)
        answer = self.page.request.get(self.base + path)
        assert answer.status == 200, path
        if "<html" not in answer.text():
            return False
        self.page.goto(self.base + path)
        return True


def _said(name: str) -> str:
    """Tags and long words: what users write."""
    return (
        f"{name} <b>of</b> "
        + "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
    )


def _sent(notification_id: str) -> None:
    def is_sent() -> bool:
        counts = notifications.find(notification_id, administrator("boris"), utc_now()).counts
        return not counts["queued"] + counts["unsent"]

    wait_until(is_sent, COLD_SECONDS, f"{notification_id} sent")


@pytest.fixture(scope="module")
def panel(vestnik: Deployment, services: None, browser: Browser) -> Iterator[Panel]:
    login = unused("anna")
    create_administrator(login, utc_now(), PASSWORD, Role.MANAGER)
    examples = Examples(_said, _sent)
    examples.everything()
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    with watched(context) as (page, complaints):
        log_in(page, vestnik.api_url, login)
        yield Panel(vestnik.api_url, page, complaints, examples)
    context.close()


def read_in(panel: Panel, language: str) -> None:
    panel.page.context.add_cookies([{"name": "vestnik-language", "value": language, "url": panel.base}])


@pytest.mark.parametrize("view", PAGES, ids=lambda view: view.name.removeprefix("panel_get_"))
def test_a_page_is_for_everybody(panel: Panel, view: View) -> None:
    page = panel.page
    read_in(panel, "en")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.emulate_media(color_scheme="light")
    if not panel.open(view):
        pytest.skip("no page of its own")
    titles = [page.title()]
    found = {"light": grave(page), "keyboard": keyboard_faults(page), "wide": too_wide(page)}

    # By night on a phone. Russian words are longer: it is they that have to find room.
    read_in(panel, "ru")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": PHONE, "height": HEIGHT})
    page.reload()
    titles.append(page.title())
    found |= {"dark": grave(page), "wide on a phone": too_wide(page)}
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert panel.complaints == []
    assert page.locator("html").get_attribute("lang") == "ru"
    assert titles[0] != titles[1] or titles[0].partition(" · ")[0] not in words.catalogue("ru")._catalog  # type: ignore[attr-defined]


def test_without_its_script_the_menu_can_be_used(panel: Panel, browser: Browser) -> None:
    context = browser.new_context(
        viewport={"width": PHONE, "height": HEIGHT},
        java_script_enabled=False,
        storage_state=panel.page.context.storage_state(),
    )
    page = context.new_page()
    page.goto(f"{panel.base}/admin/account")
    page.locator(".menu summary").click()
    page.locator("nav a[href$='admin/operations']").click()
    page.wait_for_url("**/admin/operations")
    context.close()
