"""/api/v1/contacts and /api/v1/users: put, imported, exported, erased; refusals change nothing."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.channels import CONTACT_FIELDS
from chalicelib.domain.lanes import Lane
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import utc_now
from chalicelib.services import export
from chalicelib.services.administrators import create_administrator
from chalicelib.services.applications import register_application
from chalicelib.services.erasure import erase_again
from chalicelib.services.recipients import recipient_of
from chalicelib.services.rights import Scope
from chalicelib.tables.notifications import Notification
from chalicelib.tables.unsubscribes import add_scope, find
from chalicelib.tables.users_notifications import add_exception
from tests.support import factories
from tests.support.api import PROBLEM, Answer, Api, basic
from tests.support.aws import World
from tests.support.factories import START, user_ids

ANNA, BORIS = user_ids(2)
CONTACT = f"/api/v1/contacts/{ANNA}/"
IMPORT = "/api/v1/contacts/import/"
USER = f"/api/v1/users/{ANNA}/"
NOTHING = dict.fromkeys(("name", *CONTACT_FIELDS, "locale", "time_zone"))


@pytest.fixture
def manager(world: World) -> Api:
    """An application that may manage users."""
    application = register_application("crm", utc_now(), frozenset({Scope.MANAGE}))
    return Api(f"crm {application.password}")


@pytest.fixture
def administrator(world: World) -> Api:
    return Api(basic("anna", create_administrator("anna", utc_now())))


def test_a_contact_is_put_read_and_deleted(world: World, manager: Api) -> None:
    assert manager.get(CONTACT).status == 404
    whole = {"name": "Anna", "email": "anna@example.com", "chat_id": 42, "locale": "ru", "time_zone": "UTC"}
    answer = manager.put(CONTACT, whole)
    assert (answer.status, answer.json) == (200, {**NOTHING, "user_id": ANNA, **whole, "chat_id": "42"})
    assert manager.get(CONTACT).json == answer.json
    assert manager.put(CONTACT, {"email": "a@example.com"}).json == {
        **NOTHING, "user_id": ANNA, "email": "a@example.com",
    }  # fmt: skip
    for _ in range(2):
        assert manager.delete(CONTACT).status == 204
        assert world.table("CONTACTS_TABLE") == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "anna"}, "email"),
        ({"e-mail": "anna@example.com"}, "e-mail"),
        ({"chat_id": str(2**63)}, "chat_id"),
        ({"chat_id": "x"}, "chat_id"),
        ({"chat_id": True}, "chat_id"),
        ({"name": "x" * 201}, "name"),
        ({"name": "\x00"}, "name"),
        ({"locale": "de"}, "locale"),
        ({"time_zone": "Moscow"}, "time_zone"),
        ([], "(body)"),
    ],
)
def test_a_wrong_contact_changes_nothing(world: World, manager: Api, body: Any, field: str) -> None:
    manager.put(CONTACT, {"name": "Anna"})
    answer = manager.put(CONTACT, body)
    assert answer.status == 422
    assert field in answer.fields()
    assert world.table("CONTACTS_TABLE") == [{"user_id": ANNA, "name": "Anna"}]


def imported(api: Api, body: bytes, content_type: str) -> Answer:
    return api.request("POST", IMPORT, body=body, headers={"Content-Type": content_type})


def test_an_import_reports_what_it_rejected(world: World, manager: Api) -> None:
    body = f"user_id,email\r\n{ANNA},anna@example.com\r\n{BORIS},boris\r\n".encode()
    answer = imported(manager, body, "text/csv; charset=utf-8; header=present")
    assert answer.status == 200
    assert answer.json == {
        "lines": 2,
        "imported": 1,
        "rejected": 1,
        "errors": [{"line": 3, "field": "email", "reason": "is not a mail address"}],
    }
    assert (
        imported(manager, f'{{"user_id": "{BORIS}"}}'.encode(), "application/x-ndjson").json["imported"] == 1
    )
    assert len(world.table("CONTACTS_TABLE")) == 2


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"user_id\n", "application/json", 415),
        (b"user_id\n", "text/plain", 415),
        (b"email\na@example.com\n", "text/csv", 422),
        (b"", "text/csv", 422),
        (b"user_id\n\xff", "text/csv", 422),
        (b"\xff", "application/x-ndjson", 422),
        (b"user_id\n" + b"x" * 4_400_000, "text/csv", 413),
        (b"user_id\n" + b"x\n" * 50_001, "text/csv", 413),
    ],
    ids=["json", "plain", "no user_id", "empty", "bad csv", "bad ndjson", "bytes", "lines"],
)
def test_an_import_that_cannot_be_read_changes_nothing(
    world: World, manager: Api, body: bytes, content_type: str, status: int
) -> None:
    answer = imported(manager, body, content_type)
    assert (answer.status, answer.content_type) == (status, PROBLEM)
    assert answer.json["detail"]
    assert world.table("CONTACTS_TABLE") == []


# Export and erasure.


def known(world: World) -> None:
    """Something of everything is kept about Anna."""
    world.knows([ANNA, BORIS])
    world.submit([ANNA, BORIS], title="First", content_id="7")
    world.settle()
    add_scope(ANNA, "telegram", START)


def test_all_that_is_kept_is_exported(world: World, administrator: Api) -> None:
    known(world)
    (row,) = [row for row in world.table("USERS_NOTIFICATIONS_TABLE") if row["user_id"] == ANNA]
    answer = administrator.get(USER)
    assert answer.status == 200
    exported = answer.json
    (shown,) = exported.pop("results")
    assert exported == {
        "user_id": ANNA,
        "contact": {
            **NOTHING, "user_id": ANNA, "email": factories.address_of(ANNA), "name": "Anna", "locale": "en",
        },
        "unsubscribe": {
            "channels": ["telegram"], "updated_at": "2026-11-23T10:00:00.000Z",
            "erased_at": None, "erased_before": None,
        },
        "suppressions": [],
        "next": None,
    }  # fmt: skip
    assert shown["events"] == []
    assert shown["last_attempts"] == [{"at": "2026-11-23T10:00:00.000Z", "result": "sent"}]
    for name, value in {
        "title": "First", "text": "Text", "type": "mail", "content_id": "7", "author": "application:shop",
        "status": "sent", "address": factories.address_of(ANNA), "attempts": 1, "reason": None,
        "dispatch_id": row["dispatch_id"], "notification_id": row["notification_id"],
        "due_at": row["due_at"], "expires_at": int(row["expires_at"]),
    }.items():  # fmt: skip
        assert shown[name] == value


def rows(world: World, count: int, text: str = "Text") -> list[str]:
    """So many notifications to Anna; the ids of their dispatches."""
    for number in range(count):
        dispatch = factories.dispatch(id=f"dispatch-{number:03}", notification_id=f"notification-{number:03}")
        add_exception(recipient_of(dispatch, ANNA, 0, 0), Status.SENT, "", Lane.REGULAR, START)
        Notification(
            dispatch.notification_id, month="2026-11", author_month="x", type="mail", title="Title",
            text=text, is_express=False, author="application:shop", created_at="2026-11-23T10:00:00.000Z",
        ).put()  # fmt: skip
    return [f"dispatch-{number:03}" for number in range(count)]


def pages(api: Api, query: str) -> list[list[str]]:
    """The dispatch ids of each page."""
    found, cursor = [], ""
    while True:
        page = api.get(f"{USER}?{query}{cursor}").json
        found.append([row["dispatch_id"] for row in page["results"]])
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (19, [10, 9]), (20, [10, 10, 0])])
def test_an_export_goes_on_page_by_page(
    world: World, administrator: Api, count: int, sizes: list[int]
) -> None:
    ids = rows(world, count)
    found = pages(administrator, "limit=10")
    assert [len(page) for page in found] == sizes
    assert [each for page in found for each in page] == ids


def test_a_page_of_long_texts_is_shorter(
    world: World, administrator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MAX_PAGE_BYTES", 500)
    ids = rows(world, 5, "x" * 200)
    assert pages(administrator, "limit=3") == [ids[:2], ids[2:4], ids[4:]]
    monkeypatch.setattr(export, "MAX_PAGE_BYTES", 50)
    assert pages(administrator, "limit=100") == [[each] for each in ids]


def test_a_page_is_as_long_as_lambda_writes_it(world: World, administrator: Api) -> None:
    ids = rows(world, 5, "ы" * 50_000)
    assert pages(administrator, "limit=100") == [ids[:3], ids[3:]]


def test_what_is_said_may_be_gone(world: World, administrator: Api) -> None:
    rows(world, 1)
    Notification("notification-000").delete()
    (shown,) = administrator.get(USER).json["results"]
    assert (shown["title"], shown["text"], shown["notification_id"]) == (None, None, "notification-000")


def test_of_a_stranger_an_empty_export(world: World, administrator: Api) -> None:
    answer = administrator.get(f"/api/v1/users/{uuid.uuid4()}/")
    assert answer.status == 200
    assert (answer.json["contact"], answer.json["unsubscribe"], answer.json["results"]) == (None, None, [])


def test_a_cursor_of_somebody_else_is_refused(world: World, administrator: Api) -> None:
    assert "cursor" in administrator.get(f"{USER}?cursor=WzFd").fields()


def test_an_erased_user_is_gone_but_for_the_tombstone(world: World, administrator: Api, manager: Api) -> None:
    known(world)
    for _ in range(2):
        answer = administrator.delete(USER)
        assert (answer.status, answer.json) == (200, {"user_id": ANNA, "is_complete": True})
    left = administrator.get(USER).json
    assert (left["contact"], left["results"], left["unsubscribe"]["channels"]) == (None, [], ["*"])
    assert left["unsubscribe"]["erased_at"]
    assert manager.get(CONTACT).status == 404
    refused = manager.put(CONTACT, {"name": "Anna"})
    assert (refused.status, refused.content_type) == (409, PROBLEM)
    answer = imported(manager, f"user_id\n{ANNA}\n".encode(), "text/csv")
    assert answer.json["errors"][0]["reason"].startswith("the user is erased")
    assert BORIS in world.rows()


def test_who_subscribes_again_may_have_a_contact(world: World, administrator: Api, manager: Api) -> None:
    administrator.delete(USER)
    unsubscribe = f"/api/v1/unsubscribes/{ANNA}/"
    assert manager.delete(unsubscribe).status == 409  # the erasure has not ended
    tombstone = find(ANNA)
    assert tombstone is not None
    assert erase_again(tombstone, utc_now, lambda: 60)
    assert manager.delete(unsubscribe).status == 204
    assert manager.put(CONTACT, {"name": "Anna"}).status == 200
    assert administrator.get(USER).json["unsubscribe"]["erased_before"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda api: api.get(USER),
        lambda api: api.delete(USER),
    ],
)
def test_only_administrators_export_and_erase(
    world: World, manager: Api, ask: Callable[[Api], Answer]
) -> None:
    known(world)
    assert ask(manager).status == 403
    assert ask(Api()).status == 401
    assert ANNA in world.rows()


@pytest.mark.parametrize("scope", [Scope.SEND, Scope.READ])
def test_only_who_manages_users_sees_contacts(world: World, scope: Scope) -> None:
    api = Api(f"shop {register_application('shop', utc_now(), frozenset({scope})).password}")
    world.knows([ANNA])
    before = world.table("CONTACTS_TABLE")
    asked = [
        api.get(CONTACT), api.put(CONTACT, {}), api.delete(CONTACT),
        imported(api, f"user_id\n{ANNA}\n".encode(), "text/csv"),
    ]  # fmt: skip
    assert {answer.status for answer in asked} == {403}
    assert world.table("CONTACTS_TABLE") == before
