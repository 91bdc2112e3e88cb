"""The audit log: who changed what, when, from what to what, and whether by the panel, the API or a command.

The edges say who acts (`acting`); the use cases say what they have changed (`record`). An entry is a line of
the log in any case; where the table cannot be reached the change stands, and the line is all that is left.
Of users' contacts only the names of the fields are kept, so that who is erased is erased here too.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib import settings
from chalicelib.domain.ids import made_at, new_id
from chalicelib.domain.retention import is_kept
from chalicelib.domain.times import iso, utc_now
from chalicelib.observability import logger
from chalicelib.services.cursors import not_ours, read_cursor, write_cursor
from chalicelib.tables.audit import AuditEntry, entries_page, month_shard
from chalicelib.tables.base import DATABASE_ERRORS

READ_AT_ONCE = 100
MAX_READS = 3
"""So many hundreds are looked through for a page: one that a filter leaves short, or empty, has a next."""

NEWEST = "-"


class Via(StrEnum):
    """By what a change was made."""

    PANEL = "panel"
    API = "api"
    COMMAND = "command"


@dataclass(frozen=True)
class Actor:
    """Who acts, by what, and under which id their request is logged."""

    who: str
    via: Via
    request_id: str | None = None


_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)


@contextmanager
def acting(who: str, via: Via, request_id: str | None = None) -> Iterator[None]:
    """Have every change within be this one's."""
    token = _acting.set(Actor(who, via, request_id))
    try:
        yield
    finally:
        _acting.reset(token)


def record(
    action: str,
    kind: str,
    about: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    who: str | None = None,
) -> None:
    """Write down a change that has been made; nothing where nothing is different, or where nobody acts.

    `before` and `after` may have the same fields: those that are the same are left out. `who` is for what is
    open to everybody: only the use case learns there who it is.
    """
    actor = _acting.get()
    if actor is None:
        return
    was, now_is = _different(before, after)
    if not was and not now_is and before is not None and after is not None:
        return
    now = utc_now()
    entry_id = new_id(now)
    entry = AuditEntry(
        month_shard(iso(now)[:7], entry_id),
        entry_id,
        who=who or actor.who,
        via=str(actor.via),
        action=action,
        kind=kind,
        about=about,
        before=was or None,
        after=now_is or None,
        request_id=actor.request_id,
        expires_at=int((now + timedelta(days=settings.panel().audit_days)).timestamp()),
    )
    told = {
        "audit": entry_id, "who": entry.who, "via": entry.via, "action": action, "kind": kind, "about": about,
    }  # fmt: skip
    logger.info("audit", extra=told | {"before": was, "after": now_is})
    try:
        entry.put()
    except DATABASE_ERRORS:
        logger.exception("audit entry not kept", extra=told)


def _different(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    was, now_is = dict(before or {}), dict(after or {})
    same = {name for name in was.keys() & now_is.keys() if was[name] == now_is[name]}
    return (
        {name: value for name, value in was.items() if name not in same},
        {name: value for name, value in now_is.items() if name not in same},
    )


@dataclass(frozen=True)
class Filters:
    """What is listed; None is everything."""

    who: str | None = None
    kind: str | None = None
    about: str | None = None
    via: str | None = None
    month: str | None = None

    def admit(self, entry: AuditEntry) -> bool:
        """Whether it is one of what is listed."""
        return all(
            wanted is None or wanted == found
            for wanted, found in (
                (self.who, entry.who),
                (self.kind, entry.kind),
                (self.about, entry.about),
                (self.via, entry.via),
            )
        )


@dataclass(frozen=True)
class AuditPage:
    """Some entries, newest first, and where the next ones begin."""

    entries: list[AuditEntry]
    next_cursor: str | None


def list_entries(filters: Filters, cursor: str | None, limit: int, now: datetime) -> AuditPage:
    """Some entries, newest first: month by month, until a page is full or nothing older is kept."""
    month, before = _place(filters, cursor, now)
    oldest = filters.month or iso(now - timedelta(days=settings.panel().audit_days))[:7]
    found: list[AuditEntry] = []
    for _ in range(MAX_READS):
        entries = entries_page(month, before, READ_AT_ONCE)
        for entry in entries:
            before = entry.id
            if filters.admit(entry) and is_kept(entry.expires_at, now):
                found.append(entry)
                if len(found) == limit:
                    return AuditPage(found, write_cursor(month, before))
        if len(entries) < READ_AT_ONCE:
            if month <= oldest:
                return AuditPage(found, None)
            first = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
            month, before = iso(first - timedelta(days=1))[:7], None
    return AuditPage(found, write_cursor(month, before or NEWEST))


def at(entry: AuditEntry) -> str:
    """When a change was made."""
    return iso(made_at(entry.id))


def _place(filters: Filters, cursor: str | None, now: datetime) -> tuple[str, str | None]:
    if cursor is None:
        return filters.month or iso(now + timedelta(minutes=1))[:7], None
    month, before = map(str, read_cursor(cursor, str, str))
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise not_ours()
    return month, None if before == NEWEST else before
