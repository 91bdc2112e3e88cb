"""Unsubscribes: what a user refuses, everything (`*`) or some channels; and what is left of an erased user.

A tombstone is a refusal of everything with `erased_at`. While something that was in flight may still write
about the user, it stands in the `erasing` index: erasure looks there again. A user who comes back keeps
`erased_before`: what was dispatched earlier carries what has been erased.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from pynamodb.attributes import UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.domain.ids import made_at
from chalicelib.domain.times import iso, later, parse
from chalicelib.tables.base import ConditionFailedError, Table, batch_get
from chalicelib.tables.listing import LISTED, keys_page, listed_shard

EVERYTHING = "*"

ERASING = "erasing"
"""The one hash of the index of what is being erased: few are, at any time."""

ERASED_AGAIN_AFTER_SECONDS = 120
"""Longer than any function runs: whoever read before the tombstone has ended, and written what they write."""


class Listed(GlobalSecondaryIndex["Unsubscribe"]):
    """Sparse: who refuses anything, by the time of the last change."""

    class Meta:
        index_name = "listed"
        projection = KeysOnlyProjection()

    listed = UnicodeAttribute(hash_key=True)
    listed_as = UnicodeAttribute(range_key=True)


class Erasing(GlobalSecondaryIndex["Unsubscribe"]):
    """Sparse: tombstones that have to be looked at again, and when."""

    class Meta:
        index_name = "erasing"
        projection = KeysOnlyProjection()

    erasing = UnicodeAttribute(hash_key=True)
    erase_at = UnicodeAttribute(range_key=True)


class Unsubscribe(Table):
    class Meta:
        table_name = ""

    table_variable = "UNSUBSCRIBES_TABLE"

    user_id = UnicodeAttribute(hash_key=True)
    scopes = UnicodeSetAttribute(null=True)  # the last scope that is taken away takes the attribute along
    updated_at = UnicodeAttribute(null=True)
    listed = UnicodeAttribute(null=True)
    listed_as = UnicodeAttribute(null=True)
    erased_at = UnicodeAttribute(null=True)
    erased_before = UnicodeAttribute(null=True)
    erasing = UnicodeAttribute(null=True)
    erase_at = UnicodeAttribute(null=True)

    listed_index = Listed()
    erasing_index = Erasing()

    @property
    def is_tombstone(self) -> bool:
        """Whether the user is erased, and has not come back."""
        return self.erased_at is not None

    def refuses(self, channel: str) -> bool:
        """Whether the user wants nothing by a channel."""
        scopes = self.scopes or ()
        return EVERYTHING in scopes or channel in scopes

    def erases(self, dispatch_id: str) -> bool:
        """Whether the user is erased from a dispatch: for good, or since it is older than their return.

        Such a recipient gets no row and no message, only the letter of a cancelled one.
        """
        if self.is_tombstone:
            return True
        return self.erased_before is not None and made_at(dispatch_id) <= parse(self.erased_before)


def _listed_actions(user_id: str, now: datetime) -> list[Action]:
    """The actions that put a refusal into the list, at its time."""
    row = Unsubscribe
    return [
        row.updated_at.set(iso(now)),
        row.listed.set(listed_shard(user_id)),
        row.listed_as.set(f"{iso(now)}#{user_id}"),
    ]


def _unlisted_actions(now: datetime) -> list[Action]:
    """The actions by which nothing is refused any more."""
    row = Unsubscribe
    return [row.updated_at.set(iso(now)), row.scopes.remove(), row.listed.remove(), row.listed_as.remove()]


def unsubscribes_page(before: str | None, limit: int) -> list[tuple[str, Unsubscribe | None]]:
    """Some refusals, the last changed first: their places in the list, and what is there still."""
    keys = keys_page(Unsubscribe.listed_index, LISTED, before, limit, newest_first=True)
    users = [key.user_id for key in keys]
    found = {row.user_id: row for row in batch_get({Unsubscribe: users}, consistent=True)[Unsubscribe]}
    return [(key.listed_as, found.get(key.user_id)) for key in keys]


def find(user_id: str) -> Unsubscribe | None:
    """What a user refuses, or is erased; read consistently."""
    return Unsubscribe.one(user_id, consistent=True)


def read_unsubscribes(user_ids: Iterable[str], *, consistent: bool) -> dict[str, Unsubscribe]:
    """What these users refuse, of whom there is anything."""
    found = batch_get({Unsubscribe: user_ids}, consistent=consistent)[Unsubscribe]
    return {row.user_id: row for row in found}


def add_scope(user_id: str, scope: str, now: datetime) -> None:
    """Unsubscribe a user; done again it changes nothing. Who is erased refuses everything already."""
    row = Unsubscribe
    with suppress(ConditionFailedError):  # its own echo, or it stands there since long
        row.change(
            user_id,
            actions=[row.scopes.add({scope}), *_listed_actions(user_id, now)],
            condition=~row.scopes.contains(scope) & row.erased_at.does_not_exist(),
        )


def remove_scope(user_id: str, scope: str | None, now: datetime) -> None:
    """Subscribe a user again to one scope, or (None) to all; done again it changes nothing.

    A tombstone stays: only `lift_tombstone` takes it away.
    """
    row = Unsubscribe
    is_there = row.scopes.exists() & row.erased_at.does_not_exist()
    if scope is None:
        with suppress(ConditionFailedError):
            row.change(user_id, actions=_unlisted_actions(now), condition=is_there)
        return
    while True:  # a further round only when another has changed the scopes in between
        try:
            row.change(user_id, actions=_unlisted_actions(now), condition=is_there & (row.scopes == {scope}))
            return
        except ConditionFailedError as failure:
            if failure.item is None:
                return
            found = row.from_raw_data(failure.item)
            if found.is_tombstone or scope not in (found.scopes or ()):
                return
        with suppress(ConditionFailedError):
            row.change(
                user_id,
                actions=[row.scopes.delete({scope}), *_listed_actions(user_id, now)],
                condition=row.scopes.contains(scope)
                & (row.scopes != {scope})
                & row.erased_at.does_not_exist(),
            )
            return


def set_tombstone(user_id: str, now: datetime) -> None:
    """Leave a tombstone, and have erasure look again when nothing that read before it runs any more.

    Done again it keeps the moment of the first time, and looks again anew.
    """
    row = Unsubscribe
    row.change(
        user_id,
        actions=[
            row.scopes.set({EVERYTHING}),
            row.erased_at.set(row.erased_at | iso(now)),
            row.erasing.set(ERASING),
            row.erase_at.set(iso(later(now, ERASED_AGAIN_AFTER_SECONDS))),
            *_listed_actions(user_id, now),
        ],
    )


def to_erase_again(now: datetime, limit: int) -> list[Unsubscribe]:
    """Tombstones whose time to be looked at again has come, the longest due first."""
    keys = Unsubscribe.erasing_index.query(ERASING, Erasing.erase_at <= iso(now), limit=limit)
    due = [key.user_id for key in keys]
    found = batch_get({Unsubscribe: due}, consistent=True)[Unsubscribe]
    return [row for row in found if row.erase_at is not None and row.erase_at <= iso(now)]


def end_erasure(tombstone: Unsubscribe) -> None:
    """Nothing of the user is left and nothing can come: only the tombstone stays."""
    row = Unsubscribe
    with suppress(ConditionFailedError):  # its own echo, or an administrator has just erased once more
        row.change(
            tombstone.user_id,
            actions=[row.erasing.remove(), row.erase_at.remove()],
            condition=row.erase_at == tombstone.erase_at,
        )


def lift_tombstone(user_id: str, now: datetime) -> bool:
    """An erased user comes back, and refuses nothing. False while the erasure is still under way.

    True also when there is no tombstone. What was dispatched before this moment stays erased.
    """
    row = Unsubscribe
    try:
        row.change(
            user_id,
            actions=[*_unlisted_actions(now), row.erased_at.remove(), row.erased_before.set(iso(now))],
            condition=row.erased_at.exists() & row.erasing.does_not_exist(),
        )
    except ConditionFailedError as failure:
        return failure.item is None or row.from_raw_data(failure.item).erasing is None
    return True
