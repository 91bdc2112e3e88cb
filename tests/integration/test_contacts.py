"""Contacts of the embedded directory: one is checked whole, of many the valid ones are put."""

import json
from typing import Any

import pytest

from chalicelib.services import contact_lines
from chalicelib.services.administrators import create_administrator
from chalicelib.services.contact_lines import (
    CSV,
    JSON_LINES,
    Report,
    import_lines,
    import_request,
    read_lines,
)
from chalicelib.services.contacts import put_contact, put_contacts
from chalicelib.services.errors import ConflictError, InvalidFieldError, TooManyError
from tests.support.api import Api, basic, set_api_clock
from tests.support.aws import World
from tests.support.factories import START, user_id, user_ids

ANNA, BORIS, CLARA = user_ids(3)


def kept(world: World) -> dict[str, dict[str, Any]]:
    """The contacts by user."""
    return {row.pop("user_id"): row for row in world.table("CONTACTS_TABLE")}


def test_a_contact_is_kept_in_the_place_of_the_one_before(world: World) -> None:
    put_contacts([{"user_id": ANNA, "email": "old@example.com", "name": "Anna"}])
    whole = {"email": "anna@example.com", "locale": "ru", "time_zone": "Europe/Moscow"}
    assert put_contacts([{"user_id": ANNA, **whole}]) == 1
    assert kept(world) == {ANNA: whole}


def test_more_than_a_batch_and_the_same_user_twice(world: World) -> None:
    many = [{"user_id": user, "email": "x@example.com"} for user in user_ids(60)]
    again = {"user_id": ANNA.replace("-", "").upper(), "email": "anna@example.com"}
    assert put_contacts([*many, again]) == 60
    assert kept(world)[ANNA] == {"email": "anna@example.com"}


@pytest.mark.parametrize(
    ("given", "stands"),
    [
        ({"name": " Анна ", "email": " anna@example.com "}, {"name": "Анна", "email": "anna@example.com"}),
        ({"chat_id": -1001234567890}, {"chat_id": "-1001234567890"}),
        ({"chat_id": "007"}, {"chat_id": "7"}),
        ({"chat_id": str(2**63 - 1)}, {"chat_id": str(2**63 - 1)}),
        ({"chat_id": str(-(2**63))}, {"chat_id": str(-(2**63))}),
        ({"name": "x" * 200}, {"name": "x" * 200}),
        (dict.fromkeys(("name", "email", "chat_id", "locale", "time_zone"), ""), {}),
        (dict.fromkeys(("name", "email", "chat_id", "locale", "time_zone")), {}),
    ],
)
def test_what_is_kept_of_what_is_given(world: World, given: dict[str, Any], stands: dict[str, str]) -> None:
    put_contact({"user_id": ANNA, **given})
    assert kept(world) == {ANNA: stands}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"user_id": "anna"}, "user_id"),
    ({"user_id": None}, "user_id"),
    ({"user_id": 7}, "user_id"),
    ({"user_id": "{" + ANNA + "}"}, "user_id"),
    ({"user_id": "urn:uuid:" + ANNA}, "user_id"),
    ({"user_id": "0_1" + ANNA.replace("-", "")[3:]}, "user_id"),
    ({"user_id": "\ud800" + ANNA}, "user_id"),
    ({"email": "an\ud800na@example.com"}, "email"),
    ({"email": "anna@exam\ud800ple.com"}, "email"),
    ({"locale": "\ud800"}, "locale"),
    ({"time_zone": "\ud800"}, "time_zone"),
    ({"chat_id": "\ud800"}, "chat_id"),
    ({"chat_id": 0}, "chat_id"),
    ({"chat_id": "-0"}, "chat_id"),
    ({"email": "anna"}, "email"),
    ({"email": ["anna@example.com"]}, "email"),
    ({"email": "anna@example.com\nBcc: x@example.com"}, "email"),
    ({"locale": "tlh"}, "locale"),
    ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ({"time_zone": "../../etc/passwd"}, "time_zone"),
    ({"chat_id": "12a"}, "chat_id"),
    ({"chat_id": "--1"}, "chat_id"),
    ({"chat_id": "٣"}, "chat_id"),
    ({"chat_id": 1.5}, "chat_id"),
    ({"chat_id": True}, "chat_id"),
    ({"chat_id": 2**63}, "chat_id"),
    ({"chat_id": "9" * 5000}, "chat_id"),
    ({"chat_id": -(2**63) - 1}, "chat_id"),
    ({"name": "x" * 201}, "name"),
    ({"name": "An\nna"}, "name"),
    ({"name": "An\u2028na"}, "name"),
    ({"name": "An\ud800na"}, "name"),
    ({"mail": "anna@example.com"}, "mail"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG, ids=[repr(wrong)[:40] for wrong, _ in WRONG])
