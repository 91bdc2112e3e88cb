"""What AWS bills for a request, by the rules of its documentation: no emulator reports it right.

Items are in DynamoDB's own writing ({"name": {"S": "Anna"}}). Every rule is tested on the worked examples of
the documentation, which tests/unit/cost/test_units.py names.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Item = Mapping[str, Mapping[str, Any]]

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096
SQS_REQUEST_BYTES = 64 * 1024

CONTAINER_BYTES = 3
"""A list or a map costs so much by itself, and each of its elements one more."""


@dataclass(frozen=True)
class Index:
    """A global secondary index: its keys, and what of an item it holds (None: everything)."""

    keys: tuple[str, ...]
    projected: frozenset[str] | None

    def entry(self, item: Item | None) -> Item | None:
        """What of an item is in the index, or None when it isn't there: a sparse index."""
        if item is None or not all(key in item for key in self.keys):
            return None
        return {
            name: value for name, value in item.items() if self.projected is None or name in self.projected
        }


def item_size(item: Item | None) -> int:
    """The bytes of an item: those of its attributes' names and values."""
    return sum(len(name.encode()) + value_size(value) for name, value in (item or {}).items())


def value_size(value: Mapping[str, Any]) -> int:
    """The bytes of one value."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return _number_size(content)
        case "B":
            return len(content)
        case "BOOL" | "NULL":
            return 1
        case "SS" | "NS" | "BS":
            return sum(value_size({kind[0]: element}) for element in content)
        case "L":
            return CONTAINER_BYTES + sum(1 + value_size(element) for element in content)
        case "M":
            return CONTAINER_BYTES + sum(
                1 + len(name.encode()) + value_size(element) for name, element in content.items()
            )
    raise ValueError(f"no DynamoDB type: {kind}")


def _number_size(number: str) -> int:
    # "Approximately": a byte for two significant digits, and one; a sign is known to take another.
    sign, digits, _ = Decimal(number).as_tuple()
    significant = "".join(map(str, digits)).strip("0")
    return math.ceil(len(significant) / 2) + 1 + sign


def write_units(before: Item | None, after: Item | None) -> int:
    """Of one put, update or delete: the larger of the item before and after, in KB rounded up.

    A write whose condition fails is billed as well: by what it found, so before and after are the same.
    """
    return _units(max(item_size(before), item_size(after)), WRITE_UNIT_BYTES)


def index_write_units(index: Index, before: Item | None, after: Item | None) -> int:
    """What the same write costs in an index: nothing when its entry stays as it is."""
    old, new = index.entry(before), index.entry(after)
    if old == new:
        return 0
    if old is not None and new is not None and any(old[key] != new[key] for key in index.keys):
        return write_units(old, None) + write_units(None, new)
    return write_units(old, new)


def item_read_units(items: Iterable[Item | None], *, consistent: bool) -> float:
    """Of GetItem and BatchGetItem: each item by itself in 4 KB rounded up; None is a key that isn't there."""
    return sum(_read_units(item_size(item), consistent=consistent) for item in items)


def query_read_units(items: Sequence[Item], *, consistent: bool) -> float:
    """Of one page of a Query or a Scan: the sum of what was read, rounded up; nothing is the least."""
    return _read_units(sum(map(item_size, items)), consistent=consistent)


def sqs_requests(payload_bytes: int) -> int:
    """As how many requests SQS bills one: one for each 64 KB of payload, a batch as a whole."""
    return _units(payload_bytes, SQS_REQUEST_BYTES)


def _read_units(size: int, *, consistent: bool) -> float:
    return _units(size, READ_UNIT_BYTES) * (1.0 if consistent else 0.5)


def _units(size: int, unit: int) -> int:
    return max(1, math.ceil(size / unit))
