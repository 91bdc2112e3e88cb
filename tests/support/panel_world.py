"""Something of everything that the panel shows, with a text of one's own wherever there may be one."""

from uuid import UUID

import pytest

from chalicelib import security
from chalicelib.domain.results import Permanent
from chalicelib.services import audiences, audit, frequencies
from chalicelib.services.administrators import create_administrator
from chalicelib.services.applications import register_application
from chalicelib.services.content import Content
from chalicelib.services.frequencies import Wanted
from chalicelib.services.rights import Role, Scope, administrator
from chalicelib.services.send_again import SETTLED_AFTER_SECONDS
from chalicelib.tables.suppressions import suppress
from tests.support.aws import World
from tests.support.factories import address_of, user_id, user_ids

TITLE = 200
"""So long a title may be."""

BOSS = administrator("boss")


def furnish(world: World, text: str = "Autumn sale", many: int = 3, first: int = 0) -> None:
    """Have everything from a number to another of what there are lists of, and recipients in every state."""
    now, users = world.clock(), user_ids(6)
    title = (text * (TITLE // len(text) + 1))[:TITLE] if many > 3 else text
    world.knows(users[:5], name=text)
    world.unsubscribes(users[4], "*")
    world.channel.answers = {address_of(users[0]): [Permanent(text)] * (many + 1)}
    for number in range(first, many):
        world.submit(users, title=title, text=text, content_id=text[:100], is_express=number % 2 == 0)
        if number == 2:  # the others are still to be sent
            world.settle(60)
    world.clock.advance(SETTLED_AFTER_SECONDS + 1)
    with (
        pytest.MonkeyPatch.context() as patch,
        audit.acting("administrator:boss", audit.Via.PANEL, "request"),
    ):
        patch.setattr(
            security, "hash_administrator_password", lambda password: "none"
        )  # it is meant to be slow
        for number in range(first, many):
            audiences.make_whole(title[:100], [UUID(each) for each in users], BOSS.author, now)
            _frequency(f"often-{number}", title, users, world)
            register_application(f"shop-{number}", now, frozenset(Scope), BOSS.author)
            create_administrator(f"viewer-{number}", now, "correct horse battery staple", Role.VIEWER)
            world.unsubscribes(user_id(100 + number), "*")
            suppress("mail", f"user-{number}@example.com", text, now)
            audit.record("changed", "frequency", f"often-{number}", {"title": "before"}, {"title": text})


def _frequency(slug: str, title: str, users: list[str], world: World) -> None:
    wanted = Wanted(
        timing={"cron": "0 9 * * 1", "time_zone": "Europe/Moscow"},
        content=Content("mail", title, title),
        users=[UUID(each) for each in users],
    )
    frequencies.create(slug, wanted, BOSS, world.clock())
