"""Who may do what: the table in docs/api.md, every cell of it tried on the real app."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from chalicelib.api.examples import USER
from chalicelib.directory import signed_tokens
from chalicelib.domain.times import utc_now
from chalicelib.services.administrators import create_administrator, issue_token
from chalicelib.services.applications import change_rights, register_application
from chalicelib.services.rights import Principal, Role, Scope
from tests.support.api import PROBLEM, Answer, Api
from tests.support.aws import World, use_test_account
from tests.support.example_requests import PASSWORD, ExampleRequest, example_request
from tests.support.factories import user_id

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
COUNTED = ("APPLICATIONS_TABLE", "ATTEMPTS_TABLE")
"""What a refused request may change: how often somebody came."""

OTHERS = Principal("application", "others")


def read_table() -> dict[str, dict[str, str]]:
    """The rows of the table: "GET /api/v1/health/" -> who -> cell."""
    rows = [
        [cell.strip() for cell in line.strip("|\n ").split("|")]
        for line in PAGE.read_text("utf-8").partition("## What everybody may")[2].splitlines()
        if line.startswith("|")
    ]
    header = rows[0][1:]
    found = {}
    for name, *cells in rows[2:]:
        if re.match("[A-Z]+ /", name):
            assert len(cells) == len(header), name
            found[name] = dict(zip(header, cells, strict=True))
    return found


TABLE = read_table()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for the whole table: each request makes what it needs."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_test_account(monkeypatch)
        with mock_aws():
            world = World(monkeypatch)
            world.checks = False
            yield world


@pytest.fixture(scope="module")
def headers(world: World) -> dict[str, str | None]:
    """Who -> their Authorization header."""
    now = utc_now()
    for role in Role:
        create_administrator(f"a-{role}", now, PASSWORD, role)
    applications = {
        str(scope): f"{scope} {register_application(str(scope), now, {scope}).password}" for scope in Scope
    }
    disabled = register_application("disabled", now, set(Scope))
    change_rights("disabled", None, False)
    return {
        "nobody": None,
        "user": signed_tokens.issue(USER, now),
        "other user": signed_tokens.issue(user_id(2), now),
        **applications,
        "disabled": f"disabled {disabled.password}",
        "viewer": f"Bearer {issue_token('a-viewer', now)}",
        "sender": f"Bearer {issue_token('a-sender', now)}",
        "administrator": f"Bearer {issue_token('a-manager', now)}",
    }


def asked(request: ExampleRequest, authorization: str | None) -> Answer:
    return Api(authorization).request(
        request.method,
        request.path,
        body=request.body,
        headers={"Content-Type": request.content_type, **request.headers},
    )


def kept(world: World) -> dict[str, list[str]]:
    """Everything in the tables, but for what counts requests."""
    return {table: sorted(map(str, world.table(table))) for table in world.tables if table not in COUNTED}


def test_the_table_has_every_route_and_no_other() -> None:
    from app import app

    routes = {
        f"{method} {path}/"
        for path, methods in app.routes.items()
        for method in methods
        if method != "OPTIONS" and ".files/" not in path and not path.startswith("/admin")
    }
    assert set(TABLE) == routes


def test_the_table_has_everybody(headers: dict[str, str | None]) -> None:
    assert {who for cells in TABLE.values() for who in cells} == set(headers)


@pytest.mark.parametrize("name", TABLE)
def test_everybody_may_what_the_table_says(world: World, headers: dict[str, str | None], name: str) -> None:
    refused = {
        # What others made is not there for an application, whatever it may do with its own.
        who: (example_request(name, OTHERS), 404 if cell == "own" else int(cell))
        for who, cell in TABLE[name].items()
        if cell != "yes"
    }
    before = kept(world)
    for who, (request, status) in refused.items():
        answer = asked(request, headers[who])
        assert (answer.status, answer.content_type) == (status, PROBLEM), (who, answer)
    assert kept(world) == before, "a refused request has changed something"
    for who in [who for who, cell in TABLE[name].items() if not cell.isdigit()]:
        owner = Principal("application", who) if TABLE[name][who] == "own" else OTHERS
        request = example_request(name, owner)
        answer = asked(request, headers[who])
        assert answer.status == request.status, (who, answer)


@pytest.mark.parametrize("name", [name for name in TABLE if TABLE[name]["nobody"] == "401"])
def test_an_application_may_with_all_scopes_what_it_may_with_one(
    world: World, headers: dict[str, str | None], name: str
) -> None:
    every = Principal("application", f"every-{len(world.table('APPLICATIONS_TABLE'))}")
    password = register_application(every.name, utc_now(), set(Scope)).password
    request = example_request(name, every)
    may = any(TABLE[name][scope] in ("yes", "own") for scope in Scope)
    assert asked(request, f"{every.name} {password}").status == (request.status if may else 403)
