"""Lanes: express never waits for regular, so each has queues and functions of its own."""

import zlib
from enum import StrEnum

SHARDS = 4
"""Parts of an index whose hash would else be one key: a key takes about 1,000 write units a second."""


class Lane(StrEnum):
    EXPRESS = "express"
    REGULAR = "regular"

    @classmethod
    def of(cls, is_express: bool) -> "Lane":
        return cls.EXPRESS if is_express else cls.REGULAR


def shard_key(lane: Lane, entity_id: str) -> str:
    """The `lane#shard` under which an entity stands in a sparse index."""
    return f"{lane}#{zlib.crc32(entity_id.encode()) % SHARDS}"


def shard_keys(lane: Lane) -> list[str]:
    """Every key that `shard_key` can give for a lane."""
    return [f"{lane}#{shard}" for shard in range(SHARDS)]
