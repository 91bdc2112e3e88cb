"""What people do in the panel, from the door to the last letter, in each of its languages."""

import re
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.deployment import Deployment, people
from tests.support.panel_desk import BAD_LINE, Desk, ids, known
from tests.support.panel_examples import unused
from tests.support.panel_in_browser import grave, log_in
from tests.support.smtp import ScriptedSmtp

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


def test_a_notification_is_written_looked_at_sent_and_copied(
    desk: Desk, vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    persons, title = known(vestnik, 2), f"Open on Sunday {uuid.uuid4().hex[:8]} <b>"
    page = desk.page
    desk.write(title)
    page.fill("[name=users]", ids(persons))
    desk.press(within="#new-notification")
    for language in ("en", "ru"):
        look = page.frame_locator(f"iframe[name=look-{language}]")
        expect(look.locator("h1")).to_have_text(title)
    page.emulate_media(color_scheme="dark")
    assert grave(page) == []
    # A mail has its colours of the night then, which a white ground would hide.
    ground = page.locator("iframe[name=look-en]").evaluate("each => getComputedStyle(each).backgroundColor")
    assert ground != "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="light")
    page.locator("button[name=back]").click()
    expect(page.locator("[name=title]")).to_have_value(title)

    notification_id = desk.send(2)
    expect(page.locator("#progress .counts a[href*='status=sent'] .count")).to_have_text("2")
    assert {mail.recipient for mail in smtp.mails()} == {each.email for each in persons}

    page.locator("a[href$='/recipients']").first.click()
    expect(page.locator("#recipients tbody tr")).to_have_count(2)
    page.locator(f"#recipients a[href$='{persons[1].user_id}']").click()
    expect(page.locator("h1 code")).to_have_text(persons[1].user_id)

    desk.open(f"notifications/{notification_id}")
    page.locator("#offers a[href*='copy=']").click()
    expect(page.locator("[name=title]")).to_have_value(title)
    copied = set(page.locator("[name=users]").input_value().split())
    assert copied == {each.user_id for each in persons}


LATER = "const now = Date.now; Date.now = () => now() + 10 * 60_000"


def test_a_session_that_ends_takes_nothing_of_what_was_typed(desk: Desk, vestnik: Deployment) -> None:
    (person,), title = known(vestnik, 1), f"Written for long {uuid.uuid4().hex[:8]}"
    page = desk.page
    desk.write(title)
    page.fill("[name=users]", person.user_id)
    page.context.clear_cookies(name="vestnik-session")
    page.evaluate(LATER)
    with desk.refused(401):
        desk.press(within="#new-notification")
    expect(page.locator("#ended")).to_be_visible()
    with page.context.expect_page() as opened:
        page.locator("#ended a").click()
    log_in(opened.value, desk.base, desk.login)
    opened.value.close()
    desk.look(1)
    assert title in page.locator("main").inner_text()


def test_a_file_with_a_bad_line_is_sent_to_when_that_is_agreed_to(
    desk: Desk, vestnik: Deployment, tmp_path: Path
) -> None:
    persons = known(vestnik, 3)
    file = tmp_path / "recipients.csv"
    file.write_text(
        "\n".join(["user_id", persons[0].user_id, BAD_LINE, *[each.user_id for each in persons[1:]]])
    )
    page = desk.page
    desk.write("To a file")
    page.locator("[name=way][value=file]").check()
    page.set_input_files("#upload-file", file)
    page.locator("#upload [data-start]").click()
    rows = page.locator("#upload .report tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.locator("td").first).to_have_text("3")
    with desk.refused():
        desk.press(within="#new-notification")
    expect(page.locator("#e-file")).to_be_visible()  # nobody has agreed to leave that line out
    page.set_input_files("#upload-file", file)
    page.locator("#upload [data-start]").click()
    page.locator("#upload .report button.danger").click()
    expect(page.locator("#upload .told .said.warn, #upload .told .said.good")).to_have_count(1)
    expect(page.locator("[name=uploaded_parts]")).to_have_value("1")
    desk.send(3)


def register(desk: Desk, slug: str) -> str:
    page = desk.open("new/application")
    page.fill("[name=slug]", slug)
    desk.press(within="#register-application")
    expect(page.locator("#authorization")).to_be_visible()
    desk.changed.append(slug)
    return page.locator("#authorization").inner_text().partition(": ")[2]


def test_an_applications_password_is_shown_once(desk: Desk, vestnik: Deployment) -> None:
    slug = unused("shop")
    authorization = register(desk, slug)
    assert vestnik.ask("GET", "/api/v1/notifications/", authorization=authorization)["results"] == []
    password = authorization.split()[1]
    for path in (f"applications/{slug}", "applications", "audit"):
        assert password not in desk.open(path).content()


def test_a_frequency_shows_its_next_times_while_they_are_typed(desk: Desk, vestnik: Deployment) -> None:
    slug, page = unused("weekly"), desk.open("frequencies/_new")
    runs = page.locator("#times li time")
    expect(runs).to_have_count(5)
    page.locator("#f-kind-cron").check()
    page.locator("[name=time_zone]").fill("UTC")
    page.locator("[name=cron]").press_sequentially("30 9 * * MON-FRI")
    expect(runs).to_have_count(5)
    expect(runs.first).to_have_attribute("datetime", re.compile("T09:30:00.000Z$"))
    page.locator("[name=cron]").fill("30 99 * * *")
    expect(page.locator("#times .error")).to_be_visible()
    page.locator("[name=cron]").fill("30 9 * * *")
    expect(runs).to_have_count(5)
    page.fill("[name=slug]", slug)
    page.fill("[name=title]", "Each morning")
    page.fill("[name=text]", "There is news.")
    page.fill("[name=users]", known(vestnik, 1)[0].user_id)
    desk.press(within="#new-frequency")
    page.wait_for_url(f"**/admin/frequencies/{slug}*")
    desk.changed.append(slug)
    expect(page.locator("ol.runs li")).to_have_count(5)
    page.locator("form[action$='/pause'] button").click()
    expect(page.locator("form[action$='/resume']")).to_be_visible()
    expect(page.locator("ol.runs")).to_have_count(0)
    stored = vestnik.row("FREQUENCIES_TABLE", slug=slug)
    assert stored is not None
    assert stored["is_paused"]


def test_contacts_are_imported_and_a_bad_line_is_told(desk: Desk, tmp_path: Path) -> None:
    persons = people(2)
    file = tmp_path / "contacts.csv"
    lines = [f"{each.user_id},{each.email},{each.name},ru" for each in persons]
    file.write_text(
        "\n".join(["user_id,email,name,locale", lines[0], f"{BAD_LINE},x@example.com,X,ru", lines[1]])
    )
    page = desk.open("contacts/import")
    page.set_input_files("#import-file", file)
    page.locator("#import [data-start]").click()
    rows = page.locator("#import .report tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.locator("td").first).to_have_text("3")
    assert grave(page) == []
    desk.open("contacts")
    page.fill("[name=user]", persons[1].user_id)
    page.locator("#find button").click()
    expect(page.locator("[name=email]")).to_have_value(persons[1].email)


def test_a_user_is_unsubscribed_and_subscribed_again(desk: Desk, vestnik: Deployment) -> None:
    (person,) = known(vestnik, 1)
    page = desk.open("unsubscribes")
    page.fill("#unsubscribe [name=user_id]", person.user_id)
    page.select_option("#unsubscribe [name=channel]", "mail")
    desk.press(within="#unsubscribe")
    page.wait_for_url(f"**/admin/unsubscribes/{person.user_id}*")
    desk.changed.append(person.user_id)
    stored = vestnik.row("UNSUBSCRIBES_TABLE", user_id=person.user_id)
    assert stored is not None
    assert stored["scopes"] == {"mail"}
    page.locator("#refuses form[action$='/subscribe'] button").click()
    expect(page.locator("#nothing")).to_be_visible()
    stored = vestnik.row("UNSUBSCRIBES_TABLE", user_id=person.user_id)
    assert stored is not None
    assert "scopes" not in stored


def test_the_audit_log_has_it_all(desk: Desk) -> None:
    slug = unused("audited")
    register(desk, slug)
    page = desk.open(f"audit?who=administrator%3A{desk.login}")
    seen = page.locator("#audit").inner_text()
    assert [each for each in desk.changed if each not in seen] == []


def test_operations_are_seen(desk: Desk) -> None:
    page = desk.open("operations")
    expect(page.locator("svg[role=img]")).to_have_count(2)


def test_out_everywhere_is_out_here_and_there(desk: Desk, browser: Browser) -> None:
    """The last: it ends what the others use."""
    there = browser.new_context(storage_state=desk.page.context.storage_state())
    page = desk.open("account")
    page.locator("form[action$='/logout_everywhere'] button").click()
    page.wait_for_url("**/admin/login?done=logged-out-everywhere")
    other = there.new_page()
    other.goto(f"{desk.base}/admin/notifications")
    expect(other.locator("[name=password]")).to_be_visible()
    there.close()
