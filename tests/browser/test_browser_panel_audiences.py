"""Who is sent to more than once: an audience from its name to its end, and a frequency that is changed."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chalicelib.domain.times import utc_now
from chalicelib.services import frequencies
from chalicelib.services.frequencies import Wanted
from tests.support.deployment import Deployment
from tests.support.panel_desk import BAD_LINE, Desk, ids, known
from tests.support.panel_examples import BORIS, Examples, unused
from tests.support.panel_in_browser import grave
from tests.support.smtp import ScriptedSmtp

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.parametrize("seat", ["ru"], indirect=True, scope="module"),
]


def test_an_audience_is_made_filled_completed_sent_to_and_deleted(
    desk: Desk, vestnik: Deployment, smtp: ScriptedSmtp, tmp_path: Path
) -> None:
    persons, page = known(vestnik, 3), desk.open("audiences/new")
    page.fill("[name=name]", name := unused("Everybody"))
    desk.press(within="#new-audience")
    expect(page.locator("h1")).to_have_text(name)
    audience_id = page.url.rpartition("/")[2]
    assert grave(page) == []

    file = tmp_path / "users.csv"
    file.write_text("user_id\n" + ids(persons[:2], BAD_LINE))
    page.set_input_files("#upload-file", file)
    page.locator("#upload [data-start]").click()
    expect(page.locator("#upload .report tbody tr")).to_have_count(1)
    assert grave(page) == []
    page.locator("#upload .report button.danger").click()
    desk.has_done("part-added")
    expect(page.locator("#parts tbody tr")).to_have_count(1)

    page.fill("#paste [name=users]", ids(persons[1:], BAD_LINE))
    with desk.refused():
        page.locator("#paste button").click()
    expect(page.locator("#bad-lines tbody tr")).to_have_count(1)
    assert grave(page) == []
    page.check("#paste [name=leave_out]")
    page.locator("#paste button").click()
    expect(page.locator("#parts tbody tr")).to_have_count(2)

    page.locator("#offers form[action$='/complete'] button").click()
    desk.has_done("audience-complete")
    expect(page.locator("#upload, #paste")).to_have_count(0)
    assert grave(page) == []
    page.locator(f"#offers a[href$='audience={audience_id}']").click()
    expect(page.locator("[name=audience_id]")).to_have_value(audience_id)
    page.fill("[name=title]", "To an audience")
    page.fill("[name=text]", "Who is in two parts gets it once.")
    desk.send(3)
    assert smtp.counts() == {each.email: 1 for each in persons}

    desk.open("audiences")
    page.fill("#filters [name=author]", f"administrator:{desk.login}")
    page.locator("#filters button").click()
    page.wait_for_url("**author=*")
    page.locator(f"#audiences a[href$='{audience_id}']").click()
    page.locator("#offers form[action$='/delete'] button").click()
    desk.has_done("deleted")
    assert page.request.get(f"{desk.base}/admin/audiences/{audience_id}").status == 404


def test_a_frequency_is_changed_paused_resumed_and_deleted(desk: Desk, vestnik: Deployment) -> None:
    slug, page = Examples().frequency(), desk.page
    desk.open("frequencies")
    page.fill("form.filters [name=author]", BORIS.author)
    page.locator("form.filters button").click()
    page.wait_for_url("**author=*")
    page.locator(f"#frequencies a[href$='{slug}']").click()
    page.locator("a.main[href$='/edit']").click()
    typed = page.locator("#times li time")
    expect(typed).to_have_count(5)
    page.locator("#f-kind-cron").check()
    page.fill("[name=time_zone]", "UTC")
    page.fill("[name=cron]", "15 7 * * *")
    expect(typed.first).to_have_attribute("datetime", re.compile(r"T07:15:00\.000Z$"))
    assert grave(page) == []

    frequencies.change(slug, Wanted(is_paused=True), BORIS, utc_now())
    with desk.refused(412):  # somebody has changed it since
        desk.press(within="#edit-frequency")
    expect(page.locator("main > .said.bad")).to_be_visible()
    expect(page.locator("[name=cron]")).to_have_value("15 7 * * *")
    assert grave(page) == []

    desk.open(f"frequencies/{slug}")
    page.locator("form[action$='/resume'] button").click()
    desk.has_done("frequency-resumed")
    page.locator("a.main[href$='/edit']").click()
    page.locator("#f-kind-cron").check()
    page.fill("[name=time_zone]", "UTC")
    page.fill("[name=cron]", "15 7 * * *")
    page.select_option("[name=template]", "meeting@1")
    page.fill("[name='variables.topic']", "Plans")
    page.fill("[name='variables.place']", "Here")
    page.fill("[name='variables.starts_at']", "2027-01-11T10:00")
    desk.press(within="#edit-frequency")
    desk.has_done("saved")
    runs = page.locator("ol.runs time")
    expect(runs).to_have_count(5)
    expect(runs.first).to_have_attribute("datetime", re.compile(r"T07:15:00\.000Z$"))
    expect(page.locator("main code", has_text="meeting@1")).to_have_count(1)
    page.locator("form[action$='/pause'] button").click()
    desk.has_done("frequency-paused")
    expect(runs).to_have_count(0)
    assert grave(page) == []

    page.locator("form[action$='/delete'] button").click()
    desk.has_done("deleted")
    assert page.locator(f"#frequencies a[href$='{slug}']").count() == 0
    assert vestnik.row("FREQUENCIES_TABLE", slug=slug) is None
