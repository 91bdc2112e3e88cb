"""Forms with as much in them as they take: every answer is a small page, and nothing typed is lost."""

import re
from html import unescape
from typing import Any
from uuid import UUID

import pytest

from chalicelib.admin.views.frequency_form import OFFERED_AUDIENCES
from chalicelib.admin.views.notification_form import CHOSEN_FROM
from chalicelib.services import audiences
from chalicelib.services.rights import Role, administrator
from chalicelib.tables.notifications import Notification
from tests.support.api import set_api_clock
from tests.support.aws import World
from tests.support.factories import START, user_id, user_ids
from tests.support.panel import Browser, Shown, visitor
from tests.support.panel_frequencies import form_of

NEW = "/admin/notifications/new"
MAX_BYTES = 100_000
ANNA = administrator("anna")
MOST = 50_000
LONGEST = {"letters": "x" * MOST, "Cyrillic": "Ж" * MOST, "signs": '"' * MOST, "pictures": "🌲" * (MOST // 2)}


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.checks = False
    set_api_clock(monkeypatch, world.clock)


@pytest.fixture
def browser() -> Browser:
    return visitor(Role.SENDER, now=START)


def typed(**changed: Any) -> dict[str, Any]:
    fields = {
        "type": "mail", "template": "", "title": "Hello", "text": "Text", "content_id": "", "way": "ids",
        "users": user_id(1), "uploaded_id": "", "uploaded_parts": "", "audience_id": "", "when": "now",
    }  # fmt: skip
    return fields | changed


def small(shown: Shown, status: int = 200) -> Shown:
    assert shown.status == status, shown.text[:500]
    assert len(shown.html.encode()) < MAX_BYTES
    return shown


def carried(shown: Shown) -> dict[str, str]:
    """What the form of a preview sends."""
    form = shown.html[shown.html.index('id="preview"') :]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in found if name != "csrf"}


def sent_text(world: World) -> str:
    (dispatch,) = world.table("DISPATCHES_TABLE")
    found = Notification.one(dispatch["notification_id"])
    assert found
    return found.text


@pytest.mark.parametrize("text", LONGEST.values(), ids=LONGEST)
def test_the_longest_text_is_looked_at_gone_back_from_and_sent(
    world: World, browser: Browser, text: str
) -> None:
    looked = small(browser.post(NEW, typed(text=text)))
    look = small_or_frame(browser.post(f"{NEW}/look", carried(looked) | {"locale": "en"}))
    assert text[:1_000] in unescape(look.html)
    back = small(browser.post(NEW, carried(looked) | {"back": "yes"}))
    form = form_of(back, "new-notification")
    assert form["text"] == ""
    whole = browser.get(f"{NEW}/texts/{form['kept_text']}")
    assert whole.html == text
    assert whole.headers["Content-Type"] == "text/plain; charset=utf-8"
    refused = small(browser.post(NEW, form | {"title": ""}), 422)
    again = form_of(refused, "new-notification") | {"title": "Hello"}
    browser.post(f"{NEW}/send", carried(small(browser.post(NEW, again))))
    assert sent_text(world) == text


def small_or_frame(shown: Shown) -> Shown:
    """What a frame shows is the mail itself, and as long as that."""
    assert shown.status == 200
    return shown


def test_what_is_typed_in_the_place_of_a_kept_text_counts(world: World, browser: Browser) -> None:
    looked = browser.post(NEW, typed(text="x" * MOST))
    form = form_of(browser.post(NEW, carried(looked) | {"back": "yes"}), "new-notification")
    looked = browser.post(NEW, form | {"text": "Short"})
    browser.post(f"{NEW}/send", carried(looked))
    assert sent_text(world) == "Short"


def test_a_text_that_is_too_long_is_kept_while_it_can_be_and_else_that_is_said(browser: Browser) -> None:
    refused = small(browser.post(NEW, typed(text="x" * (MOST + 1))), 422)
    assert "at most 50000 characters" in refused.text
    kept = form_of(refused, "new-notification")["kept_text"]
    assert len(browser.get(f"{NEW}/texts/{kept}").html) == MOST + 1
    refused = small(browser.post(NEW, typed(text="x" * 1_000_000)), 422)
    assert "kept_text" not in form_of(refused, "new-notification")


@pytest.mark.parametrize("name", ["0" * 64, user_id(7), "x"])
def test_a_text_that_is_not_kept_is_told(browser: Browser, name: str) -> None:
    refused = small(browser.post(NEW, typed(text="", kept_text=name)), 422)
    assert "the text is not kept any more: paste it again" in refused.text
    assert browser.get(f"{NEW}/texts/{name}").status == 404


def test_a_kept_text_is_gone_after_a_while(world: World, browser: Browser) -> None:
    kept = form_of(browser.post(NEW, typed(text="x" * MOST, title="")), "new-notification")["kept_text"]
    world.clock.advance(49 * 3600)
    later = visitor(Role.SENDER, now=world.clock())
    assert later.get(f"{NEW}/texts/{kept}").status == 404


def test_a_copy_and_a_change_of_the_longest_text(world: World, browser: Browser) -> None:
    dispatch = world.submit(user_ids(1), text="Ж" * MOST, send_at=START.replace(year=START.year + 1))
    copy = small(browser.get(f"{NEW}?copy={dispatch.notification_id}"))
    looked = small(browser.post(NEW, form_of(copy, "new-notification")))
    assert "Send to 1 recipient " in looked.text
    path = f"/admin/notifications/{dispatch.notification_id}/change"
    form = form_of(small(browser.get(path)), "change")
    assert form["text"] == ""
    small(browser.post(path, form | {"title": ""}), 422)
    assert "Saved." in browser.post(path, form | {"title": "Other"}).text
    found = Notification.one(str(dispatch.notification_id), consistent=True)
    assert found
    assert (found.title, found.text) == ("Other", "Ж" * MOST)
    form = form_of(browser.get(path), "change")
    refused = small(browser.post(path, form | {"title": "", "text": '"' * MOST}), 422)
    again = form_of(refused, "change") | {"title": "Third"}
    assert "Saved." in browser.post(path, again).text
    found = Notification.one(str(dispatch.notification_id), consistent=True)
    assert found
    assert found.text == '"' * MOST


def test_the_longest_of_everything_at_once(world: World, browser: Browser) -> None:
    for number in range(CHOSEN_FROM + 1):
        audiences.make_whole('"' * 190 + str(number), [UUID(user_id(1))], ANNA.author, START)
    signs = '"' * 200
    users = "\n".join([*user_ids(1_000), *('"' * 40 + "x,y" for _ in range(900))])
    fields = typed(title=signs, text='"' * MOST, content_id='"' * 255, users=users)
    refused = small(browser.post(NEW, fields), 422)
    form = form_of(refused, "new-notification") | {"leave_out": "on"}
    looked = small(browser.post(NEW, form))
    assert "Send to 1 000 recipients" in looked.text
    small(browser.post(NEW, carried(looked) | {"back": "yes"}))
    just = typed(title=signs, text='"' * 3_990, users="\n".join(user_ids(1_000)))
    small(browser.post(NEW, just))
    small(browser.post(NEW, just | {"content_id": "x" * 256}), 422)


def test_of_many_pasted_ids_only_the_bad_lines_are_shown_again(world: World, browser: Browser) -> None:
    lines = ["user_id,name", *(f"{each},Anna" for each in user_ids(20_000)), "nobody,Boris"]
    refused = small(browser.post(NEW, typed(users="\n".join(lines))), 422)
    assert "some lines are no user ids" in refused.text
    assert "With the 20 000 ids that were pasted before" in refused.text
    form = form_of(refused, "new-notification")
    assert form["users"].split() == ["user_id,name", "nobody,Boris"]
    assert re.findall(r'data-label="Line">(\d+)<', refused.html) == ["2"]
    mended = form | {"users": f"user_id,name\n{user_id(20_001)},Boris"}
    assert "Send to 20 001 recipients" in small(browser.post(NEW, mended)).text
    without = {name: value for name, value in mended.items() if name != "kept_ids"}
    assert "Send to 1 recipient " in browser.post(NEW, without).text
    agreed = small(browser.post(NEW, form | {"leave_out": "on"}))
    assert "Send to 20 000 recipients" in agreed.text
    browser.post(f"{NEW}/send", carried(agreed))
    (dispatch,) = world.table("DISPATCHES_TABLE")
    assert dispatch["recipients"] == 20_000


def test_many_lines_without_an_id_are_not_all_shown_and_that_is_said(browser: Browser) -> None:
    lines = [*user_ids(3), *(f"nobody number {number}" for number in range(5_000))]
    refused = small(browser.post(NEW, typed(users="\n".join(lines))), 422)
    assert "only the first of them are here" in refused.text
    form = form_of(refused, "new-notification")
    assert form["users"].startswith("nobody number 0\nnobody number 1\n")
    assert "Send to 3 recipients" in small(browser.post(NEW, form | {"leave_out": "on"})).text


@pytest.mark.parametrize("users", ["\0" * 50_000, "x" * 200_000, '"' + "\n".join(user_ids(5_000))])
def test_what_is_no_list_at_all_makes_no_large_page(browser: Browser, users: str) -> None:
    small(browser.post(NEW, typed(users=users)), 422)
    audience = audiences.create("Kazan", administrator("sender"), START)
    small(browser.post(f"/admin/audiences/{audience.id}/paste", {"users": users}), 422)


def test_more_ids_than_are_taken_make_no_large_page(browser: Browser) -> None:
    small(browser.post(NEW, typed(users="\n".join(user_ids(100_001)))), 413)


def test_a_broken_quotation_loses_no_line(browser: Browser) -> None:
    users = [*user_ids(2_000), '"' + user_id(2_001), user_id(2_002)]
    form = form_of(browser.post(NEW, typed(users="\n".join(users))), "new-notification")
    assert form["users"].split() == ['"' + user_id(2_001), user_id(2_002)]
    mended = form | {"users": form["users"].replace('"', "")}
    assert "Send to 2 002 recipients" in browser.post(NEW, mended).text


@pytest.mark.parametrize("kept", ["x", user_id(9)])
def test_ids_that_are_not_kept_are_told(browser: Browser, kept: str) -> None:
    refused = small(browser.post(NEW, typed(users="", kept_ids=kept)), 422)
    assert "the ids are not kept any more: paste them again" in refused.text


def test_an_audience_is_not_taken_for_ids_that_a_form_keeps(browser: Browser) -> None:
    found = audiences.make_whole("Kazan", [UUID(user_id(1))], ANNA.author, START)
    refused = browser.post(NEW, typed(users="", kept_ids=found.id))
    assert (refused.status, "not kept any more" in refused.text) == (422, True)


def test_the_longest_of_a_frequency(browser: Browser) -> None:
    for number in range(OFFERED_AUDIENCES):
        audiences.make_whole('"' * 190 + str(number), [UUID(user_id(1))], ANNA.author, START)
    fields = {
        "slug": "news", "kind": "period", "period": "2", "unit": "hour", "type": "mail", "title": '"' * 200,
        "text": '"' * 3_990, "content_id": '"' * 256, "whom": "users",
        "users": "\n".join([*user_ids(500), *('"' * 40 + "x,y" for _ in range(80))]),
    }  # fmt: skip
    path = "/admin/frequencies/_new"
    small(browser.post(path, fields), 422)
    refused = small(browser.post(path, fields | {"text": '"' * MOST}), 422)
    form = form_of(refused, "new-frequency") | {"content_id": "", "users": user_id(1)}
    assert "Created." in browser.post(path, form).text
    edit = form_of(small(browser.get("/admin/frequencies/news/edit")), "edit-frequency")
    assert "There was nothing to change." in browser.post("/admin/frequencies/news/edit", edit).text


def test_many_ids_for_an_audience(browser: Browser) -> None:
    audience = audiences.create("Kazan", ANNA, START)
    path = f"/admin/audiences/{audience.id}/paste"
    refused = small(browser.post(path, {"users": "\n".join([*user_ids(20_000), "nobody"])}), 422)
    form = form_of(refused, "paste")
    assert form["users"].split() == ["nobody"]
    added = small(browser.post(path, form | {"users": user_id(20_001)}))
    assert re.search(r"Users so far 20 001 ", added.text)
