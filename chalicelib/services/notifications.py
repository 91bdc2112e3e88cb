"""What has become of a notification: its counts, and its recipients page by page."""

import base64
import json
from collections import Counter
from dataclasses import dataclass

from chalicelib.domain.fanning import CHUNK_SIZE
from chalicelib.domain.statuses import Status, count_by_status, status_of_letter
from chalicelib.services.errors import InvalidFieldError, NotFoundError
from chalicelib.services.rights import Principal
from chalicelib.tables.audiences import read_chunk
from chalicelib.tables.dispatches import Dispatch, dispatches_of
from chalicelib.tables.notifications import Notification
from chalicelib.tables.progress import letters_of_chunk, letters_of_chunks
from chalicelib.tables.users_notifications import UsersNotification, read_rows


@dataclass(frozen=True)
class DispatchView:
    """A dispatch and how many of its recipients are in each status."""

    dispatch: Dispatch
    counts: dict[str, int]


@dataclass(frozen=True)
class NotificationView:
    """A notification, its dispatches, and the counts over all of them."""

    notification: Notification
    dispatches: list[DispatchView]

    @property
    def counts(self) -> dict[str, int]:
        total = Counter(count_by_status((), 0))  # every status, if there is no dispatch yet
        for view in self.dispatches:
            total.update(view.counts)
        return dict(total)

    @property
    def recipients(self) -> int:
        return sum(int(view.dispatch.recipients) for view in self.dispatches)


@dataclass(frozen=True)
class RecipientView:
    """One recipient of a dispatch. Who has no row is queued and has no more than a status."""

    dispatch_id: str
    user_id: str
    status: Status
    row: UsersNotification | None


@dataclass(frozen=True)
class RecipientsPage:
    """Some recipients, in the order of the audience, and where the next page begins."""

    recipients: list[RecipientView]
    next_cursor: str | None


def find(notification_id: str, principal: Principal) -> NotificationView:
    """A notification as this principal may see it. Another application's is not found."""
    notification = visible(notification_id, principal)
    views = []
    for dispatch in dispatches_of(notification.id, notification.dispatch_id):
        letters = [letter for _, chunk in letters_of_chunks(dispatch.id) for letter in chunk.values()]
        counts = count_by_status(letters, int(dispatch.recipients), is_cancelled=dispatch.is_cancelled)
        views.append(DispatchView(dispatch, counts))
    return NotificationView(notification, views)


def recipients(notification_id: str, principal: Principal, cursor: str | None, limit: int) -> RecipientsPage:
    """At most `limit` recipients: of all dispatches, oldest first, in the order of their audience."""
    notification = visible(notification_id, principal)
    dispatches = dispatches_of(notification.id, notification.dispatch_id)
    index, offset = _read_cursor(cursor)
    found: list[RecipientView] = []
    while index < len(dispatches) and len(found) < limit:
        dispatch = dispatches[index]
        if offset >= dispatch.recipients:
            index, offset = index + 1, 0
            continue
        part = _of_chunk(dispatch, offset, limit - len(found))
        found += part
        offset += len(part)
    if index < len(dispatches) and offset >= dispatches[index].recipients:
        index, offset = index + 1, 0
    return RecipientsPage(found, _write_cursor(index, offset) if index < len(dispatches) else None)


def visible(notification_id: str, principal: Principal) -> Notification:
    """The notification, if this principal may see it; else NotFoundError."""
    notification = Notification.one(notification_id, consistent=True)
    if notification is None or not principal.may_see(notification.author):
        raise NotFoundError("there is no such notification")
    return notification


def _of_chunk(dispatch: Dispatch, offset: int, limit: int) -> list[RecipientView]:
    chunk, start = divmod(offset, CHUNK_SIZE)
    user_ids = read_chunk(dispatch.audience_id, chunk)
    if user_ids is None:
        raise NotFoundError("the recipients of this notification are not kept any more")
    letters = letters_of_chunk(dispatch.id, chunk)
    positions = range(start, min(start + limit, len(user_ids)))
    rows = read_rows([(user_ids[position], dispatch.id) for position in positions])
    views = []
    for position in positions:
        row = rows.get((user_ids[position], dispatch.id))
        status = status_of_letter(letters.get(position), is_cancelled=dispatch.is_cancelled)
        if row and (row.state.is_terminal or not dispatch.is_cancelled):
            status = row.state
        views.append(RecipientView(dispatch.id, user_ids[position], status, row))
    return views


def _write_cursor(index: int, offset: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([index, offset]).encode()).decode()


def _read_cursor(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 0, 0
    try:
        index, offset = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        if not (isinstance(index, int) and isinstance(offset, int) and index >= 0 and offset >= 0):
            raise ValueError("not two positions")
    except (ValueError, TypeError) as error:
        raise InvalidFieldError("cursor", "not a cursor that this service gave") from error
    return index, offset
