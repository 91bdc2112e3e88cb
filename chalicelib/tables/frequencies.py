"""Notification frequencies: what recurs, when it is due next, and what it sends to whom."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.domain.lanes import Lane, shard_keys
from chalicelib.domain.times import iso
from chalicelib.tables.base import ConditionFailedError, Table, batch_get
from chalicelib.tables.listing import LISTED, keys_page


class Due(GlobalSecondaryIndex["Frequency"]):
    """Sparse: the frequencies of a lane that run again, by when: no paused ones, none that have ended."""

    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    due = UnicodeAttribute(hash_key=True)
    next_run_at = UnicodeAttribute(range_key=True)


class ByAuthor(GlobalSecondaryIndex["Frequency"]):
    class Meta:
        index_name = "by_author"
        projection = KeysOnlyProjection()

    author = UnicodeAttribute(hash_key=True)
    slug = UnicodeAttribute(range_key=True)


class Listed(GlobalSecondaryIndex["Frequency"]):
    class Meta:
        index_name = "listed"
        projection = KeysOnlyProjection()

    listed = UnicodeAttribute(hash_key=True)
    slug = UnicodeAttribute(range_key=True)


class Frequency(Table):
    class Meta:
        table_name = ""

    table_variable = "FREQUENCIES_TABLE"

    slug = UnicodeAttribute(hash_key=True)
    listed = UnicodeAttribute()
    author = UnicodeAttribute()
    version = NumberAttribute()  # from the milliseconds of its making on: made anew, it has none again
    eras = JSONAttribute()  # see domain/eras.py
    changed_by = UnicodeAttribute()  # which request made this version: by it a write knows its own echo
    created_at = UnicodeAttribute()
    updated_at = UnicodeAttribute()
    is_paused = BooleanAttribute(default=False)
    is_deleting = BooleanAttribute(default=False)

    period = NumberAttribute(null=True)
    cron = UnicodeAttribute(null=True)
    time_zone = UnicodeAttribute()
    starts_at = UnicodeAttribute(null=True)
    ends_at = UnicodeAttribute(null=True)
    due = UnicodeAttribute(null=True)
    next_run_at = UnicodeAttribute(null=True)

    notification_id = UnicodeAttribute()
    type = UnicodeAttribute()
    title = UnicodeAttribute()
    is_express = BooleanAttribute()

    audience_id = UnicodeAttribute()
    audience_use = UnicodeAttribute()
    owns_audience = BooleanAttribute()
    recipients = NumberAttribute()

    @property
    def lane(self) -> Lane:
        return Lane.of(self.is_express)

    @property
    def is_running(self) -> bool:
        """Whether it may send: neither paused nor being deleted."""
        return not self.is_paused and not self.is_deleting

    due_index = Due()
    by_author = ByAuthor()
    listed_index = Listed()


def due_slugs(lane: Lane, until: datetime, limit: int) -> list[str]:
    """The frequencies of a lane that run until a moment, of each shard the first ones."""
    return [
        key.slug
        for shard in shard_keys(lane)
        for key in Frequency.due_index.query(shard, Due.next_run_at <= iso(until), limit=limit)
    ]


def advance(frequency: Frequency, run_at: datetime | None) -> bool:
    """The runs before this one have been made; False if another has done that, or changed the frequency.

    With None there is no further run.
    """
    row, next_run_at = Frequency, iso(run_at) if run_at else None
    actions = (
        [row.next_run_at.set(next_run_at)] if next_run_at else [row.next_run_at.remove(), row.due.remove()]
    )
    try:
        row.change(
            frequency.slug,
            actions=actions,
            condition=(row.changed_by == frequency.changed_by) & (row.next_run_at == frequency.next_run_at),
        )
    except ConditionFailedError as failure:
        found = row.from_raw_data(failure.item) if failure.item else None
        return (
            found is not None
            and found.changed_by == frequency.changed_by
            and found.next_run_at == next_run_at  # its own echo
        )
    return True


def read_frequency(slug: str) -> Frequency | None:
    """A frequency, read consistently."""
    return Frequency.one(slug, consistent=True)


def read_frequencies(slugs: Iterable[str]) -> dict[str, Frequency]:
    """The frequencies of these slugs that there are, read consistently."""
    found = batch_get({Frequency: slugs}, consistent=True)[Frequency]
    return {row.slug: row for row in found}


def frequencies_page(author: str | None, after: str | None, limit: int) -> list[tuple[str, Frequency | None]]:
    """Some frequencies of one author, or of all, by their slugs: the slugs, and what is there still."""
    index, keys = (Frequency.by_author, [author]) if author else (Frequency.listed_index, LISTED)
    slugs = [entry.slug for entry in keys_page(index, keys, after, limit)]
    found = read_frequencies(slugs)
    return [(slug, found.get(slug)) for slug in slugs]


def add_frequency(frequency: Frequency) -> bool:
    """Write a new frequency, unless its slug is taken. Its own echo finds what it wrote."""
    return _put(frequency, Frequency.slug.does_not_exist())


def put_version(frequency: Frequency, read: str) -> bool:
    """Write the next version of a frequency, if the one before it stands there; False if another does.

    `read` is the `changed_by` of the one before: a frequency that was made anew meanwhile is another.
    """
    row = Frequency
    return _put(frequency, (row.version == frequency.version - 1) & (row.changed_by == read))


def _put(frequency: Frequency, condition: Condition) -> bool:
    try:
        frequency.put(condition=condition)
    except ConditionFailedError as failure:
        if failure.item is None:
            return False
        return bool(Frequency.from_raw_data(failure.item).changed_by == frequency.changed_by)
    return True


def remove_frequency(frequency: Frequency) -> None:
    """Remove a frequency in the version that was read. Whatever else stands there is not this one."""
    with suppress(ConditionFailedError):
        Frequency.remove(frequency.slug, condition=Frequency.changed_by == frequency.changed_by)
