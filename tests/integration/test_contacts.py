"""Contacts of the embedded directory: all are checked before any is written."""

from typing import Any

import pytest

from chalicelib.services.contacts import put_contacts
from chalicelib.services.errors import InvalidFieldError
from tests.support.aws import World
from tests.support.factories import user_id, user_ids

ANNA = user_id(1)


def test_a_contact_is_kept_in_the_place_of_the_one_before(world: World) -> None:
    put_contacts([{"user_id": ANNA, "email": "old@example.com", "name": "Anna"}])
    whole = {"user_id": ANNA, "email": "anna@example.com", "locale": "ru", "time_zone": "Europe/Moscow"}
    assert put_contacts([whole]) == 1
    assert world.table("CONTACTS_TABLE") == [whole]


def test_more_than_a_batch_and_the_same_user_twice(world: World) -> None:
    contacts = [{"user_id": user, "email": "x@example.com"} for user in user_ids(60)]
    again = {"user_id": ANNA.replace("-", "").upper(), "email": "anna@example.com"}
    assert put_contacts([*contacts, again]) == 60
    assert {row["user_id"]: row["email"] for row in world.table("CONTACTS_TABLE")}[ANNA] == "anna@example.com"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"user_id": "anna"}, "user_id"),
        ({"email": "anna"}, "email"),
        ({"locale": "tlh"}, "locale"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ],
)
def test_one_that_is_wrong_is_named_and_nothing_is_written(
    world: World, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidFieldError, match=field):
        put_contacts([{"user_id": user_id(2)}, {"user_id": ANNA, **wrong}])
    assert world.table("CONTACTS_TABLE") == []
