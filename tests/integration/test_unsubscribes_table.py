"""The table of unsubscribes: scopes come and go, a tombstone stays, and each write accepts its own echo."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from chalicelib.domain.times import iso, later
from chalicelib.tables.listing import LISTED
from chalicelib.tables.unsubscribes import (
    ERASED_AGAIN_AFTER_SECONDS,
    EVERYTHING,
    Unsubscribe,
    add_scope,
    end_erasure,
    find,
    lift_tombstone,
    remove_scope,
    set_tombstone,
    to_erase_again,
)
from tests.support.aws import World
from tests.support.factories import START, user_id, user_ids

ANNA, BORIS = user_ids(2)
NEXT = later(START, 1)
DUE = later(START, ERASED_AGAIN_AFTER_SECONDS)


def listed() -> list[str]:
    """Who stands in the list, and since when."""
    keys = [key for shard in LISTED for key in Unsubscribe.listed_index.query(shard)]
    return sorted(key.listed_as for key in keys)


def scopes(user: str = ANNA) -> set[str]:
    found = find(user)
    return set(found.scopes or ()) if found else set()


def test_a_scope_is_added_once_and_listed_with_its_time(world: World) -> None:
    add_scope(ANNA, "mail", START)
    add_scope(ANNA, "mail", NEXT)
    assert scopes() == {"mail"}
    assert listed() == [f"{iso(START)}#{ANNA}"]
    add_scope(ANNA, EVERYTHING, NEXT)
    assert scopes() == {"mail", EVERYTHING}
    assert listed() == [f"{iso(NEXT)}#{ANNA}"]


def test_all_shards_of_the_list_are_read(world: World) -> None:
    for number in range(1, 31):
        add_scope(user_id(number), "mail", START)
    assert len(listed()) == 30
    assert {row["listed"] for row in world.table("UNSUBSCRIBES_TABLE")} == set(LISTED)


@pytest.mark.parametrize(
    ("removed", "left"), [("mail", {"telegram"}), ("sms", {"mail", "telegram"}), (None, set())]
)
def test_a_scope_is_taken_back(world: World, removed: str | None, left: set[str]) -> None:
    add_scope(ANNA, "mail", START)
    add_scope(ANNA, "telegram", START)
    for _ in range(2):
        remove_scope(ANNA, removed, NEXT)
        assert scopes() == left
    at = START if removed == "sms" else NEXT
    assert listed() == ([f"{iso(at)}#{ANNA}"] if left else [])


def test_the_last_scope_takes_its_place_in_the_list_along(world: World) -> None:
    add_scope(ANNA, "mail", START)
    remove_scope(ANNA, "mail", NEXT)
    assert world.table("UNSUBSCRIBES_TABLE") == [{"user_id": ANNA, "updated_at": iso(NEXT)}]


@pytest.mark.parametrize("removed", ["mail", None])
def test_nothing_is_made_by_taking_back_what_is_not_there(world: World, removed: str | None) -> None:
    remove_scope(ANNA, removed, START)
    assert world.table("UNSUBSCRIBES_TABLE") == []


def test_another_scope_that_comes_meanwhile_is_not_lost(world: World) -> None:
    add_scope(ANNA, "mail", START)
    written = [True]

    def another_comes(**_: Any) -> None:
        if written.pop() if written else False:
            add_scope(ANNA, "telegram", START)

    world.database._events.register_first("before-call.dynamodb.UpdateItem", another_comes)
    remove_scope(ANNA, "mail", NEXT)
    assert scopes() == {"telegram"}


# Tombstones.


def test_a_tombstone_refuses_everything_and_nothing_changes_it(world: World) -> None:
    add_scope(ANNA, "mail", START)
    set_tombstone(ANNA, NEXT)
    before = world.table("UNSUBSCRIBES_TABLE")
    assert [(row["scopes"], row["erased_at"]) for row in before] == [({EVERYTHING}, iso(NEXT))]
    add_scope(ANNA, "mail", DUE)
    add_scope(ANNA, EVERYTHING, DUE)
    remove_scope(ANNA, EVERYTHING, DUE)
    remove_scope(ANNA, None, DUE)
    assert world.table("UNSUBSCRIBES_TABLE") == before
    assert listed() == [f"{iso(NEXT)}#{ANNA}"]


def test_a_tombstone_is_looked_at_again_when_its_time_has_come(world: World) -> None:
    set_tombstone(ANNA, START)
    set_tombstone(BORIS, NEXT)
    assert to_erase_again(later(DUE, -1), 10) == []
    assert [row.user_id for row in to_erase_again(DUE, 10)] == [ANNA]
    for tombstone in to_erase_again(later(DUE, 1), 10):
        end_erasure(tombstone)
    assert to_erase_again(later(DUE, 100), 10) == []
    found = find(ANNA)
    assert found is not None
    assert found.is_tombstone


def test_erased_once_more_keeps_its_first_time_and_is_looked_at_again(world: World) -> None:
    set_tombstone(ANNA, START)
    (tombstone,) = to_erase_again(DUE, 10)
    set_tombstone(ANNA, DUE)
    end_erasure(tombstone)
    (again,) = to_erase_again(later(DUE, ERASED_AGAIN_AFTER_SECONDS), 10)
    assert (again.erased_at, again.user_id) == (iso(START), ANNA)


def test_a_tombstone_is_lifted_when_the_erasure_has_ended(world: World) -> None:
    assert lift_tombstone(ANNA, START)
    assert world.table("UNSUBSCRIBES_TABLE") == []
    set_tombstone(ANNA, START)
    assert not lift_tombstone(ANNA, DUE)
    assert scopes() == {EVERYTHING}
    (tombstone,) = to_erase_again(DUE, 10)
    end_erasure(tombstone)
    for _ in range(2):
        assert lift_tombstone(ANNA, DUE)
        assert world.table("UNSUBSCRIBES_TABLE") == [
            {"user_id": ANNA, "updated_at": iso(DUE), "erased_before": iso(DUE)}
        ]
    assert listed() == []
    add_scope(ANNA, "mail", DUE)
    assert scopes() == {"mail"}


def _lift(now: datetime) -> None:
    assert lift_tombstone(ANNA, now)


def _end(now: datetime) -> None:
    (tombstone,) = to_erase_again(later(now, ERASED_AGAIN_AFTER_SECONDS), 10)
    end_erasure(tombstone)


WRITES: dict[str, tuple[list[Callable[[datetime], None]], Callable[[datetime], None]]] = {
    "add": ([], lambda now: add_scope(ANNA, "mail", now)),
    "remove one of two": (
        [lambda now: add_scope(ANNA, "mail", now), lambda now: add_scope(ANNA, "sms", now)],
        lambda now: remove_scope(ANNA, "mail", now),
    ),
    "remove the last": (
        [lambda now: add_scope(ANNA, "mail", now)],
        lambda now: remove_scope(ANNA, "mail", now),
    ),
    "remove all": ([lambda now: add_scope(ANNA, "mail", now)], lambda now: remove_scope(ANNA, None, now)),
    "set_tombstone": ([], lambda now: set_tombstone(ANNA, now)),
    "end": ([lambda now: set_tombstone(ANNA, now)], _end),
    "lift": ([lambda now: set_tombstone(ANNA, now), _end], _lift),
}


@pytest.mark.parametrize("name", WRITES)
def test_an_echo_changes_nothing(world: World, name: str) -> None:
    before, write = WRITES[name]
    for each in before:
        each(START)
    write(START)
    without = world.table("UNSUBSCRIBES_TABLE")
    Unsubscribe(ANNA).delete()
    for each in before:
        each(START)
    lost = world.database.lose_answers("UpdateItem")
    write(START)
    assert lost
    assert world.table("UNSUBSCRIBES_TABLE") == without
