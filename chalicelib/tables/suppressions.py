"""Suppressions: addresses that nothing is sent to any more, each with the reason; and what was lifted.

Beside them stand filters: short prints of the addresses that are suppressed, in a few items a channel. Who
has no print there is not suppressed, so that a chunk of recipients costs no reading of a row for each.
"""

import hashlib
from collections.abc import Iterable
from contextlib import suppress as ignored
from datetime import datetime

from pynamodb.attributes import BinarySetAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.domain.times import iso
from chalicelib.observability import logger
from chalicelib.tables.base import DATABASE_ERRORS, ConditionFailedError, Table, batch_get, is_outage
from chalicelib.tables.listing import LISTED, keys_page, listed_shard

FILTER_SHARDS = 4
"""Of a channel's filter: one item takes 400 KB, which is some 50,000 prints."""
PRINT_BYTES = 4


class Listed(GlobalSecondaryIndex["Suppression"]):
    """Sparse: what is suppressed now, by when it was."""

    class Meta:
        index_name = "listed"
        projection = KeysOnlyProjection()

    listed = UnicodeAttribute(hash_key=True)
    listed_as = UnicodeAttribute(range_key=True)


class Suppression(Table):
    """An address of a channel; or, with `prints` and little else, a part of a channel's filter."""

    class Meta:
        table_name = ""

    table_variable = "SUPPRESSIONS_TABLE"

    id = UnicodeAttribute(hash_key=True)
    channel = UnicodeAttribute(null=True)
    address = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    suppressed_at = UnicodeAttribute(null=True)
    lifted_at = UnicodeAttribute(null=True)
    lifted_by = UnicodeAttribute(null=True)
    listed = UnicodeAttribute(null=True)
    listed_as = UnicodeAttribute(null=True)
    prints = BinarySetAttribute(legacy_encoding=False, null=True)

    listed_index = Listed()

    @property
    def is_suppressed(self) -> bool:
        """Whether nothing is sent to it; else it was lifted."""
        return self.listed is not None


def suppression_id(channel: str, address: str) -> str:
    """The id of an address, which says nothing about it. Capital letters make no difference."""
    return hashlib.sha256(f"{channel}#{address.lower()}".encode()).hexdigest()[:32]


def _print(id_: str) -> bytes:
    return bytes.fromhex(id_)[:PRINT_BYTES]


def _filter_id(channel: str, shard: int) -> str:
    return f"filter#{channel}#{shard}"


def _filter_of(channel: str, id_: str) -> str:
    return _filter_id(channel, int(id_[-2:], 16) % FILTER_SHARDS)


def suppress(channel: str, address: str, reason: str, at: datetime, *, keeps_address: bool = True) -> bool:
    """Suppress an address for something that happened then; False when it is already, or was lifted since.

    Run again after a failure it goes on. Without `keeps_address` nothing tells any more which address it is.
    """
    id_, row = suppression_id(channel, address), Suppression
    # The print first: without the row behind it it costs a reading, and nothing else.
    try:
        row.change(_filter_of(channel, id_), actions=[row.prints.add({_print(id_)})])
    except DATABASE_ERRORS as error:
        if is_outage(error):
            raise
        # An item takes 400 KB. The row is written all the same: it is seen, though it is not heeded.
        logger.error("the filter of suppressions is full", extra={"channel": channel, "error": str(error)})
    try:
        row.change(
            id_,
            actions=[
                row.channel.set(channel),
                *([row.address.set(address)] if keeps_address else []),
                row.reason.set(reason),
                row.suppressed_at.set(iso(at)),
                row.listed.set(listed_shard(id_)),
                row.listed_as.set(f"{iso(at)}#{id_}"),
            ],
            condition=row.listed.does_not_exist()
            & (row.lifted_at.does_not_exist() | (row.lifted_at < iso(at))),
        )
    except ConditionFailedError:
        return False
    return True


def lift(id_: str, by: str, now: datetime) -> Suppression | None:
    """Let an address be sent to again; the row as it was, or None when nothing of that id is suppressed."""
    row = Suppression
    found = next(iter(find_suppressions([id_])), None)
    if found is None or not found.is_suppressed:
        return None
    with ignored(ConditionFailedError):  # its own echo, or another has lifted it
        row.change(
            id_,
            actions=[
                row.lifted_at.set(iso(now)),
                row.lifted_by.set(by),
                row.listed.remove(),
                row.listed_as.remove(),
            ],
            condition=row.listed_as == found.listed_as,
        )
    # The print stays: another address may have the same, and it does no harm.
    return found


def read_prints(channel: str) -> frozenset[bytes]:
    """The prints of a channel's suppressed addresses; what was suppressed just now may be missing."""
    ids = [_filter_id(channel, shard) for shard in range(FILTER_SHARDS)]
    found = batch_get({Suppression: ids}, consistent=False)[Suppression]
    return frozenset(each for part in found for each in (part.prints or ()))


def suppressed_among(channel: str, addresses: Iterable[str], prints: frozenset[bytes]) -> dict[str, str]:
    """Which of these addresses are suppressed, each with its reason. Only those with a print are read."""
    ids = {suppression_id(channel, address): address for address in addresses}
    suspected = [each for each in ids if _print(each) in prints]
    found = batch_get({Suppression: suspected}, consistent=True)[Suppression]
    # By their ids: of an erased user's address nothing else is left.
    return {ids[each.id]: str(each.reason) for each in found if each.is_suppressed}


def find_suppressions(ids: Iterable[str]) -> list[Suppression]:
    """Which of these there are, suppressed or lifted."""
    found = batch_get({Suppression: ids}, consistent=True)[Suppression]
    return [each for each in found if each.channel is not None]


def forget_address(row: Suppression) -> None:
    """Leave of a suppression's address its hash, which goes on suppressing it; done again it does no harm."""
    model = Suppression
    what, _, _ = str(row.reason).partition(":")
    with ignored(ConditionFailedError):  # it is gone
        model.change(
            row.id,
            actions=[model.address.remove(), model.reason.set(what)],  # what a server said may name it
            condition=model.id.exists(),
        )


def suppressions_page(before: str | None, limit: int) -> list[tuple[str, Suppression | None]]:
    """Some of what is suppressed, the last first: their places in the list, and what is there still."""
    keys = keys_page(Suppression.listed_index, LISTED, before, limit, newest_first=True)
    ids = [key.id for key in keys]
    found = {row.id: row for row in batch_get({Suppression: ids}, consistent=True)[Suppression]}
    return [(key.listed_as, found.get(key.id)) for key in keys]
