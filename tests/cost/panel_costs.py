"""What a page of the panel costs, and tables that are large enough to find out."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest import mock
from uuid import UUID

import pytest
from botocore.client import BaseClient
from moto import mock_aws

from chalicelib.services import (
    administrators,
    applications,
    audience_parts,
    audiences,
    audit,
    frequencies,
    operations,
    submit,
)
from chalicelib.services.content import Content
from chalicelib.services.frequencies import Wanted
from chalicelib.services.rights import Role, administrator
from chalicelib.services.submit import Submission
from chalicelib.tables.listing import listed_shard
from chalicelib.tables.principals import Administrator
from chalicelib.tables.suppressions import suppress
from tests.support.api import set_api_clock
from tests.support.aws import World, use_test_account
from tests.support.factories import user_id
from tests.support.panel import Browser, visitor
from tests.support.panel_examples import views

LISTS = [view for view in views("GET") if not view.path_parameters and not view.is_open and view.path]
"""Pages whose path names nothing: all lists are among them."""

MOST = 10
"""Requests to AWS for any of them, whatever there is in the tables."""

LOOKS_THROUGH = {"/operations/failures": 2 + operations.NOTIFICATIONS * (2 + 3 * operations.DISPATCHES)}
"""Pages that ask for each of so many notifications, and the most that comes to."""

MOST_OF = {"/audit": 15, "/operations": 30, **LOOKS_THROUGH}
"""Of those that ask for several months, or minutes."""

BORIS = administrator("boris")
WIDEST = "&"
"""The letter that takes most room in a page."""

T = TypeVar("T")


def fill(world: World, first: int, end: int) -> None:
    """Make of each kind those with these numbers, with the longest texts there may be."""
    now = world.clock()
    hashed = "x" * 100
    with audit.acting("administrator:boris", audit.Via.PANEL, "r" * 36):
        for number in range(first, end):
            name = f"{number:03}-{'x' * 60}"
            user = UUID(user_id(number + 1))
            title, text = WIDEST * 200, WIDEST * 1_000
            submit.submit(Submission("mail", title, text, users=[user], content_id=WIDEST * 255), BORIS, now)
            made = audiences.create(WIDEST * 100, BORIS, now)
            audience_parts.put_part(made.id, 1, [user.bytes], BORIS, now)
            content = Content("mail", title, text, False, None)
            wanted = Wanted(timing={"cron": "*/5 * * * *"}, content=content, users=[user])
            frequencies.create(name, wanted, BORIS, now)
            applications.register_application(name, now)
            Administrator(
                name, password_hash=hashed, created_at=now.isoformat(), listed=listed_shard(name)
            ).put()
            world.unsubscribes(str(user), "mail")
            suppress("mail", f"{number:03}{'&' * 60}@{'x' * 180}.example", f"bounced: {WIDEST * 400}", now)
            audit.record(
                "changed", "application", name, {"scopes": [WIDEST * 200]}, {"scopes": [WIDEST * 300]}
            )
    assert administrators.list_administrators(None, 1)


def still_world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose clock stands still: else a page of the last minutes asks for more now and then."""
    world = World(monkeypatch)
    world.checks = False
    set_api_clock(monkeypatch, world.clock)
    monkeypatch.setattr(audit, "utc_now", world.clock)
    return world


def requests_of(act: Callable[[], T]) -> tuple[T, int]:
    """What something gives, and how many requests to AWS it has made."""
    with _counted() as requests:
        answer = act()
    return answer, len(requests)


@contextmanager
def _counted() -> Any:
    requests: list[str] = []
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def count(client: Any, operation: str, parameters: Any) -> Any:
        requests.append(operation)
        return original(client, operation, parameters)

    with mock.patch.object(BaseClient, "_make_api_call", count):
        yield requests


def costs(count: int) -> dict[str, tuple[int, int]]:
    """Each list's requests when there are so many of each kind: the first time, and then."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_test_account(monkeypatch)
        with mock_aws():
            world = still_world(monkeypatch)
            fill(world, 0, count)
            browser = visitor(Role.MANAGER, now=world.clock())
            return {view.path: _twice(browser, f"/admin{view.path}") for view in LISTS}


def _twice(browser: Browser, path: str) -> tuple[int, int]:
    first, then = (requests_of(lambda: browser.get(path))[1] for _ in range(2))
    return first, then