def test_one_that_is_wrong_is_named_and_nothing_is_written(
    world: World, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidFieldError, match=field):
        put_contacts([{"user_id": BORIS}, {"user_id": ANNA, **wrong}])
    assert kept(world) == {}
    body = "\n".join([json.dumps({"user_id": BORIS}), json.dumps({"user_id": ANNA, **wrong})])
    report = import_request(body.encode(), JSON_LINES)
    assert (report.imported, [(error.line, error.field) for error in report.errors]) == (1, [(2, field)])
    assert kept(world) == {BORIS: {}}


# Imports.


def test_the_name_of_an_unknown_field_can_be_shown_whatever_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_api_clock(monkeypatch, world.clock)
    lines = [{"user_id": ANNA}, {"user_id": BORIS, "\ud800": 1}, {"user_id": CLARA, "я" * 50: 1}]
    body = "\n".join(map(json.dumps, lines)).encode()
    admin = Api(basic("anna", create_administrator("anna", START)))
    answer = admin.post("/api/v1/contacts/import/", body, {"Content-Type": JSON_LINES})
    assert answer.status == 200
    assert [each["field"] for each in answer.json["errors"]] == ["\\ud800", ("\\u044f" * 50)[:50]]
    assert kept(world) == {ANNA: {}}


def errors(report: Report) -> list[tuple[int, str]]:
    assert report.lines == report.imported + report.rejected
    return [(error.line, error.field) for error in report.errors]


def test_columns_in_any_order_with_bom_crlf_and_quotes(world: World) -> None:
    body = (
        "\ufeff email ,name,user_id,chat_id\r\n"
        f'anna@example.com,"Anna ""A"", Müller",{ANNA},\r\n'
        "\r\n"
        f"boris@example.com,Борис,{BORIS.replace('-', '')},-42"
    )
    report = import_request(body.encode(), CSV)
    assert (report.lines, report.imported, errors(report)) == (2, 2, [])
    assert kept(world) == {
        ANNA: {"email": "anna@example.com", "name": 'Anna "A", Müller'},
        BORIS: {"email": "boris@example.com", "name": "Борис", "chat_id": "-42"},
    }


def test_json_lines_with_bom_crlf_and_blank_lines(world: World) -> None:
    lines = [{"user_id": ANNA, "chat_id": 7}, {"user_id": BORIS, "name": "B\u0301", "email": None}]
    body = "\ufeff" + "\r\n\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    report = import_request(body.encode(), JSON_LINES)
    assert (report.imported, errors(report)) == (2, [])
    assert kept(world) == {ANNA: {"chat_id": "7"}, BORIS: {"name": "B\u0301"}}


def test_each_rejected_line_is_named_and_the_others_are_put(world: World) -> None:
    body = (
        "user_id,email\n"
        f"{ANNA},anna\n"
        f"{BORIS},boris@example.com\n"
        f"{CLARA}\n"
        f"{CLARA},clara@example.com,en\n"
        f'"{CLARA}" x,clara@example.com\n'
        "nobody,nobody@example.com\n"
        f"{CLARA},clara@example.com\n"
        f'{ANNA},"anna@example.com\n'
    )
    report = import_request(body.encode(), CSV)
    assert errors(report) == [
        (2, "email"), (4, "(line)"), (5, "(line)"), (6, "(line)"), (7, "user_id"), (9, "(line)"),
    ]  # fmt: skip
    assert kept(world) == {BORIS: {"email": "boris@example.com"}, CLARA: {"email": "clara@example.com"}}


