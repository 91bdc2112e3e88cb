"""Notification frequencies: what recurs, when it is due next, and what it sends to whom."""

from collections.abc import Iterable
from contextlib import suppress

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.tables.base import ConditionFailedError, Table, batch_get
from chalicelib.tables.listing import LISTED, keys_page, listed_shard


class Due(GlobalSecondaryIndex["Frequency"]):
    """Sparse: the frequencies that run again, by when: neither paused ones nor those that have ended."""

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

    due_index = Due()
    by_author = ByAuthor()
    listed_index = Listed()


def due_key(slug: str) -> str:
    """The `due#shard` under which a frequency waits for its next run."""
    return f"due#{listed_shard(slug)}"


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
