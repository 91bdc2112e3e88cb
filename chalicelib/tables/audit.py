"""The audit log: every change of what is set up or sent, who made it, when, and from what to what."""

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.tables.base import Table, in_parallel
from chalicelib.tables.listing import LISTED, listed_shard


class AuditEntry(Table):
    """One change. `id` is a UUIDv7, and so the moment; `before` and `after` have what is different."""

    class Meta:
        table_name = ""

    table_variable = "AUDIT_TABLE"

    month_shard = UnicodeAttribute(hash_key=True)  # 2026-11#3
    id = UnicodeAttribute(range_key=True)
    who = UnicodeAttribute()
    via = UnicodeAttribute()
    action = UnicodeAttribute()
    kind = UnicodeAttribute()
    about = UnicodeAttribute()
    before = JSONAttribute(null=True)
    after = JSONAttribute(null=True)
    request_id = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()


def month_shard(month: str, entry_id: str) -> str:
    """Where an entry of a month (2026-11) stands: a month is spread, so that writing has no one hot key."""
    return f"{month}#{listed_shard(entry_id)}"


def entries_page(month: str, before: str | None, limit: int) -> list[AuditEntry]:
    """Some entries of a month, the newest first, that are older than the entry `before`."""

    def part(shard: str) -> list[AuditEntry]:
        older = AuditEntry.id < before if before else None
        found = AuditEntry.query(
            f"{month}#{shard}", older, scan_index_forward=False, limit=limit, page_size=limit
        )
        return list(found)

    parts = in_parallel(part, LISTED)
    return sorted((each for part in parts for each in part), key=lambda each: each.id, reverse=True)[:limit]
