"""Attempts: how often somebody has tried something in a window of time."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.tables.base import Table


class Attempts(Table):
    class Meta:
        table_name = ""

    table_variable = "ATTEMPTS_TABLE"

    who = UnicodeAttribute(hash_key=True)
    tries = NumberAttribute()
    expires_at = NumberAttribute()


def count_attempt(who: str, by: int, expires_at: int) -> int:
    """Add to somebody's attempts; how many they are now. Repeated by the SDK it counts twice: no harm."""
    counted = Attempts.change(
        who,
        actions=[Attempts.tries.add(by), Attempts.expires_at.set(expires_at)],
        returning=True,
    )
    assert counted is not None
    return int(counted.tries)
