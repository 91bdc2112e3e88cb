"""Audiences: the user ids of a dispatch, a hundred to a chunk, packed at 16 bytes each."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.domain.fanning import CHUNK_SIZE
from chalicelib.tables.base import MAX_PUTS, Table, batch_put, in_parallel

CHUNKS_OF_A_PART = 100
"""A hash key holds so many chunks, so that the reads of a large audience spread over partitions."""

ID_BYTES = 16


class AudienceChunk(Table):
    class Meta:
        table_name = ""

    table_variable = "AUDIENCES_TABLE"

    part = UnicodeAttribute(hash_key=True)
    chunk = NumberAttribute(range_key=True)
    user_ids = BinaryAttribute(legacy_encoding=False)
    expires_at = NumberAttribute(null=True)


def _part(audience_id: str, chunk: int) -> str:
    return f"{audience_id}#{chunk // CHUNKS_OF_A_PART}"


def pack(user_ids: Sequence[UUID]) -> bytes:
    """User ids as they are stored."""
    return b"".join(user_id.bytes for user_id in user_ids)


def unpack(packed: bytes) -> list[str]:
    """The user ids that `pack` stored, in their usual spelling."""
    return [str(UUID(bytes=packed[start : start + ID_BYTES])) for start in range(0, len(packed), ID_BYTES)]


def write_audience(audience_id: str, user_ids: Sequence[UUID], expires_at: int | None) -> None:
    """Write all chunks of an audience. Written again, they are the same. None: it is kept for good."""
    chunks = [
        AudienceChunk(
            part=_part(audience_id, chunk),
            chunk=chunk,
            user_ids=pack(user_ids[chunk * CHUNK_SIZE : (chunk + 1) * CHUNK_SIZE]),
            expires_at=expires_at,
        )
        for chunk in range(-(-len(user_ids) // CHUNK_SIZE))
    ]
    batches = [chunks[start : start + MAX_PUTS] for start in range(0, len(chunks), MAX_PUTS)]
    AudienceChunk.table()
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
