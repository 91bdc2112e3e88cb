"""The panel's new notification: written, looked at, sent once; what is wrong is said by field and line."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest

from chalicelib.domain.times import iso
from chalicelib.services import audience_parts, audiences
from chalicelib.services.rights import Role, administrator
from chalicelib.tables.notifications import Notification
from tests.support.api import set_api_clock
from tests.support.aws import World
from tests.support.factories import SHOP, START, address_of, user_id, user_ids
from tests.support.panel import Browser, Shown, visitor
from tests.support.panel_frequencies import form_of

NEW = "/admin/notifications/new"
SCRIPT = "<script>alert(1)</script>"
FORMULA = "=cmd|'/C calc'!A0"
ANNA = administrator("anna")


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_api_clock(monkeypatch, world.clock)


@pytest.fixture
def browser() -> Browser:
    return visitor(Role.SENDER, now=START)


def typed(**changed: Any) -> dict[str, Any]:
    fields = {
        "type": "mail", "template": "", "title": "Hello", "text": "One.\r\n\r\nTwo.", "content_id": "",
        "way": "ids", "users": "\r\n".join(user_ids(2)), "uploaded_id": "", "uploaded_parts": "",
        "audience_id": "", "when": "now", "send_at": "",
    }  # fmt: skip
    return {name: value for name, value in (fields | changed).items() if value is not None}


def carried(shown: Shown) -> dict[str, str]:
    """What the form of a preview sends."""
    form = shown.html[shown.html.index('id="preview"') :]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in found if name != "csrf"}


def dispatches(world: World) -> list[dict[str, Any]]:
    return world.table("DISPATCHES_TABLE")


def refused(shown: Shown, field: str, reason: str, status: int = 422) -> None:
    assert shown.status == status, shown.text
    found = re.search(rf'id="e-{re.escape(field)}"[^>]*>([^<]*)<', shown.html)
    assert found, shown.html
    assert reason in unescape(found[1])


def sent(browser: Browser, fields: Mapping[str, Any]) -> Shown:
    looked = browser.post(NEW, fields)
    assert looked.status == 200, looked.text
    return browser.post(f"{NEW}/send", carried(looked))


def test_looked_at_then_sent_then_delivered(world: World, browser: Browser) -> None:
    users = user_ids(2)
    world.knows(users)
    looked = browser.post(NEW, typed(content_id="order-7", is_express="on"))
    assert not dispatches(world)
    assert "Send to 2 recipients" in looked.text
    assert "administrator:sender" in looked.text
    assert looked.text.count("One.") == 2, "in each language"
    assert 'name="look-en" sandbox ' in looked.html
    assert 'name="look-ru" sandbox ' in looked.html
    done = browser.post(f"{NEW}/send", carried(looked))
    assert "The notification is on its way." in done.text
    (dispatch,) = dispatches(world)
    assert (dispatch["recipients"], dispatch["is_express"]) == (2, True)
    found = Notification.one(dispatch["notification_id"])
    assert found
    assert (found.text, found.content_id, found.author) == ("One.\n\nTwo.", "order-7", "administrator:sender")
    world.settle()
    assert world.channel.addresses() == {address_of(user): 1 for user in users}


def test_a_second_click_sends_nothing_and_a_second_look_does(world: World, browser: Browser) -> None:
    looked = browser.post(NEW, typed())
    first, second = (browser.post(f"{NEW}/send", carried(looked)) for _ in range(2))
    assert first.path == second.path
    assert len(dispatches(world)) == 1
    sent(browser, typed())
    assert len(dispatches(world)) == 2


@pytest.mark.parametrize("most", [1_000, 1])
def test_who_goes_back_and_sends_once_more_sends_nothing_twice(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("chalicelib.admin.views.notification_form.CARRIED_IDS", most)
    form = browser.get(NEW)
    key = re.search(r'name="key" value="(panel-[^"]+)"', form.html)
    assert key
    fields = typed(key=key[1])
    first, second = sent(browser, fields), sent(browser, fields)
    assert first.path == second.path
    assert len(dispatches(world)) == 1
    back = browser.post(NEW, carried(browser.post(NEW, fields)) | {"back": "yes"})
    assert key[0] in back.html
    assert sent(browser, fields | {"title": "Another"}).path != first.path
    assert len(dispatches(world)) == 2


def test_what_is_wrong_puts_no_ids_aside(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.admin.views.notification_form.CARRIED_IDS", 1)
    assert browser.post(NEW, typed(title="")).status == 422
    assert not world.table("AUDIENCES_TABLE")
    looked = browser.post(NEW, typed())
    rows = world.table("AUDIENCES_TABLE")
    assert len(rows) > 1
    assert all(int(each["expires_at"]) < (START + timedelta(days=4)).timestamp() for each in rows)
    back = browser.post(NEW, carried(looked) | {"back": "yes"})
    assert "With the 2 ids that were pasted before" in back.text
    assert not audiences.listed(ANNA, None, None, 9, START)[0]


def test_the_newest_audiences_are_offered_and_the_chosen_one(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.admin.views.notification_new.CHOSEN_FROM", 1)
    made = [
        audiences.make_whole(name, [UUID(user_id(1))], SHOP.author, START + timedelta(minutes=minute))
        for minute, name in enumerate(("old", "new"))
    ]
    offered = browser.get(NEW).html
    assert (f'value="{made[0].id}"' in offered, f'value="{made[1].id}"' in offered) == (False, True)
    for change in ({"title": ""}, {"back": "yes"}):
        shown = browser.post(NEW, typed(way="audience", audience_id=made[0].id) | change)
        assert f'<option value="{made[0].id}" selected>' in shown.html


def test_a_content_id_is_one_line(browser: Browser) -> None:
    refused(browser.post(NEW, typed(content_id="a\0b")), "content_id", "one line")


def test_nothing_is_sent_without_a_look(world: World, browser: Browser) -> None:
    assert browser.post(f"{NEW}/send", typed()).status == 422
    assert not dispatches(world)


def test_at_a_time_in_the_senders_zone(world: World, browser: Browser) -> None:
    browser.cookies["vestnik-zone"] = "Europe%2FMoscow"
    fields = typed(when="later", send_at="2026-11-23T18:30")
    assert "2026-11-23 18:30" in browser.post(NEW, fields).text
    assert "sent at its time" in sent(browser, fields).text
    assert dispatches(world)[0]["send_at"] == iso(START + timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("changed", "field", "reason"),
    [
        ({"title": ""}, "title", "at least 1 character"),
        ({"title": "x" * 201}, "title", "at most 200 characters"),
        ({"text": " \n"}, "text", "must not be blank"),
        ({"text": "x" * 3_701, "type": "telegram"}, "text", "at most 3700 characters by telegram"),
        ({"content_id": "x" * 256}, "content_id", "at most 255"),
        ({"type": "pigeon"}, "type", "unknown channel"),
        ({"template": "nothing"}, "template", "there is no template 'nothing'"),
        ({"when": "later"}, "send_at", "must be a date and a time"),
        ({"when": "later", "send_at": "2026-11-23T09:00"}, "send_at", "must be in the future"),
        ({"when": "later", "send_at": "2028-11-23T09:00"}, "send_at", "at most 366 days"),
        ({"users": ""}, "users", "at least one user is needed"),
        ({"users": f"{user_id(1)}\n{FORMULA}"}, "users", "some lines are no user ids"),
        ({"users": user_id(1) + "\0"}, "users", "is no text"),
        ({"way": "audience"}, "audience_id", "choose an audience"),
        ({"way": "audience", "audience_id": user_id(1)}, "audience_id", "there is no such audience"),
        ({"way": "file"}, "file", "choose a file and send it"),
    ],
)
def test_what_cannot_be_sent_is_said_by_field(
    world: World, browser: Browser, changed: dict[str, str], field: str, reason: str
) -> None:
    shown = browser.post(NEW, typed(**changed))
    refused(shown, field, reason)
    assert not dispatches(world)
    for name, value in typed(**changed).items():
        if name in ("title", "content_id", "send_at") and value:
            assert f'value="{value}"' in shown.html, "what was typed is there still"


def test_bad_lines_are_told_and_left_out_when_that_is_agreed_to(world: World, browser: Browser) -> None:
    fields = typed(users=f"{user_id(1)}\r\n{SCRIPT}\r\n\r\n{FORMULA}\r\n{user_id(1)}\r\n{user_id(2)}")
    shown = browser.post(NEW, fields)
    refused(shown, "users", "some lines are no user ids")
    assert re.findall(r'data-label="Line">(\d+)<', shown.html) == ["2", "4"]
    assert "<script>alert" not in shown.html
    looked = browser.post(NEW, fields | {"leave_out": "on"})
    assert "Send to 2 recipients" in looked.text
    assert "lines skipped: 2" in looked.text
    browser.post(f"{NEW}/send", carried(looked))
    assert dispatches(world)[0]["recipients"] == 2


def test_what_was_typed_is_text_wherever_it_is_shown(browser: Browser) -> None:
    fields = typed(title=SCRIPT, text=SCRIPT, content_id=SCRIPT)
    looked = browser.post(NEW, fields)
    back = browser.post(NEW, carried(looked) | {"back": "yes"})
    for shown in (looked, back, browser.post(NEW, fields | {"users": SCRIPT})):
        assert "<script>alert" not in shown.html
        assert "&lt;script&gt;alert" in shown.html
    assert back.status == 200
    assert user_id(2) in back.text


@pytest.mark.parametrize("type_", ["mail", "telegram"])
def test_a_frame_shows_it_and_can_do_nothing(browser: Browser, type_: str) -> None:
    browser.get(NEW)
    fields = typed(type=type_, title="A & B", text=SCRIPT) | {"locale": "ru"}
    shown = browser.post(f"{NEW}/look", fields)
    assert shown.status == 200
    policy = shown.headers["Content-Security-Policy"]
    assert "script-src" not in policy
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'self'"} <= set(policy.split("; "))
    assert "<script>" not in shown.html
    assert "A &amp; B" in shown.html
    assert ('lang="ru"' in shown.html) is (type_ == "mail")
    assert browser.post(f"{NEW}/look", fields | {"locale": "xx"}).status == 422


def test_a_templates_fields_come_when_it_is_chosen(browser: Browser) -> None:
    whole = browser.get(NEW)
    assert 'name="title"' in whole.html
    assert "data-keeps hx-post" in whole.html, "trouble is said beside it, and takes no field away"
    part = browser.post(f"{NEW}/variables", {"template": "meeting@1"}, headers={"HX-Request": "true"})
    assert part.status == 200
    assert "<html" not in part.html
    assert 'name="title"' not in part.html
    assert re.findall(r'name="(variables\.\w+)"', part.html) == [
        "variables.topic", "variables.starts_at", "variables.place", "variables.url"
    ]  # fmt: skip


def test_what_was_typed_for_a_template_stays_while_another_is_looked_at(browser: Browser) -> None:
    fields = {"template": "meeting@1", "variables.topic": SCRIPT, "variables.starts_at": "2026-11-27T16:30"}
    for another, status in (("", 200), ("order_shipped@1", 200), ("nothing", 422)):
        part = browser.post(
            f"{NEW}/variables", fields | {"template": another}, headers={"HX-Request": "true"}
        )
        assert part.status == status
        assert ("there is no template" in part.text) is (status == 422)
        assert "<script>alert" not in part.html
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', part.html)
        kept = {name: unescape(value) for name, value in hidden}
        assert kept.items() >= {each: fields[each] for each in fields if each != "template"}.items()
    back = browser.post(f"{NEW}/variables", kept | {"template": "meeting@1"})
    assert 'name="variables.topic" type="text" value="&lt;script&gt;' in back.html
    assert 'type="hidden" name="variables.' not in back.html


@pytest.mark.parametrize("template", ["", "meeting@1"])
def test_title_and_text_stay_in_the_page_whatever_is_chosen(browser: Browser, template: str) -> None:
    fields = typed(template=template, content_id="x" * 256)
    for shown in (browser.post(NEW, fields), browser.post(NEW, fields | {"back": "yes"})):
        form = form_of(shown, "new-notification")
        assert (form["title"], form["text"], form["template"]) == ("Hello", "One.\n\nTwo.", template)


def test_a_copy_keeps_the_exact_moment(world: World, browser: Browser) -> None:
    variables = {"topic": "Plans", "starts_at": "2026-11-27T13:30:45Z", "place": "Here"}
    first = world.submit(user_ids(1), title="", text="", template="meeting", variables=variables)
    form = form_of(browser.get(f"{NEW}?copy={first.notification_id}"), "new-notification")
    back = browser.post(NEW, carried(browser.post(NEW, form)) | {"back": "yes"})
    assert sent(browser, form_of(back, "new-notification")).status == 200
    found = [Notification.one(each["notification_id"]) for each in dispatches(world)]
    assert [each.variables for each in found if each] == [variables] * 2


def test_what_is_wrong_with_the_recipients_is_tied_to_them(browser: Browser) -> None:
    shown = browser.post(NEW, typed(way="file"))
    assert re.search(
        r'id="upload-file"[^>]* aria-invalid="true" aria-describedby="upload-help e-file"', shown.html
    )
    assert '<fieldset class="ways" aria-describedby="e-file">' in shown.html
    shown = browser.post(NEW, typed(when="later", users=""))
    assert '<fieldset class="ways" aria-describedby="e-users">' in shown.html
    shown = browser.post(NEW, typed(when="later"))
    assert '<fieldset class="whens" aria-describedby="e-send_at">' in shown.html
    assert 'class="ways">' in shown.html


def test_by_a_template_in_each_language(world: World, browser: Browser) -> None:
    browser.cookies["vestnik-zone"] = "Europe%2FMoscow"
    fields = typed(
        title=None, text=None, template="meeting@1",
        **{"variables.topic": "Plans <b>", "variables.starts_at": "2026-11-27T16:30"},
        **{"variables.place": "Here"},
    )  # fmt: skip
    looked = browser.post(NEW, fields)
    assert looked.status == 200, looked.text
    assert "meeting@1" in looked.text
    assert "Plans <b>" in looked.text
    assert re.search("[а-я]", looked.text)
    done = browser.post(f"{NEW}/send", carried(looked))
    assert done.status == 200
    found = Notification.one(dispatches(world)[0]["notification_id"])
    assert found
    assert (found.template, found.variables) == (
        "meeting@1", {"topic": "Plans <b>", "starts_at": "2026-11-27T13:30:00.000Z", "place": "Here"},
    )  # fmt: skip
    refused(browser.post(NEW, fields | {"variables.place": ""}), "variables.place", "required")
    refused(browser.post(NEW, fields | {"variables.url": "javascript:x"}), "variables.url", "must be an http")
    refused(
        browser.post(NEW, fields | {"type": "telegram", "variables.topic": "x" * 121}),
        "variables.topic",
        "120",
    )


def test_to_an_audience(world: World, browser: Browser) -> None:
    audience = audiences.create(SCRIPT, ANNA, START)
    audience_parts.put_part(audience.id, 1, [bytes.fromhex(user_id(1).replace("-", ""))], ANNA, START)
    fields = typed(way="audience", audience_id=audience.id)
    refused(browser.post(NEW, fields), "audience_id", "the audience is open, and must be complete")
    audience_parts.complete(audience.id, ANNA, START)
    form = browser.get(f"{NEW}?audience={audience.id}")
    assert re.search(rf'<option value="{audience.id}" selected>', form.html)
    assert re.search(r'value="audience" checked', form.html)
    looked = browser.post(NEW, fields)
    assert "Send to 1 recipient " in looked.text
    for shown in (form, looked):
        assert "<script>alert" not in shown.html
    assert browser.post(f"{NEW}/send", carried(looked)).status == 200
    assert dispatches(world)[0]["audience_id"] == audience.id


def upload(browser: Browser, *parts: str, agreed: str = "") -> dict[str, str]:
    """Send a file as upload.js does; the fields that it sets."""
    begun = json.loads(browser.post("/admin/audiences/upload", text=b"").html)
    staged = []
    for number, text in enumerate(parts, 1):
        place = f"&part={number}&parts={len(parts)}&first={number}&header=0{agreed}"
        answer = browser.post("/" + begun["upload"].lstrip("./") + place, text=text.encode())
        assert answer.status == 200
        staged.append(json.loads(answer.html)["staged"])
    path, taken = "/" + begun["upload"].lstrip("./").replace("?", "/taken?"), 0
    if any(staged):
        taken = json.loads(browser.post(path, text="\n".join(staged).encode()).html)["parts"]
    return {"way": "file", "uploaded_id": begun["fields"]["uploaded_id"], "uploaded_parts": str(taken)}


def test_to_the_users_of_a_file(world: World, browser: Browser) -> None:
    file = upload(browser, "\n".join(user_ids(3)), "\n".join(user_ids(4)))
    looked = browser.post(NEW, typed(**file))
    assert "Send to 4 recipients" in looked.text
    first, second = (browser.post(f"{NEW}/send", carried(looked)) for _ in range(2))
    assert first.path == second.path
    (dispatch,) = dispatches(world)
    assert dispatch["recipients"] == 4


def test_a_file_that_is_not_here_whole_is_not_sent_to(world: World, browser: Browser) -> None:
    file = upload(browser, user_id(1), user_id(2))
    for parts in ("", "1", "3", "x"):
        refused(
            browser.post(NEW, typed(**file | {"uploaded_parts": parts})),
            "file",
            "has not been sent to its end",
        )
    refused(browser.post(NEW, typed(**upload(browser, FORMULA))), "file", "at least one user is needed")
    bad = upload(browser, user_id(1), f"{user_id(2)}\n{FORMULA}")
    refused(browser.post(NEW, typed(**bad | {"uploaded_parts": "2"})), "file", "has not been sent to its end")
    assert not dispatches(world)
    agreed = upload(browser, user_id(1), f"{user_id(2)}\n{FORMULA}", FORMULA, agreed="&agreed=yes")
    assert "Send to 2 recipients" in browser.post(NEW, typed(**agreed)).text


def test_many_pasted_ids_become_an_audience_and_the_page_stays_small(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most in (1_000, 3):
        monkeypatch.setattr("chalicelib.admin.views.notification_form.CARRIED_IDS", most)
        looked = browser.post(NEW, typed(users="\n".join(user_ids(1_000))))
        assert "Send to 1 000 recipients" in looked.text
        assert len(looked.html.encode()) < 100_000
        assert browser.post(f"{NEW}/send", carried(looked)).status == 200
    assert sorted(int(each["recipients"]) for each in dispatches(world)) == [1_000, 1_000]
    refused_ = browser.post(NEW, typed(users="\n".join(user_ids(100_001))))
    assert (refused_.status, "at most 100000" in refused_.text) == (413, True)


def test_a_copy_begins_with_what_the_other_said(world: World, browser: Browser) -> None:
    first = world.submit(
        user_ids(3), title="A & B", text=SCRIPT, type="telegram", is_express=True, content_id="7"
    )
    form = browser.get(f"{NEW}?copy={first.notification_id}")
    assert 'value="A &amp; B"' in form.html
    assert '<option value="telegram" selected>' in form.html
    assert "<script>alert" not in form.html
    assert all(user in form.text for user in user_ids(3))
    assert re.search(r'name="is_express"[^>]* checked', form.html)
    variables = {"topic": "Plans", "starts_at": "2026-11-27T13:30:00Z", "place": "Here"}
    second = world.submit(user_ids(1), title="", text="", template="meeting", variables=variables)
    form = browser.get(f"{NEW}?copy={second.notification_id}")
    assert form_of(form, "new-notification").items() >= {"title": "", "text": ""}.items()
    assert 'value="2026-11-27T13:30"' in form.html
    many = world.submit(user_ids(1_001))
    assert "too many to copy" in browser.get(f"{NEW}?copy={many.notification_id}").text
    assert browser.get(f"{NEW}?copy=x").status == 422
    assert browser.get(f"{NEW}?copy={user_id(1)}").status == 404


def test_the_copy_of_what_went_to_an_audience_goes_there_too(world: World, browser: Browser) -> None:
    audience = audiences.make_whole("Kazan", [UUID(user_id(1))], SHOP.author, START)
    dispatch = world.submit(None, audience_id=audience.id)
    form = browser.get(f"{NEW}?copy={dispatch.notification_id}")
    assert re.search(rf'<option value="{audience.id}" selected>', form.html)
    audiences.delete(audience.id, ANNA, START)
    assert browser.get(f"{NEW}?copy={dispatch.notification_id}").status == 200


def test_who_only_looks_sends_nothing(world: World) -> None:
    viewer = visitor(Role.VIEWER, now=START)
    assert viewer.get(NEW).status == 403
    for path in (NEW, f"{NEW}/look", f"{NEW}/send"):
        assert viewer.post(path, typed(key="k")).status == 403
    assert not dispatches(world)


def test_without_the_sessions_token_nothing_is_sent(world: World) -> None:
    manager = visitor(Role.MANAGER, now=START)
    looked = manager.post(NEW, typed())
    assert manager.post(f"{NEW}/send", carried(looked), csrf="wrong").status == 403
    assert not dispatches(world)
