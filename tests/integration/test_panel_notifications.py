"""The panel's notifications: found, looked at while they are sent, cancelled, changed and sent again."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from chalicelib.admin.views import sending_again
from chalicelib.domain.results import Permanent
from chalicelib.services import frequencies
from chalicelib.services.content import Content
from chalicelib.services.frequencies import Wanted
from chalicelib.services.rights import Role
from chalicelib.services.send_again import SETTLED_AFTER_SECONDS
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.notifications import Notification
from tests.support.api import set_api_clock
from tests.support.aws import World
from tests.support.factories import SHOP, START, address_of, user_id, user_ids
from tests.support.panel import Browser, Shown, visitor
from tests.support.panel_frequencies import form_of

SCRIPT = "<script>alert(1)</script>"
HTMX: dict[str, str | None] = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_api_clock(monkeypatch, world.clock)


@pytest.fixture
def browser() -> Browser:
    return visitor(Role.SENDER, now=START)


def due_at_of(dispatch: Dispatch) -> str:
    found = Dispatch.one(dispatch.id, consistent=True)
    assert found
    return found.due_at


def path_of(dispatch: Dispatch, *more: str) -> str:
    return "/".join(("/admin/notifications", dispatch.notification_id, *more))


def failed_twice(world: World) -> Dispatch:
    """Sent to one, failed for two."""
    users = user_ids(3)
    world.knows(users)
    for number in (1, 2):
        world.channel.answers[address_of(user_id(number))] = [Permanent("550 no such user <b>here</b>")]
    dispatch = world.submit(users)
    world.settle()
    return dispatch


def offered(shown: Shown) -> set[str]:
    """What can be done, by the addresses of the forms and links."""
    part = shown.html[shown.html.index('id="offers"') :]
    found = re.findall(r'(?:action|href)="([^"]+)"', part[: part.index("</div>")])
    return {re.sub(r"\?.*", "", each).rpartition("/")[2] for each in found}


def stored(dispatch: Dispatch) -> Notification:
    found = Notification.one(dispatch.notification_id, consistent=True)
    assert found
    return found


# The list


def test_the_list_leads_to_each_and_filters(world: World, browser: Browser) -> None:
    world.submit(user_ids(1), title="First")
    world.clock.advance(60)
    express = world.submit(user_ids(1), title="Second", type="telegram", is_express=True)
    shown = browser.get("/admin/notifications")
    assert shown.text.index("Second") < shown.text.index("First")
    assert f'href="../admin/notifications/{express.notification_id}"' in shown.html
    for query, titles in [
        ("type=mail", ["First"]),
        ("type=telegram", ["Second"]),
        ("express=yes", ["Second"]),
        ("express=no", ["First"]),
        ("month=2026-11", ["Second", "First"]),
        ("month=2026-10", []),
        ("author=application%3Ashop", ["Second", "First"]),
        ("author=application%3Aother", []),
    ]:
        found = browser.get(f"/admin/notifications?{query}")
        assert re.findall(r"(First|Second)", found.text) == titles, query
        assert ("No notifications found" in found.text) is (not titles)


MONTH, ANY = "must be a month, as 2026-11", "Not a valid value."


@pytest.mark.parametrize(
    ("query", "said"),
    [("month=soon", MONTH), ("month=2026-13", MONTH), ("type=" + "x" * 33, ANY), ("author=" + "x" * 81, ANY)],
)
def test_a_filter_that_is_no_such_value_is_said_so(
    world: World, browser: Browser, query: str, said: str
) -> None:
    shown = browser.get(f"/admin/notifications?{query}")
    assert (shown.status, said in shown.text) == (422, True)


def test_a_cursor_of_somebody_else_is_refused(browser: Browser) -> None:
    assert browser.get("/admin/notifications?cursor=xx").status == 422


def test_the_list_goes_on(world: World, browser: Browser) -> None:
    for number in range(26):
        world.submit(user_ids(1), title=f"N{number}")
        world.clock.advance(1)
    shown = browser.get("/admin/notifications")
    found = re.search(r'rel="next" href="\.\./([^"]+)"', shown.html)
    assert found
    older = browser.get("/" + found[1].replace("&amp;", "&"))
    assert "N0" in older.text
    assert "N25" not in older.text


def test_one_is_found_by_its_id(world: World, browser: Browser) -> None:
    dispatch = world.submit(user_ids(1))
    found = browser.get(f"/admin/notifications?id=%20{dispatch.notification_id.upper()}%20")
    assert (found.status, found.path) == (200, path_of(dispatch))
    for wanted in ("nothing", user_id(9), dispatch.id):
        shown = browser.get(f"/admin/notifications?id={wanted}")
        assert shown.status == 404
        assert "There is no notification with this id" in shown.text


def test_an_empty_list_says_what_to_do_to_who_may(browser: Browser) -> None:
    assert "Send the first one" in browser.get("/admin/notifications").text
    viewer = visitor(Role.VIEWER, now=START).get("/admin/notifications").text
    assert "No notifications yet" in viewer
    assert "Send the first one" not in viewer
    assert "New notification" not in viewer


# One


def test_what_it_says_is_text(world: World, browser: Browser) -> None:
    dispatch = world.submit(user_ids(1), title=SCRIPT, text=SCRIPT + "\n\nMore", content_id=SCRIPT)
    for path in (
        path_of(dispatch), path_of(dispatch, "recipients"), path_of(dispatch, "dispatches"),
        path_of(dispatch, "recipients", user_id(1)), "/admin/notifications",
    ):  # fmt: skip
        shown = browser.get(path)
        assert shown.status == 200
        assert "<script>alert" not in shown.html
        assert "&lt;script&gt;alert" in shown.html
    text = browser.get(path_of(dispatch, "text"))
    assert text.headers["Content-Type"].startswith("text/plain")
    assert text.html == SCRIPT + "\n\nMore"


def test_a_long_text_is_cut_and_the_page_stays_small(world: World, browser: Browser) -> None:
    dispatch = world.submit(user_ids(120), title="&" * 200, text="&Я" * 25_000)
    world.settle()
    for path in (path_of(dispatch), path_of(dispatch, "recipients")):
        assert len(browser.get(path).html.encode()) < 100_000
    assert "The whole text" in browser.get(path_of(dispatch)).text
    assert browser.get(path_of(dispatch, "text")).html == "&Я" * 25_000


def test_a_template_is_shown_with_its_variables(world: World, browser: Browser) -> None:
    variables = {"topic": "Plans & <b>more</b>", "starts_at": "2026-11-27T13:30:00Z", "place": "Here"}
    dispatch = world.submit(user_ids(1), title="", text="", template="meeting", variables=variables)
    shown = browser.get(path_of(dispatch))
    assert "meeting@1" in shown.text
    assert "Plans & <b>more</b>" in shown.text


def test_cancelled_once_for_all(world: World, browser: Browser) -> None:
    dispatch = world.submit(user_ids(3))
    shown = browser.get(path_of(dispatch))
    assert offered(shown) == {"cancel", "new"}
    done = browser.post(path_of(dispatch, "cancel"))
    assert (done.status, "Cancelled." in done.text) == (200, True)
    assert "3 cancelled" in done.text
    assert offered(done) == {"new"}
    assert Dispatch.one(dispatch.id, consistent=True).is_cancelled  # type: ignore[union-attr]


def test_the_failed_ones_are_sent_again(world: World, browser: Browser) -> None:
    dispatch = failed_twice(world)
    shown = browser.get(path_of(dispatch))
    assert offered(shown) == {"send_again", "new"}
    early = browser.post(path_of(dispatch, "send_again"))
    assert "Nothing was sent again: recipients that failed within the last two minutes" in early.text
    world.clock.advance(SETTLED_AFTER_SECONDS)
    done = browser.post(path_of(dispatch, "send_again"))
    assert "They are being sent again." in done.text
    assert "2 unsent" in done.text
    world.sweep()
    world.settle()
    assert world.counts(dispatch) == {"sent": 3}


def test_of_nobody_that_is_sent_to_again_it_is_said_why(world: World, browser: Browser) -> None:
    dispatch = failed_twice(world)
    world.clock.advance(SETTLED_AFTER_SECONDS)
    path, fields = path_of(dispatch, "send_again"), {"user_id": user_id(1), "dispatch_id": dispatch.id}
    browser.post(path, fields)
    assert "Nothing was sent again: no recipient is failed any more." in browser.post(path, fields).text
    browser.post(path_of(dispatch, "cancel"))
    for each in ({}, fields, {"user_id": user_id(2)}):
        assert "Nothing was sent again: the notification is cancelled" in browser.post(path, each).text
    assert world.counts(dispatch) == {"sent": 1, "failed": 1, "cancelled": 1}


def test_who_failed_before_it_was_cancelled_cannot_be_sent_to_again(world: World, browser: Browser) -> None:
    dispatch = failed_twice(world)
    recipient = path_of(dispatch, "recipients", user_id(2))
    assert "Send again" in browser.get(recipient).text
    browser.post(path_of(dispatch, "cancel"))
    shown = browser.get(recipient)
    assert "550 no such user" in shown.text
    assert "send_again" not in shown.html


def test_what_sends_to_many_again_asks_first(world: World, browser: Browser) -> None:
    html = browser.get(path_of(failed_twice(world))).html
    assert 'hx-confirm="Send to the failed recipients of this notification again?"' in html


def test_many_are_sent_again_bit_by_bit(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending_again, "SENT_AGAIN_AT_ONCE", 1)
    dispatch = failed_twice(world)
    world.clock.advance(SETTLED_AFTER_SECONDS)
    path, found = path_of(dispatch, "send_again"), 0
    page = HTMX | {"HX-Current-URL": f"https://vestnik.example/api{path_of(dispatch)}?done=saved"}
    for so_far in (1, 2):
        part = browser.post(path, {"so_far": found}, headers=page)
        assert f"{so_far} {'is' if so_far == 1 else 'are'} being sent again" in part.text
        assert f'hx-post="../../admin/notifications/{dispatch.notification_id}/send_again"' in part.html
        found = so_far
    last = browser.post(path, {"so_far": found}, headers=page)
    assert last.status == 204
    assert last.headers["HX-Redirect"] == f"../..{path_of(dispatch)}?done=sent-again"


def test_why_none_is_sent_to_again_is_said_beside_the_button(world: World, browser: Browser) -> None:
    dispatch = failed_twice(world)
    page = HTMX | {"HX-Current-URL": f"https://vestnik.example/api{path_of(dispatch)}"}
    part = browser.post(path_of(dispatch, "send_again"), {"user_id": "zz"}, headers=page)
    assert (part.status, "must be a UUID" in part.text) == (422, True)
    assert 'id="progress"' not in part.html
    assert f'hx-post="../..{path_of(dispatch, "send_again")}"' in part.html


def test_an_ended_session_leads_from_the_page_to_the_door(world: World) -> None:
    page = HTMX | {"HX-Current-URL": "https://vestnik.example/api/admin/frequencies/weekly/edit"}
    part = Browser().get("/admin/frequencies/_times", page)
    assert (part.status, part.headers["HX-Redirect"]) == (
        401,
        "../../../admin/login?next=admin%2Ffrequencies%2Fweekly%2Fedit",
    )


def version_shown(browser: Browser, dispatch: Dispatch) -> str:
    """Which version the form of a change has been filled in from."""
    found = re.search(r'name="version" value="([^"]+)"', browser.get(path_of(dispatch, "change")).html)
    assert found
    return found[1]


def change(browser: Browser, dispatch: Dispatch, fields: Mapping[str, str]) -> Shown:
    """Send the form of a change as the page has it now."""
    version = version_shown(browser, dispatch)
    return browser.post(path_of(dispatch, "change"), dict(fields) | {"version": version})


def test_what_another_has_changed_meanwhile_is_not_put_back(world: World, browser: Browser) -> None:
    dispatch = world.submit(user_ids(1), send_at=START + timedelta(days=2))
    version = version_shown(browser, dispatch)
    fields = {"send_at": "2026-11-26T10:00", "title": "The right price", "text": "Text"}
    assert "Saved." in change(browser, dispatch, fields).text
    late = browser.post(
        path_of(dispatch, "change"), fields | {"title": "The wrong price", "version": version}
    )
    assert (late.status, "changed by another meanwhile" in late.text) == (412, True)
    assert stored(dispatch).title == "The right price"


def test_of_a_template_that_is_gone_the_time_is_changed(world: World, browser: Browser) -> None:
    variables = {"topic": "Plans", "starts_at": "2026-11-27T13:30:00Z", "place": "Here"}
    at = START + timedelta(hours=5)
    dispatch = world.submit(
        user_ids(1), title="", text="", template="meeting", variables=variables, send_at=at
    )
    Notification.change(dispatch.notification_id, actions=[Notification.template.set("gone@1")])
    assert "is not there any more" in browser.get(path_of(dispatch, "change")).text
    assert "Saved." in change(browser, dispatch, {"send_at": "2026-11-23T15:00"}).text
    assert stored(dispatch).variables == variables
    copy = browser.get(f"/admin/notifications/new?copy={dispatch.notification_id}")
    assert 'id="e-template"' in copy.html


def test_a_form_is_read_in_the_time_zone_in_which_it_was_shown(world: World, browser: Browser) -> None:
    dispatch = world.submit(user_ids(1), send_at=START + timedelta(days=2))
    before = due_at_of(dispatch)
    shown = browser.get(path_of(dispatch, "change"))
    names = re.findall(r'<input[^>]* name="((?:zone\.)?send_at|title)"[^>]* value="([^"]*)"', shown.html)
    fields = dict(names) | {"text": "Another text"}
    assert fields["zone.send_at"] == "UTC"
    browser.cookies["vestnik-zone"] = "Asia%2FVladivostok"
    assert change(browser, dispatch, fields).status == 200
    assert due_at_of(dispatch) == before
    change(browser, dispatch, fields | {"send_at": (START + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")})
    assert due_at_of(dispatch).startswith((START + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M"))
    bad = change(browser, dispatch, fields | {"zone.send_at": "../nowhere"})
    assert (bad.status, "must be a date and a time" in bad.text) == (422, True)


def test_one_is_sent_to_again(world: World, browser: Browser) -> None:
    dispatch = failed_twice(world)
    world.clock.advance(SETTLED_AFTER_SECONDS)
    shown = browser.get(path_of(dispatch, "recipients", user_id(2)))
    assert "550 no such user <b>here</b>" in shown.text
    assert "<b>here" not in shown.html
    fields = dict(re.findall(r'name="(user_id|dispatch_id)" value="([^"]+)"', shown.html))
    assert fields == {"user_id": user_id(2), "dispatch_id": dispatch.id}
    done = browser.post(path_of(dispatch, "send_again"), fields)
    assert done.path.startswith(path_of(dispatch, "recipients", user_id(2)))
    assert world.counts(dispatch) == {"sent": 1, "failed": 1, "unsent": 1}
    bad: dict[str, Any] = {"user_id": "nobody"}
    assert browser.post(path_of(dispatch, "send_again"), bad).status == 422


@pytest.mark.parametrize("action", ["cancel", "send_again", "change"])
def test_who_only_looks_changes_nothing(world: World, action: str) -> None:
    viewer = visitor(Role.VIEWER, now=START)
    dispatch = world.submit(user_ids(2), send_at=START + timedelta(hours=5))
    assert viewer.get(path_of(dispatch)).status == 200
    assert offered(viewer.get(path_of(dispatch))) == set()
    before = stored(dispatch).attribute_values
    assert viewer.post(path_of(dispatch, action), {"title": "x", "text": "y"}).status == 403
    assert world.counts(dispatch) == {"queued": 2}
    assert stored(dispatch).attribute_values == before


def test_what_is_not_due_is_changed(world: World, browser: Browser) -> None:
    browser.cookies["vestnik-zone"] = "Europe%2FMoscow"
    dispatch = world.submit(user_ids(1), send_at=START + timedelta(hours=5))
    shown = browser.get(path_of(dispatch, "change"))
    assert 'value="2026-11-23T18:00"' in shown.html
    fields = {"send_at": "2026-11-23T19:30", "title": "Better", "text": "One\r\n\r\nTwo"}
    done = change(browser, dispatch, fields)
    assert "Saved." in done.text
    assert "2026-11-23 19:30" in done.text
    assert (stored(dispatch).title, stored(dispatch).text) == ("Better", "One\n\nTwo")
    for changed, field, reason in [
        ({"send_at": "2026-11-23T12:00"}, "send_at", "must be in the future"),
        ({"send_at": "soon"}, "send_at", "must be a date and a time"),
        ({"title": ""}, "title", "at least 1 character"),
        ({"text": " "}, "text", "must not be blank"),
        ({"title": "x" * 201}, "title", "at most 200 characters"),
    ]:
        refused = change(browser, dispatch, fields | changed)
        assert refused.status == 422
        assert re.search(rf'id="e-{field}">[^<]*{reason}', refused.html), refused.html
        assert stored(dispatch).title == "Better"
    world.clock.advance(7 * 3600)
    late = change(visitor(Role.SENDER, now=world.clock()), dispatch, fields)
    assert (late.status, "it is being sent, or has been" in late.text) == (409, True)


def test_the_variables_of_a_template_are_changed(world: World, browser: Browser) -> None:
    variables = {"topic": "Plans", "starts_at": "2026-11-27T13:30:00Z", "place": "Here"}
    at = START + timedelta(hours=5)
    dispatch = world.submit(
        user_ids(1), title="", text="", template="meeting", variables=variables, send_at=at
    )
    shown = browser.get(path_of(dispatch, "change"))
    assert 'value="2026-11-27T13:30"' in shown.html
    fields = {
        "send_at": "2026-11-23T15:00", "variables.topic": "Other plans", "variables.place": "There",
        "variables.starts_at": "2026-11-28T10:00",
    }  # fmt: skip
    assert "Saved." in change(browser, dispatch, fields).text
    assert stored(dispatch).variables == {
        "topic": "Other plans", "starts_at": "2026-11-28T10:00:00.000Z", "place": "There"
    }  # fmt: skip
    refused = change(browser, dispatch, fields | {"variables.place": ""})
    assert (refused.status, 'id="e-variables.place"' in refused.html) == (422, True)


def test_the_dispatches_of_a_frequency(world: World, browser: Browser) -> None:
    world.knows(user_ids(2))
    users = [UUID(user) for user in user_ids(2)]
    wanted = Wanted(content=Content("mail", "News", "New."), users=users, timing={"period": 60})
    frequencies.create("often", wanted, SHOP, world.clock())
    world.live(25 * 60)
    notification = world.table("NOTIFICATIONS_TABLE")[0]["id"]
    shown = browser.get(f"/admin/notifications/{notification}")
    assert shown.html.count('data-label="Due"') == 20
    assert "Only the 20 newest runs are counted." in shown.text
    assert "40 in the 20 newest runs" in shown.text
    assert offered(shown) == {"new"}, "what a frequency sends is ended by the frequency"
    older = browser.get(f"/admin/notifications/{notification}/dispatches")
    found = re.search(r'rel="next" href="(?:\.\./)+([^"]+)"', older.html)
    assert found
    assert 0 < browser.get("/" + found[1].replace("&amp;", "&")).html.count('data-label="Due"') < 20
    assert browser.post(f"/admin/notifications/{notification}/cancel").status == 409
    assert len(shown.html.encode()) < 100_000


# Recipients


def test_recipients_by_state_with_their_reasons(world: World, browser: Browser) -> None:
    dispatch = failed_twice(world)
    everybody = browser.get(path_of(dispatch, "recipients"))
    assert all(user in everybody.text for user in user_ids(3))
    failed = browser.get(path_of(dispatch, "recipients") + "?status=failed")
    assert user_id(3) not in failed.text
    assert failed.text.count("550 no such user <b>here</b>") == 2
    none = browser.get(path_of(dispatch, "recipients") + "?status=unsubscribed")
    assert "No recipients" in none.text
    assert browser.get(path_of(dispatch, "recipients") + "?status=odd").status == 422


def test_recipients_go_on_and_one_is_found(world: World, browser: Browser) -> None:
    dispatch = world.submit(user_ids(60))
    shown = browser.get(path_of(dispatch, "recipients"))
    found = re.search(r'rel="next" href="(?:\.\./)+([^"]+)"', shown.html)
    assert found
    further = browser.get("/" + found[1].replace("&amp;", "&"))
    assert user_id(60) in further.text
    assert user_id(1) not in further.text
    one = browser.get(path_of(dispatch, "recipients") + f"?user={user_id(7)}")
    assert one.path == path_of(dispatch, "recipients", user_id(7))
    assert "there has been no attempt yet" in one.text
    assert browser.get(path_of(dispatch, "recipients") + "?user=x").status == 422
    assert browser.get(path_of(dispatch, "recipients", user_id(99))).status == 404


@pytest.mark.parametrize("what", ["", "/recipients", "/text", "/change", "/dispatches"])
def test_what_there_is_not_is_not_found(browser: Browser, what: str) -> None:
    for wanted in (user_id(1), "x"):
        assert browser.get(f"/admin/notifications/{wanted}{what}").status == 404


@pytest.mark.parametrize(
    "starts_at",
    ["2026-11-27T13:30:45Z", "2027-10-31T01:30:00Z", "2027-10-31T00:30:00.000Z", "2026-11-27T15:30:00+02:00"],
)
def test_a_moment_that_nobody_has_touched_stays_as_it_is(
    world: World, browser: Browser, starts_at: str
) -> None:
    """A field has no seconds, and one text for both hours of a night in which the clocks go back."""
    browser.cookies["vestnik-zone"] = "Europe%2FBerlin"
    variables = {"topic": "Plans", "starts_at": starts_at, "place": "Here"}
    at = START + timedelta(hours=5)
    dispatch = world.submit(
        user_ids(1), title="", text="", template="meeting", variables=variables, send_at=at
    )
    before = stored(dispatch).variables
    form = form_of(browser.get(path_of(dispatch, "change")), "change")
    for changed in ({"send_at": "2026-11-24T15:00"}, {"variables.place": "There"}):
        refused = browser.post(path_of(dispatch, "change"), form | changed | {"variables.topic": ""})
        assert refused.status == 422
        again = form_of(refused, "change") | {"variables.topic": "Plans"}
        assert "Saved." in browser.post(path_of(dispatch, "change"), again).text
        assert stored(dispatch).variables["starts_at"] == before["starts_at"]
        form = form_of(browser.get(path_of(dispatch, "change")), "change")
    typed = form | {"variables.starts_at": "2026-12-01T10:00"}
    assert "Saved." in browser.post(path_of(dispatch, "change"), typed).text
    assert stored(dispatch).variables["starts_at"] == "2026-12-01T09:00:00.000Z"


def test_what_says_that_a_moment_is_untouched_may_be_anything(world: World, browser: Browser) -> None:
    variables = {"topic": "Plans", "starts_at": "2026-11-27T13:30:00Z", "place": "Here"}
    at = START + timedelta(hours=5)
    dispatch = world.submit(
        user_ids(1), title="", text="", template="meeting", variables=variables, send_at=at
    )
    for was in ("x", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        form = form_of(browser.get(path_of(dispatch, "change")), "change")
        done = browser.post(path_of(dispatch, "change"), form | {"was.variables.starts_at": was})
        assert done.status == 200
        assert stored(dispatch).variables["starts_at"] == "2026-11-27T13:30:00.000Z"
