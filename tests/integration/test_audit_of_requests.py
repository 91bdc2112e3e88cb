"""Every request of the API that changes something leaves an entry in the audit log, and no secret in it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from chalicelib.admin.declaring import View
from chalicelib.admin.views.audit import ACTIONS, KINDS, NAMES
from chalicelib.api.examples import USER
from chalicelib.api.resources import ENDPOINTS
from chalicelib.domain.times import later, utc_now
from chalicelib.services.administrators import create_administrator, issue_token
from chalicelib.services.applications import register_application, rotate_password
from chalicelib.services.audit import Via, acting
from chalicelib.services.rights import Principal, Scope
from chalicelib.tables.unsubscribes import add_scope, remove_scope
from tests.support.api import Answer, Api
from tests.support.aws import SECRETS, World, use_test_account
from tests.support.example_requests import PASSWORD, ExampleRequest, example_request
from tests.support.panel import visitor
from tests.support.panel_examples import Examples, views

ADMINISTRATOR = Principal("administrator", "boss")

CHANGING = [f"{each.method} {each.path}/" for each in ENDPOINTS if each.method != "GET"]

NO_CHANGE = {
    "POST /api/v1/user_token/": "a log-in changes nothing that is set up or sent",
    "POST /api/v1/user_token/refresh/": "a further token changes nothing",
    "POST /api/v1/telegram/webhook/": "the example is a /start in nobody's chat, which was not stopped",
    "POST /api/v1/templates/{name}/preview/": "a preview sends nothing",
    "POST /api/v1/notifications/{notification_id}/send_again/": "of the example nobody has failed",
}
"""Which requests leave no entry, and why."""

WHO = {
    "POST /api/v1/user_password/": "administrator:anna",
    "POST /api/v1/unsubscribes/link/{token}/": "user:",
}
"""Who it is by what is open to everybody."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for all requests: each makes what it needs."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_test_account(monkeypatch)
        with mock_aws():
            world = World(monkeypatch)
            world.checks = False
            create_administrator("boss", utc_now())
            yield world


@pytest.fixture
def boss(world: World) -> str:
    """The Authorization header of an administrator."""
    return f"Bearer {issue_token('boss', utc_now())}"


def changing_request(name: str) -> ExampleRequest:
    """A request that makes a difference, which some examples do not."""
    request = example_request(name, ADMINISTRATOR)
    if name == "PATCH /api/v1/applications/{slug}/":
        return replace(request, body=b'{"is_active": false}')
    if name == "DELETE /api/v1/unsubscribes/{user_id}/":
        add_scope(USER, "mail", utc_now())
    if name == "POST /api/v1/unsubscribes/":
        remove_scope(USER, None, utc_now())
    if name == "PUT /api/v1/audiences/{audience_id}/parts/{number}/":
        return replace(request, path=request.path.replace("/1/", "/2/"))
    return request


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


@pytest.mark.parametrize("name", CHANGING)
def test_whatever_changes_something_leaves_an_entry(world: World, boss: str, name: str) -> None:
    request = changing_request(name)
    before = {each["id"] for each in entries(world)}
    answer = asked(request, boss)
    assert answer.status == request.status, answer
    made = [each for each in entries(world) if each["id"] not in before]
    if name in NO_CHANGE:
        assert made == []
        return
    (entry,) = made
    assert entry["who"].startswith(WHO.get(name, "administrator:boss"))
    assert (entry["via"], entry["request_id"]) == ("api", answer.headers["X-Request-Id"])
    assert entry["kind"] in KINDS
    assert entry["action"] in ACTIONS
    assert fields_of(entry) <= NAMES.keys()
    assert int(entry["expires_at"]) > later(utc_now(), 399 * 86_400).timestamp()


@pytest.mark.parametrize("name", CHANGING)
def test_what_is_refused_leaves_none(world: World, boss: str, name: str) -> None:
    viewer = register_application(
        f"viewer-{len(entries(world))}-{CHANGING.index(name)}", utc_now(), {Scope.READ}
    )
    request = example_request(name, ADMINISTRATOR)
    before = entries(world)
    is_open = name in WHO or name in NO_CHANGE
    refused = (
        [ExampleRequest(request.method, request.path, request.content_type, b"{", 0)] if request.body else []
    )
    for each, who in [
        *((each, boss) for each in refused),
        *([] if is_open else [(request, f"{viewer.application.slug} {viewer.password}"), (request, None)]),
    ]:
        assert asked(each, who).status in (400, 401, 403, 415, 422), name
    assert entries(world) == before


def test_no_secret_and_no_address_is_in_any_entry(world: World, boss: str) -> None:
    for name in CHANGING:
        assert asked(changing_request(name), boss).status < 300
    with acting("operator:me", Via.COMMAND):
        password = create_administrator("carl", utc_now())
        made = register_application("crm", utc_now())
        rotated = rotate_password("crm", 1, utc_now())
    told = json.dumps([shown(each) for each in entries(world)])
    hashes = [
        each[name]
        for table in ("ADMINS_TABLE", "APPLICATIONS_TABLE")
        for each in world.table(table)
        for name in each
        if "hash" in name
    ]
    keys = [value for secret in SECRETS.values() for value in _texts(secret)]
    assert len(hashes) > 4
    for secret in (password, made.password, rotated.password, PASSWORD, *hashes, *keys):
        assert str(secret) not in told
    for address in ("anna@", "example.com", "Anna", 'chat_id": 4', "It will be with you on Friday."):
        assert address not in told


def _texts(value: Any) -> Iterator[str]:
    """Texts within a secret that are long enough to be secret."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, str) and len(value) > 10 and value != "vestnik_test_bot":
        yield value


def fields_of(entry: dict[str, Any]) -> set[str]:
    """What has changed, by name."""
    return {name for state in ("before", "after") for name in json.loads(entry.get(state) or "{}")}


def shown(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) for name, value in entry.items()}


@pytest.mark.parametrize("view", list(views("POST")), ids=lambda view: view.name)
def test_an_action_of_the_panel_that_changes_something_leaves_an_entry(world: World, view: View) -> None:
    """With an empty form: what needs one is refused, and changes nothing."""
    manager, path = visitor(), Examples().path_of(view)
    csrf, before = manager.csrf(), kept(world)
    known = {each["id"] for each in entries(world)}
    shown_page = manager.post(path, {}, csrf=csrf, text=b"" if view.takes_text else None)
    assert shown_page.status < 500
    made = [each for each in entries(world) if each["id"] not in known]
    after = kept(world)
    changed = [table for table in after if after[table] != before[table]]
    assert bool(made) == bool(changed), changed
    for entry in made:
        assert (entry["who"], entry["via"]) == ("administrator:manager", "panel")
        assert entry["request_id"]
        CHANGED_BY_PANEL.add(str(entry["kind"]))


def test_there_were_such_actions() -> None:
    assert {"administrator", "application", "audience", "notification"} <= CHANGED_BY_PANEL


CHANGED_BY_PANEL: set[str] = set()
"""The kinds of which the test before has seen an entry."""


def kept(world: World) -> dict[str, list[str]]:
    """What stands in the tables, but for what is counted, the log itself, and what only holds a form's ids.

    For how long it is kept does not count: that is put off before anybody is looked for who failed.
    """
    left_out = {"AUDIT_TABLE", "ATTEMPTS_TABLE", "ACTIVITY_TABLE"}
    return {
        table: sorted(str(row | {"expires_at": None}) for row in world.table(table) if "held_by" not in row)
        for table in world.tables
        if table not in left_out
    }
