"""Notifications, newest first: month by month, until a page is full or nothing older is kept."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib import settings
from chalicelib.domain.retention import LONGEST_IN_FLIGHT, is_kept
from chalicelib.domain.times import iso
from chalicelib.services.cursors import not_ours, read_cursor, write_cursor
from chalicelib.services.pages import MAX_PAGE_BYTES, answered_bytes
from chalicelib.services.rights import Principal
from chalicelib.tables.notifications import Notification, notifications_page

BEGINNING = "-"
"""In a cursor: from the newest of the month on."""

READ_AT_ONCE = 100
MAX_READS = 5
"""So many hundreds are looked through for a page: one that a filter leaves short, or empty, has a next."""


@dataclass(frozen=True)
class Filters:
    """What is listed; None is everything."""

    type: str | None = None
    author: str | None = None
    month: str | None = None
    is_express: bool | None = None

    def admit(self, notification: Notification) -> bool:
        """Whether it is one of what is listed, of the month and author that is read."""
        return (self.type is None or notification.type == self.type) and (
            self.is_express is None or notification.is_express == self.is_express
        )


@dataclass(frozen=True)
class NotificationsPage:
    """Some notifications, and where the next ones begin."""

    notifications: list[Notification]
    next_cursor: str | None


def list_notifications(
    principal: Principal, filters: Filters, cursor: str | None, limit: int, now: datetime
) -> NotificationsPage:
    """Some notifications that this principal may see, newest first."""
    author = filters.author if principal.is_administrator else principal.author
    if filters.author not in (None, author):
        return NotificationsPage([], None)  # an application sees none of another's
    month, before = _place(filters, cursor, now)
    kept = timedelta(days=settings.current().retention_days) + LONGEST_IN_FLIGHT
    oldest = filters.month or _month(now - kept - timedelta(days=31))
    found: list[Notification] = []
    size = 0
    for _ in range(MAX_READS):
        entries = notifications_page(author, month, before, READ_AT_ONCE)
        for notification_id, row in entries:
            if row is not None and filters.admit(row) and is_kept(row.expires_at, now):
                size += answered_bytes(row)
                if found and size > MAX_PAGE_BYTES:
                    return NotificationsPage(found, write_cursor(month, before or BEGINNING))
                found.append(row)
            before = notification_id
            if len(found) == limit:
                return NotificationsPage(found, write_cursor(month, before))
        if len(entries) < READ_AT_ONCE:
            if month <= oldest:
                return NotificationsPage(found, None)
            month, before = _month_before(month), None
    return NotificationsPage(found, write_cursor(month, before or BEGINNING))


def _place(filters: Filters, cursor: str | None, now: datetime) -> tuple[str, str | None]:
    if cursor is None:
        return filters.month or _month(now + timedelta(minutes=1)), None
    month, before = map(str, read_cursor(cursor, str, str))
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise not_ours()
    return month, None if before == BEGINNING else before


def _month(at: datetime) -> str:
    return iso(at)[:7]


def _month_before(month: str) -> str:
    return _month(datetime.fromisoformat(f"{month}-01T00:00:00+00:00") - timedelta(days=1))
