"""Lists: one page of an index whose hash is spread over shards, merged by its range key."""

import heapq
import zlib
from collections.abc import Sequence
from typing import Any

from pynamodb.indexes import GlobalSecondaryIndex

SHARDS = 4
"""Parts of an index whose hash would else be one key."""

LISTED = [str(shard) for shard in range(SHARDS)]
"""Every key that `listed_shard` can give."""


def listed_shard(name: str) -> str:
    """The hash under which a thing stands in the list of its kind."""
    return str(zlib.crc32(name.encode()) % SHARDS)


def keys_page(
    index: GlobalSecondaryIndex[Any],
    hash_keys: Sequence[str],
    after: str | None,
    limit: int,
    *,
    newest_first: bool = False,
) -> list[Any]:
    """At most `limit` entries of an index that stand behind the range key `after`, over all its shards.

    The range key has to be unique in the index. An index lags a moment behind its table.
    """
    range_key = next(attribute for attribute in index.Meta.attributes.values() if attribute.is_range_key)
    condition = None
    if after is not None:
        condition = range_key < after if newest_first else range_key > after
    parts = [
        index.query(shard, condition, scan_index_forward=not newest_first, limit=limit) for shard in hash_keys
    ]
    merged = heapq.merge(*parts, key=lambda entry: getattr(entry, range_key.attr_name), reverse=newest_first)
    return [entry for entry, _ in zip(merged, range(limit), strict=False)]
