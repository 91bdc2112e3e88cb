"""The audit log: whatever is changed leaves an entry that says who it was, and tells no secret."""

import json
import sys
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.api.examples import USER
from chalicelib.directory import signed_tokens
from chalicelib.domain.times import iso, later, utc_now
from chalicelib.services import audit
from chalicelib.services.administrators import create_administrator, issue_token
from chalicelib.services.audit import NEWEST, Filters, Via, acting, list_entries, record
from chalicelib.services.cursors import write_cursor
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.rights import Principal
from chalicelib.tables.audit import AuditEntry, month_shard
from chalicelib.tables.suppressions import suppress
from infra import manage
from tests.support.api import Answer, Api
from tests.support.aws import World
from tests.support.example_requests import ExampleRequest, example_request
from tests.support.factories import user_id

EVERY = Principal("application", "every")


@pytest.fixture
def boss(world: World) -> str:
    """The Authorization header of an administrator."""
    create_administrator("boss", utc_now())
    return f"Bearer {issue_token('boss', utc_now())}"


def asked(request: ExampleRequest, authorization: str | None) -> Answer:
    return Api(authorization).request(
        request.method,
        request.path,
        body=request.body,
        headers={"Content-Type": request.content_type, **request.headers},
    )


def entries(world: World) -> list[dict[str, Any]]:
    """All entries, oldest first."""
    return sorted(world.table("AUDIT_TABLE"), key=lambda each: str(each["id"]))


def newest(**filters: Any) -> list[tuple[str, ...]]:
    found = list_entries(Filters(**filters), None, 100, utc_now()).entries
    return [(each.who, each.via, each.kind, each.action, each.about) for each in found]


