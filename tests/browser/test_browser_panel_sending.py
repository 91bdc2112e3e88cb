"""What the panel sends: at a time, by a template, urgently, not after all, once more. In each language."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from chalicelib.domain.times import iso, later, utc_now
from tests.browser.conftest import TIME_ZONE
from tests.support.deployment import COLD_SECONDS, Deployment, people
from tests.support.failing import two_minutes_have_passed
from tests.support.panel_desk import BAD_LINE, Desk, ids, known
from tests.support.panel_examples import unused
from tests.support.panel_in_browser import grave
from tests.support.smtp import Accept, Refuse, ScriptedSmtp

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

DAY = timedelta(days=1)
SOON_SECONDS = 8
"""Enough to fill in the rest of a form, and to send it."""


def typed(at: datetime, unit: str = "minutes") -> str:
    """A moment as a field has it where the desk stands."""
    return at.astimezone(ZoneInfo(TIME_ZONE)).replace(tzinfo=None).isoformat(timespec=unit)


def schedule(desk: Desk, title: str, at: datetime, users: str) -> str:
    """Have a new notification sent at a time; its id."""
    page = desk.page
    desk.write(title)
    page.fill("[name=users]", users)
    page.locator("[name=when][value=later]").check()
    page.fill("[name=send_at]", typed(at))
    desk.look(1)
    exact = iso(at.replace(second=0, microsecond=0))
    expect(page.locator(f"#preview time[datetime='{exact}']")).to_have_count(1)
    return desk.submit()


def test_what_waits_for_its_time_is_changed_and_sent_then(
    desk: Desk, vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    (person,), title, page = known(vestnik, 1), unused("On Sunday"), desk.page
    notification_id = schedule(desk, title, utc_now() + DAY, person.user_id)
    expect(page.locator("#progress progress")).to_have_attribute("value", "0")
    assert grave(page) == []

    page.locator("#offers a[href$='/change']").click()
    page.fill("[name=send_at]", typed(utc_now() - DAY))
    with desk.refused():
        desk.press(within="#change")
    expect(page.locator("#e-send_at")).to_be_visible()
    assert grave(page) == []
    page.fill("[name=title]", f"{title}, after all")
    # A field for people has no seconds, and a minute is long.
    page.locator("[name=send_at]").evaluate("each => { each.step = 1 }")
    due = later(utc_now(), SOON_SECONDS).replace(microsecond=0)
    page.fill("[name=send_at]", typed(due, "seconds"))
    desk.press(within="#change")
    desk.has_done("saved")
    expect(page.locator("h1")).to_have_text(f"{title}, after all")
    expect(page.locator(f"time[datetime='{iso(due)}']")).to_have_count(1)
    assert smtp.mails() == []
    desk.settled(1)
    (mail,) = smtp.wait_for_mails(1, COLD_SECONDS)
    assert (mail.recipient, mail.message["Subject"]) == (person.email, f"{title}, after all")
    assert mail.at >= due.timestamp()
    assert desk.open(f"notifications/{notification_id}").locator("#offers a[href$='/change']").count() == 0


SEND_WHILE_FRAMES_ARE_FILLED = """() => {
  document.querySelector('#send').click();
  for (const each of document.querySelectorAll('[data-press]')) each.form.requestSubmit(each);
}"""


def test_a_click_is_not_lost_to_what_frames_show(desk: Desk, vestnik: Deployment, smtp: ScriptedSmtp) -> None:
    persons = known(vestnik, 1)
    desk.write(unused("At once"))
    desk.page.fill("[name=users]", ids(persons))
    desk.look(1)
    desk.page.wait_for_load_state()
    desk.page.evaluate(SEND_WHILE_FRAMES_ARE_FILLED)
    desk.sent()
    desk.settled(1)
    assert smtp.counts() == {each.email: 1 for each in persons}


def test_what_waits_for_its_time_is_cancelled(desk: Desk, vestnik: Deployment, smtp: ScriptedSmtp) -> None:
    (person,), page = known(vestnik, 1), desk.page
    notification_id = schedule(desk, unused("On Sunday"), utc_now() + DAY, person.user_id)
    page.locator("#offers form[action$='/cancel'] button").click()
    desk.has_done("cancelled")
    expect(desk.count_of("cancelled")).to_have_text("1")
    expect(page.locator("#offers form, #offers a[href$='/change']")).to_have_count(0)
    assert grave(page) == []
    stored = vestnik.row("NOTIFICATIONS_TABLE", id=notification_id)
    assert stored is not None
    dispatch = vestnik.row("DISPATCHES_TABLE", id=stored["dispatch_id"])
    assert dispatch is not None
    assert dispatch["cancelled_at"]
    assert smtp.mails() == []


def test_a_template_is_filled_in_and_sent_urgently(
    desk: Desk, vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    english, russian = people(2)
    persons = vestnik.add_people([replace(english, locale="en"), replace(russian, locale="ru")])
    topic, page = unused("Plans"), desk.open("notifications/new")
    page.select_option("[name=template]", "meeting@1")
    page.fill("[name='variables.topic']", topic)
    page.fill("[name='variables.place']", "Room 4 & online")
    page.fill("[name='variables.starts_at']", "2026-11-27T13:30")
    expect(page.locator("[name=title]")).to_be_hidden()
    page.check("[name=is_express]")
    page.fill("[name=users]", ids(persons, BAD_LINE))
    with desk.refused():
        desk.press(within="#new-notification")
    expect(page.locator("#bad-lines tbody tr")).to_have_count(1)
    expect(page.locator("[name='variables.topic']")).to_have_value(topic)
    assert grave(page) == []

    page.check("[name=leave_out]")
    desk.look(2)
    expect(page.locator("#preview .mark.warn")).to_have_count(1)
    for language, title in (("en", f"Meeting: {topic}"), ("ru", f"Встреча: {topic}")):
        look = page.frame_locator(f"iframe[name=look-{language}]")
        expect(look.locator("h1")).to_have_text(title)
        expect(look.locator("body")).to_contain_text("Room 4 & online")
    notification_id = desk.submit()
    desk.settled(2)
    expect(desk.count_of("sent")).to_have_text("2")
    assert smtp.mail(to=english.email).message["Subject"] == f"Meeting: {topic}"
    mail = smtp.mail(to=russian.email)
    assert mail.message["Subject"] == f"Встреча: {topic}"
    assert "10:30" in mail.part("plain")  # it was half past one where it was typed
    stored = vestnik.row("NOTIFICATIONS_TABLE", id=notification_id)
    assert stored is not None
    assert stored["is_express"]
    find(desk, notification_id, f"Meeting: {topic}")


def find(desk: Desk, notification_id: str, title: str) -> None:
    """By the filters of the list, one of which would leave it out, and by its id."""
    page = desk.open("notifications")
    page.fill("[name=author]", f"administrator:{desk.login}")
    page.fill("[name=month]", f"{utc_now():%Y-%m}")
    page.select_option("[name=type]", "mail")
    page.select_option("[name=express]", "yes")
    page.locator("#filters button").click()
    page.wait_for_url("**express=yes*")
    expect(page.locator(f"#notifications a[href$='{notification_id}']")).to_have_text(title)
    page.select_option("[name=express]", "no")
    page.locator("#filters button").click()
    page.wait_for_url("**express=no*")
    expect(page.locator(f"#notifications a[href$='{notification_id}']")).to_have_count(0)
    page.fill("[name=id]", notification_id)
    page.locator("#find button").click()
    expect(page.locator("h1")).to_have_text(title)


def test_who_has_failed_is_sent_to_again_from_here_and_from_there(
    desk: Desk, vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    persons, page = known(vestnik, 2), desk.page
    smtp.script(Refuse("550 5.1.1 No such mailbox"))
    desk.write(unused("Refused"))
    page.fill("[name=users]", ids(persons))
    notification_id = desk.send(2)
    expect(desk.count_of("failed")).to_have_text("2")
    assert grave(page) == []
    page.locator("#progress .counts a[href*='status=failed']").click()
    expect(page.locator("#recipients tbody tr", has_text="No such mailbox")).to_have_count(2)
    page.locator(f"#recipients a[href$='{persons[0].user_id}']").click()
    page.locator("form[action$='/send_again'] button").click()
    desk.has_done("sent-again-none")  # they have failed just now

    stored = vestnik.row("NOTIFICATIONS_TABLE", id=notification_id)
    assert stored is not None
    two_minutes_have_passed(vestnik, stored["dispatch_id"], persons)
    smtp.script(Accept(), to=persons[0].email)
    desk.open(f"notifications/{notification_id}")
    page.locator("#again button").click()
    desk.has_done("sent-again")
    vestnik.sweep()
    desk.settled(2)
    assert [desk.count_of(each).inner_text() for each in ("sent", "failed")] == ["1", "1"]

    two_minutes_have_passed(vestnik, stored["dispatch_id"], persons[1:])
    smtp.behave()
    desk.open("operations/failures")
    row = page.locator("#failures tr", has=page.locator(f"a[href$='{notification_id}']"))
    expect(row).to_contain_text("No such mailbox")
    row.locator("form button").click()
    desk.has_done("sent-again")
    expect(row).to_have_count(0)
    vestnik.sweep()
    desk.open(f"notifications/{notification_id}")
    desk.settled(2)
    expect(desk.count_of("sent")).to_have_text("2")
    assert smtp.counts() == {each.email: 1 for each in persons}
