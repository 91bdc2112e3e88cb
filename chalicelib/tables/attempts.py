"""Attempts: how often somebody has tried something in a window of time, and how often it failed."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.tables.base import ConditionFailedError, Table


class Attempts(Table):
    """`tries` are those that are not known to have been right; `failed` is how many of them were wrong."""

    class Meta:
        table_name = ""

    table_variable = "ATTEMPTS_TABLE"

    who = UnicodeAttribute(hash_key=True)
    tries = NumberAttribute(default=0)
    failed = NumberAttribute(default=0)
    expires_at = NumberAttribute()


def begin_attempt(who: str, limit: int, at_once: int, expires_at: int) -> bool:
    """Count an attempt, if fewer than `limit` have failed and fewer than `limit + at_once` are not known.

    Repeated by the SDK it counts twice, or is refused as the one too many: no harm.
    """
    row = Attempts
    try:
        row.change(
            who,
            actions=[row.tries.add(1), row.expires_at.set(expires_at)],
            condition=(row.failed.does_not_exist() | (row.failed < limit))
            & (row.tries.does_not_exist() | (row.tries < limit + at_once)),
        )
    except ConditionFailedError:
        return False
    return True


def end_attempt(who: str, has_failed: bool, expires_at: int) -> None:
    """An attempt that was begun has failed, or is taken back."""
    row = Attempts
    counted = row.failed.add(1) if has_failed else row.tries.add(-1)
    row.change(who, actions=[counted, row.expires_at.set(expires_at)])
