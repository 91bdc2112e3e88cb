"""Headers of the audiences that clients make: what has come in, and what may happen with it next.

open ─▶ completing ─▶ complete ─▶ deleting ─▶ (gone)

The ids of a part lie under a key that has a hash of them in it: two who send the same part at once never mix,
and what a later one replaces is never read again. The parts of a file lie there before the header names
them, all at once, when the file is here whole. Such chunks expire with the open audience. To complete it
is to write all ids anew, each once, under the audience's own key: as a dispatch reads them.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.operand import Path

from chalicelib.domain.fanning import chunk_count
from chalicelib.domain.retention import is_kept
from chalicelib.domain.times import iso
from chalicelib.tables.audiences import ByAuthor, Listed
from chalicelib.tables.base import ConditionFailedError, Table, batch_get
from chalicelib.tables.listing import LISTED, keys_page, listed_shard

_STAGED = " staged"

HEADER = -1
"""The place of the header: no chunk has it."""

MAX_RECIPIENTS = 1_000_000


class AudienceState(StrEnum):
    """How far an audience has come."""

    OPEN = "open"
    COMPLETING = "completing"
    COMPLETE = "complete"
    DELETING = "deleting"


@dataclass(frozen=True)
class Part:
    """What came under one number: how many ids, and the hash of them in their order.

    `is_staged`: its ids were there before it had a number.
    """

    number: int
    users: int
    hash: str
    is_staged: bool = False

    @property
    def stored(self) -> str:
        return f"{self.users} {self.hash}{_STAGED if self.is_staged else ''}"

    @property
    def chunks(self) -> int:
        return chunk_count(self.users)


class Audience(Table):
    class Meta:
        table_name = ""

    table_variable = "AUDIENCES_TABLE"

    part = UnicodeAttribute(hash_key=True)
    chunk = NumberAttribute(range_key=True)
    author = UnicodeAttribute(null=True)
    listed = UnicodeAttribute(null=True)
    held_by = UnicodeAttribute(null=True)
    """In place of those two, which are keys of lists: whose form it holds the ids of, for a while."""
    name = UnicodeAttribute(null=True)
    state = UnicodeAttribute()
    changed_at = UnicodeAttribute()
    created_at = UnicodeAttribute()
    parts: MapAttribute[str, str] = MapAttribute(default=dict)
    users = NumberAttribute(default=0)
    recipients = NumberAttribute(null=True)
    used_by = UnicodeSetAttribute(null=True)
    expires_at = NumberAttribute(null=True)

    by_author = ByAuthor()
    listed_index = Listed()

    @property
    def id(self) -> str:
        return self.part

    @property
    def is_passing(self) -> bool:
        """Whether it only holds the ids of a form: it stands in no list."""
        return self.held_by is not None

    @property
    def owner(self) -> str:
        """Who made it."""
        return self.held_by or self.author

    @property
    def by_number(self) -> dict[int, Part]:
        """The parts that have come, in the order of their numbers."""
        found = []
        for number, stored in self.parts.as_dict().items():
            users, _, digest = stored.removesuffix(_STAGED).partition(" ")
            found.append(Part(int(number), int(users), digest, stored.endswith(_STAGED)))
        return {part.number: part for part in sorted(found, key=lambda part: part.number)}

    def key_of(self, part: Part) -> str:
        """Under which key the ids of a part lie."""
        return f"{self.part}#{0 if part.is_staged else part.number}.{part.hash}"


def new_audience(audience_id: str, author: str, name: str | None, now: datetime) -> Audience:
    """The header of an audience that is open and empty; not written."""
    return Audience(
        audience_id,
        HEADER,
        author=author,
        listed=listed_shard(audience_id),
        name=name,
        state=AudienceState.OPEN,
        changed_at=iso(now),
        created_at=iso(now),
    )


def new_passing_audience(audience_id: str, owner: str, name: str | None, now: datetime) -> Audience:
    """The header of one that only holds the ids of a form, and stands in no list; not written."""
    audience = new_audience(audience_id, owner, name, now)
    audience.held_by, audience.author, audience.listed = owner, None, None
    return audience


def add_header(audience: Audience) -> None:
    """Write a new header. Its id is fresh: what stands there already is its own echo."""
    with suppress(ConditionFailedError):
        audience.put(condition=Audience.part.does_not_exist())


def read_header(audience_id: str, now: datetime) -> Audience | None:
    """The header of an audience, unless its time is over."""
    found = Audience.one(audience_id, HEADER, consistent=True)
    return found if found is not None and is_kept(found.expires_at, now) else None


def headers_page(
    author: str | None, after: str | None, limit: int, *, newest_first: bool = False
) -> list[tuple[str, Audience | None]]:
    """Some audiences of one author, or of all, oldest first: the ids, and what is there still."""
    index, keys = (Audience.by_author, [author]) if author else (Audience.listed_index, LISTED)
    ids = [(entry.part, HEADER) for entry in keys_page(index, keys, after, limit, newest_first=newest_first)]
    found = {row.id: row for row in batch_get({Audience: ids}, consistent=True)[Audience]}
    return [(each, found.get(each)) for each, _ in ids]


def set_part(audience: Audience, part: Part) -> Audience:
    """Have a part in an open audience, in the place of the one that was read; ConditionFailedError if not so.

    Accepted too when it stands there already: its own echo, or another who sent the same.
    """
    model, before = Audience, audience.by_number.get(part.number)
    path = Path(["parts", str(part.number)])
    more = part.users - (before.users if before else 0)
    try:
        changed = model.change(
            audience.id,
            HEADER,
            actions=[path.set(part.stored), model.users.add(more)],
            condition=(model.state == AudienceState.OPEN)
            & (path == before.stored if before else path.does_not_exist())
            & (model.users <= MAX_RECIPIENTS - more),
            returning=True,
        )
    except ConditionFailedError as failure:
        found = model.from_raw_data(failure.found)
        if found.by_number.get(part.number) != part:
            raise
        return found
    assert changed is not None
    return changed


def set_parts(audience: Audience, parts: Iterable[Part]) -> Audience:
    """Have further parts, all or none, in an open audience whose parts are as they were read.

    ConditionFailedError if they are not, unless these stand there already.
    """
    model, more = Audience, list(parts)
    users = sum(part.users for part in more)
    path, before = Path(["parts"]), audience.parts.as_dict()
    try:
        changed = model.change(
            audience.id,
            HEADER,
            actions=[
                path.set(before | {str(part.number): part.stored for part in more}),
                model.users.add(users),
            ],
            condition=(model.state == AudienceState.OPEN) & (path == before),
            returning=True,
        )
    except ConditionFailedError as failure:
        found = model.from_raw_data(failure.found)
        if any(found.by_number.get(part.number) != part for part in more):
            raise
        return found
    assert changed is not None
    return changed


def start_completing(audience_id: str, now: datetime) -> Audience:
    """No part can be changed any more, and the header stays; ConditionFailedError if it is past that."""
    model = Audience
    changed = model.change(
        audience_id,
        HEADER,
        actions=[
            model.state.set(AudienceState.COMPLETING),
            model.changed_at.set(iso(now)),
            model.expires_at.remove(),
        ],
        condition=model.state.is_in(AudienceState.OPEN, AudienceState.COMPLETING),
        returning=True,
    )
    assert changed is not None
    return changed


def end_completing(audience_id: str, recipients: int, now: datetime) -> Audience:
    """All chunks stand under the audience's own key. Done again, by its echo or another, it is the same."""
    model = Audience
    changed = model.change(
        audience_id,
        HEADER,
        actions=[
            model.state.set(AudienceState.COMPLETE),
            model.changed_at.set(iso(now)),
            model.recipients.set(recipients),
        ],
        condition=model.state.is_in(AudienceState.COMPLETING, AudienceState.COMPLETE),
        returning=True,
    )
    assert changed is not None
    return changed


