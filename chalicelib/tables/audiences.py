"""Audiences: the user ids of a dispatch, a hundred to a chunk, packed at 16 bytes each.

What a client sends in parts lies under keys of its own until the audience is complete: `audience_headers`.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.domain.fanning import CHUNK_SIZE, chunk_count
from chalicelib.tables.base import MAX_PUTS, Table, batch_put, in_parallel

CHUNKS_OF_A_PART = 100
"""A hash key holds so many chunks, so that the reads of a large audience spread over partitions."""

ID_BYTES = 16


class ByAuthor(GlobalSecondaryIndex["AudienceChunk"]):
    """The headers of an author, oldest first."""

    class Meta:
        index_name = "by_author"
        projection = KeysOnlyProjection()

    author = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)


class Listed(GlobalSecondaryIndex["AudienceChunk"]):
    """All headers, oldest first."""

    class Meta:
        index_name = "listed"
        projection = KeysOnlyProjection()

    listed = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)


class AudienceChunk(Table):
    class Meta:
        table_name = ""

    table_variable = "AUDIENCES_TABLE"

    part = UnicodeAttribute(hash_key=True)
    chunk = NumberAttribute(range_key=True)
    user_ids = BinaryAttribute(legacy_encoding=False)
    expires_at = NumberAttribute(null=True)

    # No chunk stands in them. PynamoDB knows a table as the first of its models says it.
    by_author = ByAuthor()
    listed_index = Listed()


class ChunksMissingError(Exception):
    """Some chunks of an audience are not there, or not any more."""


def _part(audience_id: str, chunk: int) -> str:
    return f"{audience_id}#{chunk // CHUNKS_OF_A_PART}"


def _parts(audience_id: str, chunks: int) -> list[str]:
    return [_part(audience_id, first) for first in range(0, chunks, CHUNKS_OF_A_PART)]


def pack(user_ids: Sequence[UUID]) -> bytes:
    """User ids as they are stored."""
    return b"".join(user_id.bytes for user_id in user_ids)


def unpack(packed: bytes) -> list[str]:
    """The user ids that `pack` stored, in their usual spelling."""
    return [str(UUID(bytes=each)) for each in ids_in(packed)]


def ids_in(packed: bytes) -> list[bytes]:
    """The packed ids one by one."""
    return [packed[start : start + ID_BYTES] for start in range(0, len(packed), ID_BYTES)]


def write_audience(audience_id: str, user_ids: Sequence[UUID], expires_at: int | None) -> None:
    """Write all chunks of an audience. Written again, they are the same. None: it is kept for good."""
    _write(_chunks(audience_id, pack(user_ids), expires_at))


def write_packed(audience_id: str, packed: bytes, expires_at: datetime | None) -> None:
    """Write all chunks of an audience from packed ids; without `expires_at` they stay."""
    _write(_chunks(audience_id, packed, int(expires_at.timestamp()) if expires_at else None))


def _chunks(audience_id: str, packed: bytes, expires_at: int | None) -> list[AudienceChunk]:
    size = CHUNK_SIZE * ID_BYTES
    return [
        AudienceChunk(
            part=_part(audience_id, chunk),
            chunk=chunk,
            user_ids=packed[chunk * size : (chunk + 1) * size],
            expires_at=expires_at,
        )
        for chunk in range(chunk_count(len(packed) // ID_BYTES))
    ]


def _write(chunks: Sequence[AudienceChunk]) -> None:
    batches = [chunks[start : start + MAX_PUTS] for start in range(0, len(chunks), MAX_PUTS)]
    AudienceChunk.table()  # connected before the threads start
    in_parallel(batch_put, batches)


def read_chunks(audience_id: str, chunks: int) -> Iterator[tuple[int, list[str]]]:
    """(chunk, its user ids) of the first chunks of an audience, in order; a request for a hundred."""
    for first in range(0, chunks, CHUNKS_OF_A_PART):
        for item in AudienceChunk.query(
            _part(audience_id, first), AudienceChunk.chunk < chunks, consistent_read=True
        ):
            yield int(item.chunk), unpack(item.user_ids)


def read_chunk(audience_id: str, chunk: int) -> list[str] | None:
    """The user ids of a chunk by position, or None when there is no such chunk (any more)."""
    found = AudienceChunk.one(_part(audience_id, chunk), chunk, consistent=True)
    return unpack(found.user_ids) if found else None


def read_packed(audience_id: str, chunks: int) -> bytes:
    """All ids of an audience in their order, packed; ChunksMissingError unless every chunk is there."""
    found = _read(audience_id, chunks)
    if len(found) != chunks:
        raise ChunksMissingError(f"{chunks - len(found)} of {chunks} chunks of {audience_id}")
    return b"".join(each.user_ids for each in found)


def let_expire(audience_id: str, chunks: int, expires_at: datetime) -> None:
    """Have the chunks of an audience expire, as many as there are. Done again it changes nothing."""
    found = _read(audience_id, chunks)
    for each in found:
        each.expires_at = int(expires_at.timestamp())
    _write(found)


def keep_chunks(audience_id: str, chunks: int, until: int) -> None:
    """Keep the chunks of an audience at least until then; those kept for good, or longer, stay so."""
    found = [
        each for each in _read(audience_id, chunks) if each.expires_at is not None and each.expires_at < until
    ]
    for each in found:
        each.expires_at = until
    if found:
        _write(found)


def _read(audience_id: str, chunks: int) -> list[AudienceChunk]:
    """The chunks that there are, in order. A query reads a hundred at half the price of as many keys."""
    AudienceChunk.table()  # connected before the threads start
    read = in_parallel(
        lambda part: list(AudienceChunk.query(part, consistent_read=True)), _parts(audience_id, chunks)
    )
    return [chunk for part in read for chunk in part]
