"""The panel's audiences: made of files and pasted ids, whose bad lines are told; completed and deleted."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.services import audience_parts, audiences
from chalicelib.services.rights import Role, administrator
from chalicelib.tables.audience_headers import Audience, Part, set_parts
from tests.support.api import set_api_clock
from tests.support.audited import audited
from tests.support.aws import World
from tests.support.factories import START, user_id, user_ids
from tests.support.panel import Browser, visitor

SCRIPT = "<script>alert(1)</script>"
FORMULA = "=cmd|'/C calc'!A0"
ANNA = administrator("anna")
PLACE = {"part": "1", "parts": "1", "first": "1", "header": "0"}


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_api_clock(monkeypatch, world.clock)


@pytest.fixture
def browser() -> Browser:
    return visitor(Role.SENDER, now=START)


def an_audience(name: str | None = "Kazan", users: Sequence[str] = ()) -> Audience:
    made = audiences.create(name, ANNA, START)
    if users:
        made = audience_parts.put_part(
            made.id, 1, [bytes.fromhex(each.replace("-", "")) for each in users], ANNA, START
        )
    return made


def stored(audience_id: str) -> Audience:
    return audiences.visible(audience_id, ANNA, START)


def send(browser: Browser, audience: str, text: bytes, query: str = "") -> tuple[int, dict[str, Any]]:
    path = f"/admin/audiences/{audience}/parts?part=1&parts=1&first=1&header=0{query}"
    shown = browser.post(path, text=text, headers={"HX-Request": "true"})
    is_json = shown.headers["Content-Type"] == "application/json"
    return shown.status, json.loads(shown.html) if is_json else {"problem": shown.text}


def take(browser: Browser, audience: str, *staged: str) -> Any:
    shown = browser.post(f"/admin/audiences/{audience}/parts/taken", text="\n".join(staged).encode())
    assert shown.status == 200, shown.text
    return json.loads(shown.html)


def test_made_filled_completed_and_deleted(browser: Browser) -> None:
    made = browser.post("/admin/audiences/new", {"name": "Kazan"})
    assert made.status == 200
    audience = made.path.rpartition("/")[2]
    assert "You can send to it once it is complete." in made.text
    added = browser.post(f"/admin/audiences/{audience}/paste", {"users": "\r\n".join(user_ids(3))})
    assert "The users are added." in added.text
    added = browser.post(f"/admin/audiences/{audience}/paste", {"users": "\n".join(user_ids(4))})
    assert re.search(r"Users so far 7 ", added.text)
    done = browser.post(f"/admin/audiences/{audience}/complete")
    assert "The audience is complete" in done.text
    assert re.search(r"Recipients 4 Duplicates 3", done.text)
    assert f'href="../../admin/notifications/new?audience={audience}"' in done.html
    gone = browser.post(f"/admin/audiences/{audience}/delete")
    assert "Deleted." in gone.text
    assert "No audiences" in gone.text


def test_a_name_is_one_line_and_text(browser: Browser) -> None:
    refused = browser.post("/admin/audiences/new", {"name": "two\nlines"})
    assert refused.status == 422
    assert 'id="e-name"' in refused.html
    made = browser.post("/admin/audiences/new", {"name": SCRIPT})
    for shown in (made, browser.get("/admin/audiences")):
        assert "<script>alert" not in shown.html
        assert "&lt;script&gt;alert" in shown.html
    assert browser.post("/admin/audiences/new", {"name": ""}).status == 200


def test_the_list_filters_and_goes_on_and_stays_small(browser: Browser) -> None:
    for number in range(30):
        audiences.create("&" * 190 + str(number), ANNA, START)
    audiences.create("of another", administrator("boss"), START + timedelta(minutes=1))
    shown = browser.get("/admin/audiences")
    assert "of another" in shown.text.rpartition("Created")[2][:100], "the newest is the first"
    assert len(shown.html.encode()) < 100_000
    found = re.search(r'rel="next" href="\.\./([^"]+)"', shown.html)
    assert found
    assert (
        browser.get("/" + found[1].replace("&amp;", "&")).html.count('data-label="Audience"') == 6
    )  # the oldest
    assert (
        browser.get("/admin/audiences?author=administrator%3Aboss").html.count('data-label="Audience"') == 1
    )


def test_a_file_comes_in_parts(browser: Browser) -> None:
    audience = an_audience().id
    users, names = user_ids(4), []
    for part in (1, 2):
        text = "user_id,name\n" + "".join(f"{each},x\n" for each in users[2 * part - 2 : 2 * part])
        path = f"/admin/audiences/{audience}/parts?part={part}&parts=2&first={2 * part}&header=1"
        for _ in range(2):  # the second time after an answer that was lost
            answer = json.loads(browser.post(path, text=text.encode()).html)
            staged = answer.pop("staged")
            assert answer == {"lines": 2, "imported": 2, "rejected": 0, "errors": []}
        names.append(staged)
    assert not stored(audience).by_number, "nobody is in it before the file is here whole"
    for _ in range(2):
        assert take(browser, audience, *names) == {"parts": 2}
    assert [part.users for part in stored(audience).by_number.values()] == [2, 2]


def test_a_further_file_takes_the_place_of_nothing(browser: Browser) -> None:
    audience = an_audience(users=user_ids(2))
    others = [send(browser, audience.id, user_id(each).encode())[1]["staged"] for each in (3, 4)]
    for each in others:  # two who have had the page open since before
        take(browser, audience.id, each)
    browser.post(f"/admin/audiences/{audience.id}/paste", {"users": user_id(5)})
    assert [part.users for part in stored(audience.id).by_number.values()] == [2, 1, 1, 1]
    assert int(audience_parts.complete(audience.id, ANNA, START).recipients) == 5


def test_of_a_file_that_was_broken_off_nobody_is_taken(browser: Browser) -> None:
    audience = an_audience().id
    path = f"/admin/audiences/{audience}/parts?part=2&parts=3&first=4&header=0"
    browser.post(path, text="\n".join(user_ids(3)).encode())
    _, answer = send(browser, audience, user_id(7).encode())
    assert take(browser, audience, answer["staged"]) == {"parts": 1}
    assert int(audience_parts.complete(audience, ANNA, START).recipients) == 1


def test_two_pastes_in_the_same_moment_are_both_taken(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    audience = an_audience().id
    write, others = set_parts, [[user_id(8), user_id(9)]]

    def late(found: Audience, parts: Iterable[Part]) -> Audience:
        if others:
            visitor(Role.MANAGER, now=START).post(
                f"/admin/audiences/{audience}/paste", {"users": "\n".join(others.pop())}
            )
        return write(found, parts)

    monkeypatch.setattr("chalicelib.services.audience_parts.set_parts", late)
    browser.post(f"/admin/audiences/{audience}/paste", {"users": user_id(1)})
    assert int(stored(audience).users) == 3
    assert int(audience_parts.complete(audience, ANNA, START).recipients) == 3


def test_a_file_of_too_many_parts_is_refused_at_its_first(browser: Browser) -> None:
    audience = an_audience(users=user_ids(1)).id
    for parts, status in ((99, 200), (100, 413), (101, 422)):
        path = f"/admin/audiences/{audience}/parts?part=1&parts={parts}&first=1&header=0"
        assert browser.post(path, text=user_id(2).encode()).status == status


@pytest.mark.parametrize("text", [b"", b"x", b"0 " + b"a" * 32 + b" staged", b"\xff"])
def test_parts_that_were_not_staged_are_not_taken(browser: Browser, text: bytes) -> None:
    audience = an_audience().id
    shown = browser.post(f"/admin/audiences/{audience}/parts/taken", text=text)
    assert shown.status == 422
    assert not stored(audience).by_number


def test_a_bad_line_is_told_and_nothing_is_taken_until_that_is_agreed_to(browser: Browser) -> None:
    audience = an_audience().id
    text = f"user_id\n{user_id(1)}\n{FORMULA}\n\n{SCRIPT}\n{user_id(2)}\n".encode()
    path = f"/admin/audiences/{audience}/parts?part=2&parts=2&first=5001&header=1"
    answer = json.loads(browser.post(path, text=text).html)
    assert (answer["lines"], answer["imported"], answer["rejected"]) == (4, 0, 2)
    assert [(each["line"], each["reason"]) for each in answer["errors"]] == [
        (5002, f"{FORMULA!r} is not a UUID"),
        (5004, f"{SCRIPT!r} is not a UUID"),
    ]
    assert not stored(audience).by_number
    agreed = json.loads(browser.post(path + "&agreed=yes", text=text).html)
    assert (agreed["imported"], agreed["rejected"]) == (2, 2)
    take(browser, audience, agreed["staged"])
    assert int(stored(audience).users) == 2


@pytest.mark.parametrize("text", [b"\xff\xfe\x00", b"\x89PNG\r\n\x1a\n\0\0", user_id(1).encode() + b"\0"])
def test_what_is_no_text_is_refused(browser: Browser, text: bytes) -> None:
    audience = an_audience().id
    status, answer = send(browser, audience, text, "&agreed=yes")
    assert (status, "is no text file" in answer["problem"]) == (422, True)
    assert not stored(audience).by_number


def test_the_file_of_a_notification_has_at_most_so_many_lines(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.admin.views.audiences.MAX_USERS", 3)
    begun = json.loads(browser.post("/admin/audiences/upload", text=b"").html)
    audience = begun["fields"]["uploaded_id"]
    assert begun["upload"] == f"../../admin/audiences/{audience}/parts?for=notification"
    status, answer = send(browser, audience, "\n".join(user_ids(4)).encode(), "&for=notification")
    assert (status, "at most 3 lines" in answer["problem"]) == (413, True)
    _, first = send(browser, audience, "\n".join(user_ids(3)).encode(), "&for=notification")
    _, other = send(browser, audience, user_id(9).encode(), "&for=notification")
    path = f"/admin/audiences/{audience}/parts/taken?for=notification"
    both = f"{first['staged']}\n{other['staged']}".encode()
    assert browser.post(path, text=both).status == 413
    assert not stored(audience).by_number
    assert browser.post(path, text=first["staged"].encode()).status == 200
    for author in (None, "administrator:sender", "passing"):
        page = audiences.listed(ANNA, author, None, 9, START)
        assert page == ([], None), "what a form holds is no audience to choose"
    assert audited() == [], "and nothing that anybody would look for"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "part=1&parts=1&first=1",
        *(
            "&".join(f"{name}={value}" for name, value in (PLACE | changed).items())
            for changed in (
                {"part": "0"}, {"part": "101"}, {"part": "x"}, {"first": "-1"}, {"header": "²"},
                {"parts": "101"}, {"parts": "x"}, {"first": "9" * 5_000},
            )
        ),
    ],
)  # fmt: skip
def test_a_part_without_its_place_is_refused(browser: Browser, query: str) -> None:
    audience = an_audience().id
    shown = browser.post(f"/admin/audiences/{audience}/parts?{query}", text=user_id(1).encode())
    assert shown.status == 422
    assert not stored(audience).by_number


def test_what_is_complete_takes_nobody(browser: Browser) -> None:
    audience = an_audience(users=user_ids(1)).id
    audience_parts.complete(audience, ANNA, START)
    status, answer = send(browser, audience, user_id(2).encode())
    assert (status, "the audience is complete" in answer["problem"]) == (409, True)
    pasted = browser.post(f"/admin/audiences/{audience}/paste", {"users": user_id(2)})
    assert (pasted.status, "the audience is complete" in pasted.text) == (409, True)
    assert "Add a file" not in browser.get(f"/admin/audiences/{audience}").text


def test_pasted_lines_that_are_no_ids_are_told(browser: Browser) -> None:
    audience = an_audience().id
    path = f"/admin/audiences/{audience}/paste"
    typed = f"{user_id(1)}\n{SCRIPT}\n{FORMULA}"
    refused = browser.post(path, {"users": typed})
    assert refused.status == 422
    assert "some lines are no user ids" in refused.text
    assert re.search(r'data-label="Line">2</td>', refused.html)
    assert re.search(r'data-label="Line">3</td>', refused.html)
    assert "<script>alert" not in refused.html
    assert not stored(audience).by_number
    agreed = browser.post(path, {"users": typed, "leave_out": "on"})
    assert "The users are added." in agreed.text
    assert int(stored(audience).users) == 1
    assert "at least one user" in browser.post(path, {"users": ""}).text
    assert browser.post(path, {"users": FORMULA, "leave_out": "on"}).status == 422


def test_nothing_is_completed_without_anybody(browser: Browser) -> None:
    shown = browser.post(f"/admin/audiences/{an_audience().id}/complete")
    assert (shown.status, "the audience has no part yet" in shown.text) == (409, True)


@pytest.mark.parametrize("action", ["parts", "paste", "complete", "delete"])
def test_who_only_looks_changes_nothing(action: str) -> None:
    viewer = visitor(Role.VIEWER, now=START)
    audience = an_audience(users=user_ids(1)).id
    shown = viewer.get(f"/admin/audiences/{audience}")
    assert shown.status == 200
    assert 'id="offers"' not in shown.html
    path = f"/admin/audiences/{audience}/{action}"
    answer = viewer.post(path, text=b"x") if action == "parts" else viewer.post(path, {"users": user_id(2)})
    assert answer.status == 403
    assert (stored(audience).state, int(stored(audience).users)) == ("open", 1)
    assert viewer.post("/admin/audiences/new", {"name": "x"}).status == 403
    assert viewer.post("/admin/audiences/upload", text=b"").status == 403
    assert viewer.get("/admin/audiences/new").status == 403
    assert "New audience" not in viewer.get("/admin/audiences").text


def test_without_the_sessions_token_no_part_is_taken(browser: Browser) -> None:
    audience = an_audience().id
    path = f"/admin/audiences/{audience}/parts?part=1&parts=1&first=1&header=0"
    shown = browser.post(path, text=user_id(1).encode(), headers={"X-CSRF-Token": "x"})
    assert shown.status == 403
    assert not stored(audience).by_number
