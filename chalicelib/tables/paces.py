"""Paces: which slots of a channel are taken. One item a channel, written on condition of what was read."""

import json
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pynamodb.attributes import UnicodeAttribute

from chalicelib.domain.lanes import Lane
from chalicelib.domain.pacing import Pace
from chalicelib.tables.base import BatchUnprocessedError, ConditionFailedError, Table

TRIES = 10
FIRST_PAUSE_SECONDS = 0.005
"""Between tries, doubling; each is shortened by chance. Another's write takes a few milliseconds."""
LONGEST_PAUSE_SECONDS = 0.1

T = TypeVar("T")


class PaceItem(Table):
    class Meta:
        table_name = ""

    table_variable = "PACES_TABLE"

    channel = UnicodeAttribute(hash_key=True)
    state = UnicodeAttribute()
    version = UnicodeAttribute()  # of whoever wrote it last: by it a write knows its own echo


_last_seen: dict[str, PaceItem] = {}
"""What this process has seen last: most often nobody else has written since, and nothing has to be read."""


def forget() -> None:
    """Begin anew: as a function does that has just started."""
    _last_seen.clear()


def change_pace(channel: str, change: Callable[[Pace], tuple[Pace, T]]) -> T:
    """Take slots in one write: what `change` makes of the pace is kept, and what else it gives is returned.

    `change` is called again with what another has written meanwhile. BatchUnprocessedError when there is
    always somebody.
    """
    row, pause = PaceItem, FIRST_PAUSE_SECONDS
    for _ in range(TRIES):
        seen = _last_seen.get(channel)
        pace, result = change(_loaded(seen.state) if seen else Pace())
        ours = PaceItem(channel, state=_dumped(pace), version=os.urandom(6).hex())
        try:
            ours.put(row.version == seen.version if seen else row.channel.does_not_exist())
        except ConditionFailedError as failure:
            if failure.item is None:
                _last_seen.pop(channel, None)
                continue
            found = PaceItem.from_raw_data(failure.item)
            _last_seen[channel] = found
            if found.version == ours.version:
                return result  # our own echo
            if seen is not None:
                time.sleep(pause * random.uniform(0.0, 1.0))  # noqa: S311
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            continue
        _last_seen[channel] = ours
        return result
    raise BatchUnprocessedError(f"the pace of {channel} was changed by others {TRIES} times")


def _dumped(pace: Pace) -> str:
    """Short, since a write costs by the kilobyte: milliseconds from the first moment on."""
    parts: list[Mapping[Any, float]] = [pace.free, pace.late, pace.addresses]
    base = int(min((at for part in parts for at in part.values()), default=0.0))
    state = [base, *({name: round((at - base) * 1000) for name, at in part.items()} for part in parts)]
    return json.dumps(state, separators=(",", ":"))


def _loaded(state: str) -> Pace:
    base, *parts = json.loads(state)
    free, late, addresses = ({name: base + at / 1000 for name, at in part.items()} for part in parts)
    return Pace(
        {Lane(lane): at for lane, at in free.items()},
        {Lane(lane): at for lane, at in late.items()},
        addresses,
    )
