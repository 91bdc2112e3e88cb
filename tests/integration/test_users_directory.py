"""The outside users service as the directory: over real HTTP, from the chunk to the mail."""

import time
from collections.abc import Sequence

import pytest

from chalicelib import outside, settings
from chalicelib.directory import DirectoryUnavailableError, Person, http
from chalicelib.directory.choice import directory
from chalicelib.directory.http import HttpDirectory
from chalicelib.domain.lanes import Lane
from chalicelib.domain.times import later
from tests.support.aws import World
from tests.support.factories import user_id, user_ids
from tests.support.users_service import (
    Behaviour,
    BreakOff,
    Close,
    Dribble,
    Hold,
    Raw,
    Status,
    UsersService,
)


@pytest.fixture
def service(users_service: UsersService, world: World) -> UsersService:
    """The users service, and the world set to it."""
    configure(world, users_service)
    return users_service


def configure(world: World, service: UsersService, **more: str) -> None:
    for name, value in {"DIRECTORY": "http", **service.settings, **more}.items():
        world.configure(name, value)


def ids_asked(service: UsersService) -> list[list[str]]:
    return [each.body["ids"] for each in service.asked if each.what == "contacts"]


def people(users: Sequence[str], field: str = "email") -> dict[str, Person]:
    return dict(HttpDirectory().people(users, field))


def test_the_directory_is_chosen_by_the_setting(service: UsersService, world: World) -> None:
    assert isinstance(directory(), HttpDirectory)
    world.configure("DIRECTORY", "table")
    assert not isinstance(directory(), HttpDirectory)


@pytest.mark.parametrize("written", ["dashed", "hex", "upper"])
def test_contacts_and_names(service: UsersService, written: str) -> None:
    service.ids_as = written
    users = user_ids(4)
    service.add(users[0], email="anna@example.com", login="Анна")
    service.add(users[1], email=None, login="boris")
    service.add(users[2], email=" ", login=None)
    assert people(users) == {
        users[0]: Person("anna@example.com", "Анна"),
        users[1]: Person(None),
        users[2]: Person(None),
    }
    assert {each.headers["content-type"] for each in service.asked if each.method == "POST"} == {
        "application/json"
    }


def test_chat_ids_come_as_numbers_and_as_strings(service: UsersService) -> None:
    users = user_ids(4)
    for user, chat_id in zip(users, (123, "-100123", None, "null"), strict=True):
        service.add(user, chat_id=chat_id)
    found = people(users, "chat_id")
    assert [found[user].address for user in users] == ["123", "-100123", None, None]


@pytest.mark.parametrize(("size", "pages"), [(100, 1), (1000, 1), (40, 3), (30, 4)])
def test_each_request_is_the_first_page_of_as_many_ids_as_a_page_has(
    service: UsersService, world: World, size: int, pages: int
) -> None:
    service.page_size = size
    configure(world, service)
    users = user_ids(100)
    service.add_all(users)
    assert set(people(users)) == set(users)
    assert sorted(ids_asked(service)) == [users[start : start + size] for start in range(0, 100, size)]
    assert len(ids_asked(service)) == pages
    assert all("page=1&field=email" in each.path for each in service.asked if each.what == "contacts")


def test_who_was_not_asked_for_is_not_taken(service: UsersService) -> None:
    said = f'{{"{user_id(1)}": "anna@example.com", "{user_id(2)}": "x@example.com", "total": 2}}'
    service.misbehave("contacts", Raw(said.encode()))
    assert people([user_id(1)]) == {user_id(1): Person("anna@example.com")}


@pytest.mark.parametrize("value", ['{"email": "a@example.com"}', "true", "[1]", "1.5"])
def test_one_bad_value_is_that_users_alone(service: UsersService, world: World, value: str) -> None:
    users = user_ids(2)
    said = f'{{"{users[0]}": {value}, "{users[1]}": "boris@example.com"}}'
    service.misbehave("contacts", Raw(said.encode()))
    dispatch = world.submit(users)
    world.settle()
    assert world.counts(dispatch) == {"sent": 1, "wrong_contact": 1}
    assert world.row(users[0])["reason"] == "not a valid email"


UNUSABLE: list[Behaviour] = [
    Status(301, headers=(("Location", "/users/info/?page=1&field=email"),)),
    Status(400),
    Status(401),
    Status(404),
    Status(204, ""),
    Status(500),
    Status(429),
    Raw(b""),
    Raw(b"<html>Welcome</html>"),
    Raw(b'["anna@example.com"]'),
    Raw(b'"None"'),
    Raw(b'{"error": "try later"}'),
    Raw(f'{{"{user_id(1)}": {{"email": "anna@example.com"}}}}'.encode()),
    Raw(b'{"results": {}}'),
    Raw(b" " * 2_000_000),
    Close(),
    BreakOff(),
]


