"""Lists and cursors, whatever they list: an end is an end, and a cursor that is not ours is refused."""

from collections.abc import Callable

import pytest

from chalicelib.services.administrators import create_administrator
from chalicelib.services.applications import register_application
from chalicelib.services.audiences import OPEN_KEPT
from chalicelib.services.cursors import write_cursor
from chalicelib.tables.audience_headers import HEADER, Audience
from chalicelib.tables.frequencies import Frequency
from chalicelib.tables.principals import Application
from chalicelib.tables.unsubscribes import Unsubscribe, add_scope
from tests.support.api import Api, basic, set_api_clock
from tests.support.aws import World
from tests.support.factories import START, user_id

NAMES = ["a", "b", "c", "d"]
CONTENT = {"type": "mail", "title": "News", "text": "There is something new."}


@pytest.fixture
def admin(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    set_api_clock(monkeypatch, world.clock)
    return Api(basic("anna", create_administrator("anna", START)))


def audiences(world: World, admin: Api) -> tuple[list[str], Callable[[str], object]]:
    made = sorted(str(admin.post("/api/v1/audiences/", {"name": name}).json["id"]) for name in NAMES)
    return made, lambda audience: Audience.remove(audience, HEADER)


def frequencies(world: World, admin: Api) -> tuple[list[str], Callable[[str], object]]:
    for name in NAMES:
        body = {"slug": name, "period": 3600, "notification": CONTENT, "users": [user_id(1)]}
        assert admin.post("/api/v1/notification_frequencies/", body).status == 201
    return NAMES, lambda slug: Frequency.remove(slug)


def applications(world: World, admin: Api) -> tuple[list[str], Callable[[str], object]]:
    for name in NAMES:
        register_application(name, START)
    return NAMES, lambda slug: Application.remove(slug)


def unsubscribes(world: World, admin: Api) -> tuple[list[str], Callable[[str], object]]:
    users = [user_id(number) for number in range(4)]
    for user in users:
        add_scope(user, "mail", world.clock())
        world.clock.advance(1)
    return users[::-1], lambda user: Unsubscribe.remove(user)


@pytest.mark.parametrize(
    ("path", "make", "table", "name"),
    [
        ("audiences", audiences, Audience, "id"),
        ("notification_frequencies", frequencies, Frequency, "slug"),
        ("applications", applications, Application, "slug"),
        ("unsubscribes", unsubscribes, Unsubscribe, "user_id"),
    ],
)
def test_what_goes_meanwhile_is_not_the_end_of_a_list(
    world: World,
    admin: Api,
    path: str,
    make: Callable[[World, Api], tuple[list[str], Callable[[str], object]]],
    table: type[Audience | Frequency | Application | Unsubscribe],
    name: str,
) -> None:
    made, remove = make(world, admin)
    # The index has it still when the items that it names are read.
    world.database.before("BatchGetItem", table.table(), lambda: remove(made[1]))
    first = admin.get(f"/api/v1/{path}/?limit=2").json
    second = admin.get(f"/api/v1/{path}/?limit=2&cursor={first['next']}").json
    assert [each[name] for each in first["results"]] == made[:1]
    assert [each[name] for each in second["results"]] == made[2:]
    assert second["next"] is None


def test_an_open_audience_whose_time_is_over_is_not_listed(world: World, admin: Api) -> None:
    (audience, *_), _ = audiences(world, admin)
    world.clock.advance(OPEN_KEPT.total_seconds())
    assert admin.get(f"/api/v1/audiences/{audience}/").status == 404
    assert admin.get("/api/v1/audiences/").json == {"results": [], "next": None}


@pytest.mark.parametrize(
    "path", ["applications", "audiences", "notification_frequencies", "unsubscribes", f"users/{user_id(1)}"]
)
@pytest.mark.parametrize("part", ["", "\ud800"])
def test_a_cursor_that_no_table_takes_is_refused(admin: Api, path: str, part: str) -> None:
    answer = admin.get(f"/api/v1/{path}/?cursor={write_cursor(part)}")
    assert (answer.status, list(answer.fields())) == (422, ["cursor"])
