"""How a dispatch fans out: a tree over its chunks, each due one throttle step after the one before.

A message names the chunks [first, last). A range of one chunk is worked; a wider one is split into at most
ten parts. A million recipients are 10,000 chunks: a tree four levels deep.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.times import later

CHUNK_SIZE = 100
"""Recipients in a chunk: what one BatchGet reads, and what the original sent before it throttled."""

MAX_PARTS = 10
"""Parts of a split: what one SendMessageBatch takes."""

MAX_DELAY_SECONDS = 900
"""The longest SQS holds a message back."""


@dataclass(frozen=True)
class ChunkRange:
    """The chunks [first, last) of a dispatch."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.last:
            raise ValueError(f"not a range of chunks: [{self.first}, {self.last})")

    @property
    def is_one_chunk(self) -> bool:
        return self.last - self.first == 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    @classmethod
    def parse(cls, text: str) -> "ChunkRange":
        """What `str` made of a range."""
        first, last = text.split("-")
        return cls(int(first), int(last))

    def split(self) -> list["ChunkRange"]:
        """At most ten ranges that cover this one, in order."""
        size = math.ceil((self.last - self.first) / MAX_PARTS)
        return [
            ChunkRange(first, min(first + size, self.last)) for first in range(self.first, self.last, size)
        ]


def joined(ranges: Iterable[ChunkRange]) -> list[ChunkRange]:
    """The same chunks in as few ranges as can be, in order."""
    found: list[ChunkRange] = []
    for each in sorted(ranges, key=lambda each: each.first):
        if found and each.first <= found[-1].last:
            found[-1] = ChunkRange(found[-1].first, max(each.last, found[-1].last))
        else:
            found.append(each)
    return found


def chunk_count(recipients: int) -> int:
    """How many chunks so many recipients make."""
    return math.ceil(recipients / CHUNK_SIZE)


def chunk_due(due_at: datetime, chunk: int, step_seconds: int) -> datetime:
    """When the messages of a chunk are due."""
    return later(due_at, chunk * step_seconds)


def delay_until(due: datetime, now: datetime) -> int:
    """The whole seconds left until a moment, rounded up so that nothing is early, as far as SQS can delay."""
    return min(max(math.ceil((due - now).total_seconds()), 0), MAX_DELAY_SECONDS)


def hop_delay(due: datetime, now: datetime) -> int:
    """How long a fan-out message has to wait before its first chunk is within reach of one SQS delay.

    Zero: it can be worked now. Else it goes back to its queue with this delay and looks again.
    """
    beyond = (due - now).total_seconds() - MAX_DELAY_SECONDS
    return min(max(math.ceil(beyond), 0), MAX_DELAY_SECONDS)
