"""Who may come in: applications and administrators, their passwords; and what the audit log has of that."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import at_the_door
from tests.support.deployment import Deployment
from tests.support.panel_desk import Desk
from tests.support.panel_examples import unused
from tests.support.panel_in_browser import grave

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.parametrize("seat", ["en"], indirect=True, scope="module"),
]

OWN = "a password of one's own"


def test_an_application_from_its_first_password_to_its_end(desk: Desk, vestnik: Deployment) -> None:
    slug, page = unused("shop"), desk.open("new/application")

    def stored() -> dict[str, object]:
        found = vestnik.row("APPLICATIONS_TABLE", slug=slug)
        assert found is not None
        return found

    page.fill("[name=slug]", slug)
    desk.press(within="#register-application")
    first = page.locator("#password").inner_text()
    assert grave(page) == []
    page.locator(f"main .actions a[href$='applications/{slug}']").click()
    for each in page.locator("[name=scopes]").all():
        each.set_checked(each.get_attribute("value") == "read")
    desk.press(within="#change-scopes")
    desk.has_done("application-changed")
    assert stored()["scopes"] == {"read"}
    assert grave(page) == []

    page.fill("[name=keep_old_hours]", "0")
    page.locator("#rotate-password button").click()
    second = page.locator("#password").inner_text()
    assert second != first
    assert grave(page) == []
    assert vestnik.ask("GET", "/api/v1/notifications/", authorization=f"{slug} {second}")["results"] == []

    desk.open(f"applications/{slug}")
    page.locator("form[action$='/disable'] button").click()
    desk.has_done("application-changed")
    expect(page.locator("h1 .mark.bad")).to_have_count(1)
    assert stored()["is_active"] is False
    assert grave(page) == []
    page.locator("form[action$='/enable'] button").click()
    expect(page.locator("h1 .mark.good")).to_have_count(1)
    assert stored()["is_active"] is True

    look_up(desk, slug)


def look_up(desk: Desk, slug: str) -> None:
    """What the audit log has of all that, by its filters."""
    page = desk.open("audit")
    page.fill("[name=who]", f"administrator:{desk.login}")
    page.select_option("[name=via]", "panel")
    page.select_option("[name=kind]", "application")
    page.fill("[name=about]", slug)
    page.locator("#audit-filters button").click()
    page.wait_for_url(f"**about={slug}*")
    rows = page.locator("#audit tbody tr")
    expect(rows).to_have_count(5)
    expect(page.locator(f"#audit a[href$='applications/{slug}']")).to_have_count(5)
    page.select_option("[name=kind]", "contact")
    page.locator("#audit-filters button").click()
    page.wait_for_url("**kind=contact*")
    expect(page.locator("main .empty")).to_be_visible()
    assert grave(page) == []


@pytest.fixture
def newcomer(browser: Browser, vestnik: Deployment, desk: Desk) -> Iterator[Desk]:
    """Somebody at the door, in a browser of their own and in the other language."""
    with at_the_door(browser, vestnik, unused("clara"), "ru") as newcomer:
        yield newcomer
        assert newcomer.complaints == []


def test_an_administrator_is_made_let_in_and_out_again(desk: Desk, newcomer: Desk) -> None:
    manager, their, login = desk.open("new/administrator"), newcomer.page, newcomer.login
    manager.fill("[name=login]", login)
    manager.select_option("[name=role]", "viewer")
    desk.press(within="#add-administrator")
    password = manager.locator("#password").inner_text()
    assert grave(manager) == []

    assert grave(their) == []
    their.fill("[name=login]", login)
    their.fill("[name=password]", "none of theirs")
    with newcomer.refused():
        newcomer.press()
    expect(their.locator("main > .said.bad")).to_be_visible()
    expect(their.locator("[name=login]")).to_have_value(login)
    assert grave(their) == []
    newcomer.come_in(password)
    expect(their.locator("a[href$='admin/notifications/new']")).to_have_count(0)
    expect(their.locator("nav a[href$='admin/audit']")).to_have_count(0)
    assert grave(their) == []

    manager.locator(f"main .actions a[href$='administrators/{login}']").click()
    manager.select_option("#change-role [name=role]", "sender")
    desk.press(within="#change-role")
    desk.has_done("administrator-changed")
    newcomer.open("notifications")
    expect(their.locator("a[href$='admin/notifications/new']")).to_have_count(1)

    change_ones_password(newcomer, password)
    press_and_see_them_out(desk, newcomer, "end_sessions")
    desk.has_done("administrator-logged-out")
    newcomer.come_in(OWN)
    press_and_see_them_out(desk, newcomer, "password")
    given = manager.locator("#password").inner_text()
    assert grave(manager) == []
    newcomer.come_in(given)
    desk.open(f"administrators/{login}")
    press_and_see_them_out(desk, newcomer, "disable")
    expect(manager.locator("h1 .mark.bad")).to_have_count(1)
    their.fill("[name=login]", login)
    their.fill("[name=password]", given)
    with newcomer.refused():
        newcomer.press()
    manager.locator("form[action$='/enable'] button").click()
    expect(manager.locator("h1 .mark.good")).to_have_count(1)
    newcomer.come_in(given)


def change_ones_password(newcomer: Desk, password: str) -> None:
    page = newcomer.open("account")
    page.fill("[name=password]", "none of theirs")
    page.fill("[name=new_password]", OWN)
    page.fill("[name=repeated]", OWN)
    with newcomer.refused():
        newcomer.press()
    expect(page.locator("#e-password")).to_be_visible()
    assert grave(page) == []
    page.fill("[name=password]", password)
    page.fill("[name=new_password]", OWN)
    page.fill("[name=repeated]", OWN)
    newcomer.press()
    newcomer.has_done("password-changed")


def press_and_see_them_out(desk: Desk, newcomer: Desk, action: str) -> None:
    """Do something to the newcomer which ends what they are in."""
    form = desk.page.locator(f"form[action$='{newcomer.login}/{action}']")
    with desk.page.expect_navigation():
        form.locator("button").click()
    newcomer.open("account")
    newcomer.page.wait_for_url("**/admin/login*")