@pytest.mark.parametrize("line", ["{", "[]", "null", '"x"', "NaN", "[" * 100_000, "1" * 5000])
def test_a_line_that_is_no_json_object(world: World, line: str) -> None:
    report = import_request(f'{line}\n{{"user_id": "{ANNA}"}}'.encode(), JSON_LINES)
    assert (errors(report), report.imported) == ([(1, "(line)")], 1)


def test_the_last_valid_line_of_a_user_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_lines, "LINES_AT_ONCE", 2)
    names = ["One", "Two", "Three", "\x00", "Four\x07"]
    body = "\n".join(json.dumps({"user_id": ANNA, "name": name}) for name in names)
    report = import_request(body.encode(), JSON_LINES)
    assert (report.imported, errors(report)) == (3, [(4, "name"), (5, "name")])
    assert kept(world) == {ANNA: {"name": "Three"}}


def test_many_lines_in_several_parts_and_once_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_lines, "LINES_AT_ONCE", 130)
    body = "user_id,email\n" + "".join(
        f"{user},{number}@example.com\n" for number, user in enumerate(user_ids(300))
    )
    told: list[int] = []
    for _ in range(2):
        report = import_lines(read_lines(body.encode(), CSV), told.append)
        assert (report.lines, report.imported) == (300, 300)
        assert kept(world) == {
            user: {"email": f"{number}@example.com"} for number, user in enumerate(user_ids(300))
        }
    assert told == [130, 260, 300] * 2


def test_of_very_many_errors_the_first_are_told(world: World) -> None:
    body = "user_id\n" + "x\n" * 250
    report = import_request(body.encode(), CSV)
    assert (report.rejected, len(report.errors)) == (250, 100)
    assert errors(report)[-1] == (101, "user_id")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"email,name\na@example.com,Anna\n",
        b"user_id,user_id\n",
        b"user_id,e-mail\n",
        b"user_id,\n",
        f"{ANNA},anna@example.com\n".encode(),
        b'"user_id\n',
        b"user_id,name\n" + ANNA.encode() + b",\xff\n",
        "user_id\n".encode("utf-16"),
    ],
)
def test_a_csv_that_cannot_be_read_changes_nothing(world: World, data: bytes) -> None:
    with pytest.raises(InvalidFieldError, match=r"\((header|body)\)"):
        import_request(data, CSV)
    assert kept(world) == {}


def test_too_many_lines_change_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_lines, "MAX_LINES", 2)
    body = f"user_id\n{ANNA}\n{BORIS}\n"
    with pytest.raises(TooManyError, match="2 lines"):
        import_request(f"{body}{CLARA}\n".encode(), CSV)
    assert kept(world) == {}
    assert import_request(body.encode(), CSV).imported == 2


def test_what_the_table_leaves_undone_is_put_again(world: World) -> None:
    body = "user_id\n" + "\n".join(user_ids(30))
    lost = world.database.lose_answers("BatchWriteItem", "contacts")
    assert import_request(body.encode(), CSV).imported == 30
    assert len(lost) == 2
    assert len(kept(world)) == 30


def test_where_an_outside_service_is_asked_nothing_is_put(world: World) -> None:
    world.configure("GET_USERS_INFO_HOST", "http://127.0.0.1:9/users?page={page}&field={field}")
    world.configure("DIRECTORY", "http")
    for put in (
        lambda: put_contact({"user_id": user_id(1)}),
        lambda: import_request(f"user_id\n{ANNA}".encode(), CSV),
    ):
        with pytest.raises(ConflictError, match="outside users service"):
            put()
    assert kept(world) == {}
