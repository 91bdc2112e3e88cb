"""Export: what is kept about one user, page by page."""

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.services.cursors import read_cursor, write_cursor
from chalicelib.services.own_suppressions import suppressions_of
from chalicelib.services.pages import MAX_PAGE_BYTES, answered_bytes
from chalicelib.tables.base import batch_get
from chalicelib.tables.contacts import Contact
from chalicelib.tables.notifications import Notification
from chalicelib.tables.rows_of_user import rows_after
from chalicelib.tables.suppressions import Suppression
from chalicelib.tables.unsubscribes import Unsubscribe, find
from chalicelib.tables.users_notifications import UsersNotification

MAX_ROWS = 100


@dataclass(frozen=True)
class ExportedRow:
    """A users notification, and what was said by it, if that is still kept."""

    row: UsersNotification
    notification: Notification | None


@dataclass(frozen=True)
class ExportPage:
    """What is kept about a user; of the users notifications some, oldest first, and where others begin."""

    user_id: str
    contact: Contact | None
    unsubscribe: Unsubscribe | None
    suppressions: list[Suppression]
    rows: list[ExportedRow]
    next_cursor: str | None


def export(user_id: str, cursor: str | None, limit: int) -> ExportPage:
    """A page of what is kept about a user; for a user of whom nothing is known, an empty one."""
    (after,) = read_cursor(cursor, str) if cursor is not None else (None,)
    rows = rows_after(user_id, None if after is None else str(after), limit)
    said = _notifications({row.notification_id for row in rows})
    shown: list[ExportedRow] = []
    size = 0
    for row in rows:
        notification = said.get(row.notification_id)
        size += answered_bytes(notification) if notification else 0
        if shown and size > MAX_PAGE_BYTES:
            break
        shown.append(ExportedRow(row, notification))
    is_last = len(rows) < limit and len(shown) == len(rows)
    contact = Contact.one(user_id, consistent=True)
    return ExportPage(
        user_id=user_id,
        contact=contact,
        unsubscribe=find(user_id),
        suppressions=suppressions_of(contact, [each.row for each in shown]),
        rows=shown,
        next_cursor=None if is_last else write_cursor(shown[-1].row.dispatch_id),
    )


def export_pages(user_id: str) -> Iterator[ExportPage]:
    """All pages."""
    cursor = None
    while True:
        page = export(user_id, cursor, MAX_ROWS)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return


def _notifications(ids: set[str]) -> dict[str, Notification]:
    return {row.id: row for row in batch_get({Notification: ids}, consistent=True)[Notification]}
