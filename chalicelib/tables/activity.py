"""Activity: how much was sent and failed in a minute, by channel. A statistic: it may count twice."""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.operand import Path

from chalicelib.domain.times import iso
from chalicelib.tables.base import Table

SHARDS = 4
"""A minute's counts are spread over so many items: one takes about 1,000 writes a second."""
KEPT_DAYS = 30


class Activity(Table):
    class Meta:
        table_name = ""

    table_variable = "ACTIVITY_TABLE"

    minute = UnicodeAttribute(hash_key=True)
    shard = NumberAttribute(range_key=True)
    expires_at = NumberAttribute()


def count(counts: Mapping[str, int], now: datetime) -> None:
    """Add to the present minute's counts."""
    expires = int((now + timedelta(days=KEPT_DAYS)).timestamp())
    Activity.change(
        f"{iso(now)[:16]}Z",
        random.randrange(SHARDS),  # noqa: S311
        actions=[
            Activity.expires_at.set(expires),
            *(Path([name]).add(number) for name, number in counts.items()),
        ],
    )
