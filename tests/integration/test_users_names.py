"""Names of the outside users service: a greeting, never a lost mail."""

import time
from collections.abc import Sequence

import pytest

from chalicelib.directory import Person, http
from chalicelib.directory.http import HttpDirectory
from tests.support.aws import World
from tests.support.factories import user_id, user_ids
from tests.support.users_service import (
    Behaviour,
    Close,
    Dribble,
    Raw,
    Status,
    UsersService,
)


@pytest.fixture
def service(users_service: UsersService, world: World) -> UsersService:
    """The users service, and the world set to it."""
    for name, value in {"DIRECTORY": "http", **users_service.settings}.items():
        world.configure(name, value)
    return users_service


def people(users: Sequence[str], field: str = "email") -> dict[str, Person]:
    return dict(HttpDirectory().people(users, field))


@pytest.mark.parametrize(
    "behaviour",
    [
        Status(500),
        Status(404),
        Status(302),
        Raw(b"nonsense"),
        Raw(b"[]"),
        Raw(b"{}"),
        Raw(b'{"login": 7}'),
        Close(),
    ],
    ids=str,
)
def test_without_a_name_the_mail_goes_with_a_neutral_greeting(
    service: UsersService, world: World, behaviour: Behaviour
) -> None:
    users = user_ids(3)
    service.add_all(users)
    service.misbehave("name", behaviour)
    dispatch = world.submit(users)
    world.settle()
    assert world.counts(dispatch) == {"sent": 3}
    assert [letter.name for letter in world.channel.sent] == [None] * 3


def test_names_have_a_few_seconds_for_a_whole_chunk(
    service: UsersService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "NAMES_SECONDS", 0.5)
    users = user_ids(100)
    service.add_all(users)
    service.misbehave("name", Dribble())
    started = time.monotonic()
    assert {person.name for person in people(users).values()} == {None}
    assert time.monotonic() - started < 2
    asked = service.count("name")
    assert asked <= http.NAMES_AT_ONCE
    assert {person.name for person in people(users).values()} == {None}
    assert service.count("name") == asked  # not again at once


def test_a_name_is_asked_for_once(service: UsersService) -> None:
    users = user_ids(3)
    service.add_all(users[:2])
    service.add(users[2], email="nameless@example.com")
    first = people(users)
    assert [first[user].name for user in users] == ["login-1", "login-2", None]
    assert people(users) == first
    assert service.count("name") == 3
    http.forget()
    people(users)
    assert service.count("name") == 6


def test_nobody_is_asked_for_the_name_of_who_has_no_contact(service: UsersService) -> None:
    service.add(user_id(1), email=None, login="anna")
    people([user_id(1), user_id(2)])
    assert service.count("name") == 0


def test_without_an_address_for_names_none_is_asked_for(service: UsersService, world: World) -> None:
    world.configure("GET_USER_INFO_HOST", "")
    service.add_all(user_ids(2))
    assert {person.name for person in people(user_ids(2)).values()} == {None}
    assert service.count("name") == 0


def test_what_is_no_text_in_a_line_is_taken_out_of_a_name(service: UsersService) -> None:
    service.add(user_id(1), email="anna@example.com", login=" Anna\r\nBcc: all@example.com\x00‮ ")
    assert people([user_id(1)])[user_id(1)].name == "AnnaBcc: all@example.com"
