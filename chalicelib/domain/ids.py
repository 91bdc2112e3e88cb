"""Identifiers: UUIDv7, so that they sort by time (RFC 9562, section 5.7)."""

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def uuid7(at: datetime, tail: bytes) -> UUID:
    """The UUIDv7 of a moment and ten further bytes: random ones, or a hash where an id must be derivable."""
    milliseconds = (at - _EPOCH) // _MILLISECOND  # in whole numbers: a float is now and then one short
    value = int.from_bytes(milliseconds.to_bytes(6, "big") + tail[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant
    return UUID(int=value)


def made_at(identifier: str) -> datetime:
    """The moment that a UUIDv7 was made from, to the millisecond; ValueError if it is none."""
    value = UUID(identifier)
    if value.version != 7:
        raise ValueError(f"not a UUIDv7: {identifier!r}")
    return _EPOCH + (value.int >> 80) * _MILLISECOND


def new_id(at: datetime) -> str:
    """A fresh id that sorts by the moment it was made."""
    return str(uuid7(at, os.urandom(10)))