@pytest.mark.parametrize("behaviour", UNUSABLE, ids=lambda each: str(each)[:50])
def test_what_cannot_be_used_is_an_outage_and_nobodys_wrong_contact(
    service: UsersService, world: World, behaviour: Behaviour
) -> None:
    users = user_ids(2)
    service.add_all(users)
    service.misbehave("contacts", behaviour)
    dispatch = world.submit(users)
    world.fan_out()
    assert world.counts(dispatch) == {"unsent": 2}
    assert {row["reason"] for row in world.rows().values()} == {"directory unavailable"}
    tries = 3 if isinstance(behaviour, Close | BreakOff) or behaviour in (Status(500), Status(429)) else 1
    assert service.count("contacts") == tries


def test_found_wrong_unknown_and_unsubscribed(service: UsersService, world: World) -> None:
    users = user_ids(5)
    service.add(users[0], email="anna@example.com", login="anna")
    service.add(users[1], email=None)
    service.add(users[2], email="not an address")
    service.add(users[3], email="gone@example.com")
    world.unsubscribes(users[3], "*")
    dispatch = world.submit(users)
    world.settle()
    assert world.letters(dispatch) == "swwnw"
    assert [world.row(user)["reason"] for user in users[1:]] == [
        "no email",
        "not a valid email",
        "unsubscribed",
        "unknown to the directory",
    ]
    assert users[3] not in ids_asked(service)[0]  # nobody needs to know
    (letter,) = world.channel.sent
    assert (letter.address, letter.name) == ("anna@example.com", "anna")


@pytest.mark.parametrize("lane", list(Lane))
def test_what_was_unsent_while_the_service_was_down_is_found_later(
    service: UsersService, world: World, lane: Lane
) -> None:
    users = user_ids(30)
    service.add_all(users[:29])
    service.misbehave("contacts", Close())
    dispatch = world.submit(users, is_express=lane is Lane.EXPRESS)
    world.fan_out(lane)
    assert world.counts(dispatch) == {"unsent": 30}
    assert world.sweep() == {"postponed": 30}
    service.behave()
    world.clock.advance(60 * 1.25 + 1)
    assert world.sweep() == {"requeued": 29, "wrong contact": 1}
    world.settle()
    assert world.counts(dispatch) == {"sent": 29, "wrong_contact": 1}
    assert set(world.channel.addresses().values()) == {1}


def test_one_page_that_fails_has_the_whole_chunk_wait(service: UsersService, world: World) -> None:
    service.page_size = 50
    configure(world, service)
    users = user_ids(100)
    service.add_all(users)
    service.misbehave(
        "contacts", Status(500), times=5
    )  # of two pages with three tries each, one gets through
    with pytest.raises(DirectoryUnavailableError, match="status 500"):
        people(users)


def test_a_silent_service_is_waited_for_once_and_then_left_alone(
    service: UsersService, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure("USERS_SERVICE_TIMEOUT_SECONDS", "1")
    world.configure("NUMBER_OF_TRIES_TO_GET_USERS", "1")
    monkeypatch.setattr(http, "OUTSIDE_SECONDS", 0.5)
    service.misbehave("contacts", Hold())
    users = user_ids(110)
    dispatch = world.submit(users)
    world.configure("THROTTLE_STEP_SECONDS", "0")
    started = time.monotonic()
    world.checks = False
    world.fan_out()
    assert service.count("contacts") == 1
    assert time.monotonic() - started < 5
    assert world.counts(dispatch) == {"unsent": 110}
    service.behave()
    service.add_all(users)
    world.clock.advance(10)
    world.sweep()
    world.checks = True
    world.settle()
    assert world.counts(dispatch) == {"sent": 110}


@pytest.mark.parametrize("behaviour", [Hold(), Dribble(), Dribble(in_head=True)], ids=str)
def test_the_whole_of_the_contacts_has_an_end(
    service: UsersService, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour
) -> None:
    monkeypatch.setattr(http, "OUTSIDE_SECONDS", 0.5)
    service.misbehave("contacts", behaviour)
    started = time.monotonic()
    with pytest.raises(DirectoryUnavailableError):
        people(user_ids(100))
    assert time.monotonic() - started < 1.5


def test_the_longest_that_a_directory_takes_fits_into_every_function() -> None:
    assert HttpDirectory.longest_seconds <= 20  # fan_out_express has 30, and must write what it found
    assert settings.PAUSE_SECONDS >= outside.FIRST_PAUSE_SECONDS


def test_the_sweep_begins_no_hundred_for_which_there_is_no_time(service: UsersService, world: World) -> None:
    users = user_ids(2)
    service.add_all(users)
    service.misbehave("contacts", Close())
    world.submit(users)
    world.fan_out()
    service.behave()
    world.clock.now = later(world.clock(), 20)
    assert world.sweep(seconds=15 + HttpDirectory.longest_seconds - 0.1) == {}
    assert world.sweep(seconds=15 + HttpDirectory.longest_seconds + 0.1) == {"requeued": 2}