def start_deleting(audience: Audience, now: datetime) -> None:
    """Nothing can use an audience any more; ConditionFailedError if it is not as it was read."""
    model = Audience
    unchanged = (
        (model.state == audience.state)
        & (model.changed_at == audience.changed_at)  # nobody has begun to complete it once more
        & (model.used_by == audience.used_by if audience.used_by else model.used_by.does_not_exist())
    )
    model.change(
        audience.id,
        HEADER,
        actions=[
            model.state.set(AudienceState.DELETING),
            model.changed_at.set(iso(now)),
            model.used_by.remove(),
        ],
        condition=unchanged | (model.state == AudienceState.DELETING),
    )


def remove_header(audience_id: str) -> None:
    """The end of an audience that is being deleted; its echo finds nothing."""
    with suppress(ConditionFailedError):
        Audience.remove(audience_id, HEADER, condition=Audience.state == AudienceState.DELETING)


def add_use(audience_id: str, use: str) -> None:
    """Note what needs a complete audience from now on; ConditionFailedError if it is not complete."""
    model = Audience
    model.change(
        audience_id,
        HEADER,
        actions=[model.used_by.add({use})],
        condition=(model.state == AudienceState.COMPLETE),
    )


def remove_uses(audience_id: str, uses: Iterable[str]) -> None:
    """Forget some uses of an audience, if there is that audience."""
    model = Audience
    with suppress(ConditionFailedError):
        model.change(
            audience_id, HEADER, actions=[model.used_by.delete(set(uses))], condition=model.part.exists()
        )
