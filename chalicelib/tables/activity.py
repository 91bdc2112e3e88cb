"""Activity: how much was accepted, sent and failed in a minute, by lane and channel, and how long it took.

A statistic: it may count twice. What becomes of mails after they were sent is counted exactly.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from chalicelib.domain.lanes import Lane
from chalicelib.domain.times import iso
from chalicelib.tables.base import Item, Table, in_parallel
from chalicelib.tables.transactions import Update, update_of

SHARDS = 4
"""A minute's counts of a lane are spread over so many items: one takes about 1,000 writes a second."""
KEPT_DAYS = 30

LATENCY_BOUNDS = (0.5, 1, 2, 5, 10, 30, 60, 300, 900)
"""Seconds. How long it took is counted by the first of these that it does not exceed."""

_LANES = tuple(Lane)
_EVENTS = len(_LANES) * SHARDS
"""Where the items begin that transactions write: what is just added to another would collide with one."""
_NO_BOUND = "more"


class Activity(Table):
    class Meta:
        table_name = ""

    table_variable = "ACTIVITY_TABLE"

    minute = UnicodeAttribute(hash_key=True)
    shard = NumberAttribute(range_key=True)
    expires_at = NumberAttribute()


def latency_name(seconds: float | None) -> str:
    """Under what a latency is counted; None: under what those are that exceed every bound."""
    bounds = (bound for bound in LATENCY_BOUNDS if seconds is not None and seconds <= bound)
    return f"latency {next(bounds, _NO_BOUND)}"


def count(lane: Lane, counts: Mapping[str, int], now: datetime) -> None:
    """Add to the present minute's counts of a lane."""
    Activity.change(minute_of(now), _shard(lane), actions=_additions(counts, now))


def count_events(lane: Lane, counts: Mapping[str, int], now: datetime) -> Update:
    """The same as a part of a transaction: with what else is in it, or not at all."""
    return update_of(Activity, minute_of(now), _EVENTS + _shard(lane), actions=_additions(counts, now))


def _shard(lane: Lane) -> int:
    return _LANES.index(lane) * SHARDS + random.randrange(SHARDS)  # noqa: S311


def _additions(counts: Mapping[str, int], now: datetime) -> list[Action]:
    expires = int((now + timedelta(days=KEPT_DAYS)).timestamp())
    return [
        Activity.expires_at.set(expires),
        *(Path([name]).add(number) for name, number in counts.items()),
    ]


def minute_of(at: datetime) -> str:
    """The minute in which a moment is, as counts are kept under it."""
    return f"{iso(at)[:16]}Z"


def counted(minutes: Iterable[str]) -> dict[Lane, Counter[str]]:
    """What was counted in some minutes together: one small query each."""
    found: dict[Lane, Counter[str]] = {lane: Counter() for lane in _LANES}
    for each in counted_each(list(minutes)).values():
        for lane, counts in each.items():
            found[lane].update(counts)
    return found


def counted_each(minutes: Sequence[str]) -> dict[str, dict[Lane, Counter[str]]]:
    """What was counted in each of some minutes: one small query each, several at once."""
    Activity.table()  # connected before the threads start
    return dict(zip(minutes, in_parallel(_counted_in, minutes), strict=True))


def _counted_in(minute: str) -> dict[Lane, Counter[str]]:
    found: dict[Lane, Counter[str]] = {lane: Counter() for lane in _LANES}
    for item in Activity._get_connection().query(minute)["Items"]:
        lane = _LANES[int(item["shard"]["N"]) % _EVENTS // SHARDS]
        found[lane].update(_counts(item))
    return found


def _counts(item: Item) -> dict[str, int]:
    own = Activity.get_attributes().keys()
    return {name: int(value["N"]) for name, value in item.items() if name not in own}