def test_a_log_out_of_reach_leaves_the_change_and_a_line(
    world: World, boss: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = EndpointConnectionError(endpoint_url="https://dynamodb")
    world.database.fail("PutItem", "audit", times=100, error=error)
    answer = Api(boss).post("/api/v1/applications/", {"slug": "crm"})
    assert answer.status == 201
    assert entries(world) == []
    assert Api(boss).get("/api/v1/applications/crm/").status == 200
    (line,) = [each for each in caplog.records if each.message == "audit entry not kept"]
    assert vars(line)["about"] == "crm"
    assert [vars(each)["action"] for each in caplog.records if each.message == "audit"] == ["registered"]


def test_nothing_is_written_where_nobody_acts_or_nothing_is_different(world: World) -> None:
    record("changed", "application", "crm", after={"is_active": True})
    with acting("administrator:anna", Via.API):
        record("changed", "application", "crm", before={"is_active": True}, after={"is_active": True})
    assert entries(world) == []


def test_only_what_is_different_is_kept(world: World) -> None:
    with acting("administrator:anna", Via.API, "the-request"):
        record("changed", "x", "y", before={"a": 1, "b": [2]}, after={"a": 1, "b": [3], "c": None})
    (entry,) = list_entries(Filters(), None, 10, utc_now()).entries
    assert (entry.before, entry.after) == ({"b": [2]}, {"b": [3], "c": None})


def test_a_repetition_that_changes_nothing_leaves_none(world: World, boss: str) -> None:
    api = Api(boss)
    body = {"type": "mail", "title": "Title", "text": "Text", "users": [USER]}
    for _ in range(2):
        answer = api.request(
            "POST",
            "/api/v1/notifications/",
            body=json.dumps(body).encode(),
            headers={"Idempotency-Key": "one"},
        )
        notification = answer.json["id"]
        api.post(f"/api/v1/notifications/{notification}/cancel/", {})
        api.post("/api/v1/unsubscribes/", {"user_id": USER})
        api.request("DELETE", f"/api/v1/contacts/{USER}/")
    for _ in range(2):
        api.request("DELETE", f"/api/v1/unsubscribes/{USER}/")
    assert [each["action"] for each in entries(world)] == ["sent", "cancelled", "unsubscribed", "subscribed"]


def test_a_change_tells_from_what_to_what(world: World, boss: str) -> None:
    api = Api(boss)
    api.post("/api/v1/applications/", {"slug": "crm", "scopes": ["send"]})
    change = {"scopes": ["read"], "is_active": False}
    api.request("PATCH", "/api/v1/applications/crm/", body=json.dumps(change).encode())
    at, later_at = iso(later(utc_now(), 3600)), iso(later(utc_now(), 7200))
    body = {"type": "mail", "title": "Title", "text": "Text", "users": [USER], "send_at": at}
    notification = api.post("/api/v1/notifications/", body).json["id"]
    api.request(
        "PATCH",
        f"/api/v1/notifications/{notification}/",
        body=json.dumps({"send_at": later_at, "title": "Another"}).encode(),
    )
    found = [
        (each.action, each.before, each.after)
        for each in list_entries(Filters(), None, 10, utc_now()).entries
    ]
    assert found == [
        ("changed", {"send_at": at}, {"send_at": later_at, "content": "changed"}),
        (
            "scheduled",
            None,
            {"type": "mail", "recipients": 1, "is_express": False, "send_at": at},
        ),
        (
            "changed",
            {"scopes": ["send"], "is_active": True},
            {"scopes": ["read"], "is_active": False},
        ),
        ("registered", None, {"scopes": ["send"], "is_active": True}),
    ]


def test_a_user_who_acts_is_named(world: World) -> None:
    api = Api(signed_tokens.issue(USER, utc_now()))
    assert api.post("/api/v1/unsubscribes/", {"user_id": USER, "channel": "mail"}).status == 201
    link = example_request("POST /api/v1/unsubscribes/link/{token}/", EVERY)
    assert asked(link, None).status == 200
    first, second = entries(world)
    assert first["who"] == f"user:{USER}"
    assert second["who"] == f"user:{second['about']}"


def test_telegrams_users_are_named(world: World) -> None:
    world.knows([USER], chat_id="42")
    post = example_request("POST /api/v1/telegram/webhook/", EVERY)
    chat = {"id": 42, "type": "private"}
    for text in ("/stop", "/stop", "/start"):
        body = json.dumps({"update_id": 1, "message": {"chat": chat, "text": text}}).encode()
        answer = Api().request(
            "POST", post.path, body=body, headers={"Content-Type": "application/json", **post.headers}
        )
        assert answer.status == 200
    assert newest() == [
        (f"user:{USER}", "api", "unsubscribe", "subscribed", USER),
        (f"user:{USER}", "api", "unsubscribe", "unsubscribed", USER),
    ]


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(manage, "use_stack", lambda stack_name, endpoint_url: None)
    monkeypatch.setattr(sys, "argv", ["manage", *arguments])
    manage.main()


def test_a_command_names_who_runs_it(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "olga")
    for number in range(3):
        suppress("mail", f"{number}@example.com", "bounced: 550", utc_now())
    for arguments in (
        ("create-administrator", "anna"),
        ("register-application", "crm"),
        ("rotate-key", "token"),
        ("lift-suppression", "--channel", "mail", "--reason", "bounced"),
        ("token", "anna"),
        ("webhook-secret", "https://example.com/hook"),
    ):
        run_command(monkeypatch, *arguments)
    assert newest() == [
        ("operator:olga", "command", "suppression", "lifted", "many"),
        ("operator:olga", "command", "key", "rotated", "token"),
        ("operator:olga", "command", "application", "registered", "crm"),
        ("operator:olga", "command", "administrator", "created", "anna"),
    ]
    capsys.readouterr()
    run_command(monkeypatch, "audit", "--kind", "application", "--limit", "1")
    (line,) = capsys.readouterr().out.splitlines()
    shown_line = json.loads(line)
    assert (shown_line["who"], shown_line["about"], shown_line["after"]["is_active"]) == (
        "operator:olga", "crm", True,
    )  # fmt: skip
    with pytest.raises(SystemExit, match="--month: "):
        run_command(monkeypatch, "audit", "--month", "november")


def add(number: int, at: Any, **fields: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "utc_now", lambda: at)
        with acting(fields.get("who", "administrator:anna"), Via(fields.get("via", "api"))):
            record("changed", fields.get("kind", "application"), str(number), after={"number": number})


def test_the_list_goes_back_page_by_page_over_months(world: World) -> None:
    now = utc_now()
    for number in range(45):
        add(number, later(now, -number * 2 * 86_400))
    seen: list[str] = []
    cursor = None
    for _ in range(100):
        page = list_entries(Filters(), cursor, 7, now)
        seen += [each.about for each in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [str(number) for number in range(45)]


def test_filters_let_through_what_they_name(world: World) -> None:
    now = utc_now()
    add(1, now, who="user:a")
    add(2, later(now, 0.01), via="panel", kind="audience")
    add(3, later(now, 0.02), via="panel")
    assert [each[4] for each in newest(who="user:a")] == ["1"]
    assert [each[4] for each in newest(via="panel")] == ["3", "2"]
    assert [each[4] for each in newest(via="panel", kind="audience")] == ["2"]
    assert [each[4] for each in newest(about="3")] == ["3"]
    assert [each[4] for each in newest(month=iso(now)[:7])] == ["3", "2", "1"]
    assert newest(month="2020-01") == []


def test_what_has_expired_is_not_shown(world: World) -> None:
    now = utc_now()
    add(1, now)
    (entry,) = list_entries(Filters(), None, 10, now).entries
    AuditEntry.change(
        month_shard_of(entry), entry.id, actions=[AuditEntry.expires_at.set(int(now.timestamp()) - 1)]
    )
    assert list_entries(Filters(), None, 10, now).entries == []


def month_shard_of(entry: AuditEntry) -> str:
    assert entry.month_shard == month_shard(entry.month_shard[:7], entry.id)
    return str(entry.month_shard)


@pytest.mark.parametrize("month", ["abcdefg", "2026-13", "2026-11-01", "../../x"])
def test_a_cursor_that_is_not_ours_is_refused(world: World, month: str) -> None:
    with pytest.raises(InvalidFieldError):
        list_entries(Filters(), write_cursor(month, NEWEST), 10, utc_now())


def test_the_api_lists_and_pages(world: World, boss: str) -> None:
    now = utc_now()
    for number in range(3):
        add(number, later(now, number / 100), who=f"user:{user_id(number)}")
    api = Api(boss)
    first = api.get("/api/v1/audit/?limit=2&kind=application").json
    assert [each["about"] for each in first["results"]] == ["2", "1"]
    second = api.get(f"/api/v1/audit/?limit=2&kind=application&cursor={first['next']}").json
    assert [each["about"] for each in second["results"]] == ["0"]
    assert first["results"][0]["at"] == iso(later(now, 0.02))
    for query in ("month=2026-13", "via=mail", "limit=0", "cursor=x"):
        assert api.get(f"/api/v1/audit/?{query}").status == 422, query
