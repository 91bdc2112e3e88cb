"""Users at the panel: how they are reached, what they are not sent, what is kept about them, and its end."""

import json
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chalicelib.domain.times import utc_now
from chalicelib.tables.suppressions import suppress, suppression_id
from tests.support.deployment import Deployment
from tests.support.panel_desk import Desk, known
from tests.support.panel_examples import unused
from tests.support.panel_in_browser import grave
from tests.support.smtp import ScriptedSmtp

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.parametrize("seat", ["en"], indirect=True, scope="module"),
]


def test_a_contact_is_put_changed_and_deleted(desk: Desk, vestnik: Deployment) -> None:
    user_id, email = str(uuid.uuid4()), f"{unused('anna')}@example.com"
    page = desk.open(f"contacts/{user_id}")
    expect(page.locator("#offers form")).to_have_count(0)
    page.fill("[name=name]", "Anna")
    page.fill("[name=email]", "nobody")
    page.select_option("[name=locale]", "ru")
    with desk.refused():
        desk.press(within="#contact")
    expect(page.locator("#e-email")).to_be_visible()
    expect(page.locator("[name=locale]")).to_have_value("ru")
    assert grave(page) == []
    page.fill("[name=email]", email)
    desk.press(within="#contact")
    desk.has_done("saved")
    assert grave(page) == []
    page.fill("[name=name]", "Anna Pavlova")
    page.fill("[name=time_zone]", "Europe/Samara")
    desk.press(within="#contact")
    desk.has_done("saved")
    expect(page.locator("h1")).to_have_text("Anna Pavlova")
    stored = vestnik.row("CONTACTS_TABLE", user_id=user_id)
    assert stored is not None
    kept = {name: stored.get(name) for name in ("email", "name", "locale", "time_zone")}
    assert kept == {"email": email, "name": "Anna Pavlova", "locale": "ru", "time_zone": "Europe/Samara"}

    page.locator("#offers form[action$='/delete'] button").click()
    desk.has_done("deleted")
    expect(page.locator("[name=email]")).to_have_value("")
    assert grave(page) == []
    assert vestnik.row("CONTACTS_TABLE", user_id=user_id) is None


def test_a_user_is_looked_at_taken_along_and_erased(
    desk: Desk, vestnik: Deployment, smtp: ScriptedSmtp, tmp_path: Path
) -> None:
    (person,), page = known(vestnik, 1), desk.page
    desk.write(title := unused("News"))
    page.fill("[name=users]", person.user_id)
    notification_id = desk.send(1)
    assert smtp.counts() == {person.email: 1}

    desk.open(f"contacts/{person.user_id}")
    page.locator(f"#offers a[href$='users/{person.user_id}']").click()
    expect(page.locator(f"#sent a[href$='{notification_id}']")).to_have_text(title)
    with page.expect_download() as taken:
        page.locator("a[download]").click()
    taken.value.save_as(tmp_path / "user.json")
    kept = json.loads((tmp_path / "user.json").read_text("utf-8"))
    assert [each["address"] for each in kept["results"]] == [person.email]

    with desk.refused():
        page.locator("#erase button").click()
    expect(page.locator("#e-agreed")).to_be_visible()
    assert grave(page) == []
    page.check("#erase [name=agreed]")
    page.locator("#erase button").click()
    desk.has_done("erased")
    expect(page.locator("#none-sent")).to_be_visible()
    assert grave(page) == []
    assert vestnik.row("CONTACTS_TABLE", user_id=person.user_id) is None
    for path in ("contacts", "unsubscribes"):
        expect(desk.open(f"{path}/{person.user_id}").locator("#erased")).to_be_visible()
        assert grave(page) == []
    with desk.refused(409):  # what was on its way has first to be gone
        page.locator("#refuses form button").click()
    expect(page.locator("main > .said.bad")).to_be_visible()
    assert grave(page) == []


def test_a_suppression_is_found_and_lifted(desk: Desk, vestnik: Deployment, smtp: ScriptedSmtp) -> None:
    (person,), page = known(vestnik, 1), desk.page
    suppress("mail", person.email, "bounced: 550 no such mailbox", utc_now())
    desk.open("suppressions")
    page.select_option("[name=channel]", "mail")
    page.fill("[name=address]", person.email)
    page.locator("#filters button").click()
    page.wait_for_url("**address=*")
    found = page.url
    page.locator("#suppressions a").click()
    expect(page.locator("h1")).to_have_text(person.email)
    page.locator("form[action$='/lift'] button").click()
    desk.has_done("lifted")
    expect(page.locator("#suppression .mark.good")).to_have_count(1)
    expect(page.locator("form[action$='/lift']")).to_have_count(0)
    assert grave(page) == []
    page.goto(found)
    expect(page.locator("main .empty")).to_be_visible()
    assert grave(page) == []
    stored = vestnik.row("SUPPRESSIONS_TABLE", id=suppression_id("mail", person.email))
    assert stored is not None
    assert stored["lifted_by"] == f"administrator:{desk.login}"

    desk.write("To somebody")
    page.fill("[name=users]", person.user_id)
    desk.send(1)
    expect(desk.count_of("sent")).to_have_text("1")
    assert smtp.counts() == {person.email: 1}
