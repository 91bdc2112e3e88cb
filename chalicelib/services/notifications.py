"""What has become of a notification: its counts, and its recipients page by page."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib import settings
from chalicelib.domain.fanning import CHUNK_SIZE, chunk_due
from chalicelib.domain.retention import is_kept
from chalicelib.domain.statuses import Status, count_by_status, status_of_letter
from chalicelib.services.cursors import read_cursor, read_place, write_cursor
from chalicelib.services.errors import NotFoundError
from chalicelib.services.rights import Principal
from chalicelib.tables.audiences import read_chunk, read_chunks
from chalicelib.tables.dispatches import Dispatch, dispatches_of
from chalicelib.tables.notifications import Notification
from chalicelib.tables.progress import letters_of_chunk, letters_of_chunks
from chalicelib.tables.users_notifications import UsersNotification, read_rows

DISPATCHES_SHOWN = 20
"""Of a notification, beside the page for all of them."""

NEWEST = "-"
"""In a cursor: from the newest dispatch on."""

MAX_CHUNKS_READ = 50
"""Chunks that are looked through for one page: three requests each."""


@dataclass(frozen=True)
class DispatchView:
    """A dispatch and how many of its recipients are in each status."""

    dispatch: Dispatch
    counts: dict[str, int]

    @property
    def waiting(self) -> int:
        """How many have not come to their end."""
        return self.counts["queued"] + self.counts["unsent"]

    @property
    def last_due(self) -> datetime:
        """When the throttle lets go the last chunk."""
        step = settings.current().throttle_step_seconds
        return chunk_due(self.dispatch.due, int(self.dispatch.chunks) - 1, step)


@dataclass(frozen=True)
class NotificationView:
    """A notification, its dispatches, and the counts over all of them."""

    notification: Notification
    dispatches: list[DispatchView]
    """The newest ones; only what a frequency sends has many."""
    has_older: bool
    """Whether there are dispatches that are not among these, nor counted."""

    @property
    def counts(self) -> dict[str, int]:
        total = Counter(count_by_status((), 0))  # every status, if there is no dispatch yet
        for view in self.dispatches:
            total.update(view.counts)
        return dict(total)

    @property
    def waiting(self) -> int:
        """How many have not come to their end."""
        return sum(view.waiting for view in self.dispatches)

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
    is_cancelled: bool
    """Whether their dispatch is: what has become of them stays so."""


@dataclass(frozen=True)
class RecipientsPage:
    """Some recipients, in the order of the audience, and where the next page begins."""

    recipients: list[RecipientView]
    next_cursor: str | None


def find(notification_id: str, principal: Principal, now: datetime) -> NotificationView:
    """A notification as this principal may see it. Another application's is not found."""
    return view_of(visible(notification_id, principal, now))


def view_of(notification: Notification) -> NotificationView:
    """A notification with its newest dispatches and their counts."""
    found = dispatches_of(notification.id, notification.dispatch_id, None, DISPATCHES_SHOWN + 1)
    return NotificationView(
        notification, _views(found[:DISPATCHES_SHOWN]), has_older=len(found) > DISPATCHES_SHOWN
    )


def newest_dispatches(notification: Notification) -> list[Dispatch]:
    """The newest dispatches of a notification, newest first; only a frequency makes more than these."""
    return dispatches_of(notification.id, notification.dispatch_id, None, DISPATCHES_SHOWN)


def dispatches(
    notification_id: str, principal: Principal, now: datetime, cursor: str | None, limit: int
) -> tuple[list[DispatchView], str | None]:
    """Some dispatches of a notification, newest first, and the cursor of older ones."""
    notification = visible(notification_id, principal, now)
    found = dispatches_of(notification.id, notification.dispatch_id, read_place(cursor), limit + 1)
    return _views(found[:limit]), write_cursor(found[limit - 1].id) if len(found) > limit else None


def _views(found: Iterable[Dispatch]) -> list[DispatchView]:
    views = []
    for dispatch in found:
        letters = [letter for _, chunk in letters_of_chunks(dispatch.id) for letter in chunk.values()]
        counts = count_by_status(letters, int(dispatch.recipients), is_cancelled=dispatch.is_cancelled)
        views.append(DispatchView(dispatch, counts))
    return views


def recipients(
    notification_id: str,
    principal: Principal,
    now: datetime,
    cursor: str | None,
    limit: int,
    status: Status | None = None,
) -> RecipientsPage:
    """At most `limit` recipients: of all dispatches, newest first, in the order of their audience.

    With a status those who count as that. Few chunks are looked through for a page: one that is short, or
    empty, has a next.
    """
    notification = visible(notification_id, principal, now)
    before, offset = _place(cursor)
    found: list[RecipientView] = []
    chunks_left = MAX_CHUNKS_READ
    while len(found) < limit and chunks_left:
        # The one that the cursor is in the middle of, or the next older one.
        dispatch = next(iter(dispatches_of(notification.id, notification.dispatch_id, before, 1)), None)
        if dispatch is None:
            return RecipientsPage(found, None)
        while offset < dispatch.recipients and len(found) < limit and chunks_left:
            chunks_left -= 1
            part, offset = _of_chunk(dispatch, offset, limit - len(found), status)
            found += part
        if offset < dispatch.recipients:
            return RecipientsPage(found, write_cursor(before or NEWEST, offset))
        before, offset = dispatch.id, 0
    is_last = not dispatches_of(notification.id, notification.dispatch_id, before, 1)
    return RecipientsPage(found, None if is_last else write_cursor(before or NEWEST, 0))


def _place(cursor: str | None) -> tuple[str | None, int]:
    """(the dispatch whose older ones are read, how many of the next one have been)."""
    if cursor is None:
        return None, 0
    before, offset = read_cursor(cursor, str, int)
    return None if before == NEWEST else str(before), int(offset)


def recipient(notification_id: str, principal: Principal, now: datetime, user_id: str) -> list[RecipientView]:
    """What has become of one user in the newest dispatches; NotFoundError if none is for them."""
    notification = visible(notification_id, principal, now)
    newest = newest_dispatches(notification)
    rows = read_rows((user_id, dispatch.id) for dispatch in newest)
    found = []
    for dispatch in newest:
        row = rows.get((user_id, dispatch.id))
        place = (int(row.chunk), int(row.position)) if row else find_place(dispatch, user_id)
        if place:
            letter = letters_of_chunk(dispatch.id, place[0]).get(place[1])
            found.append(_view(dispatch, user_id, letter, row))
    if not found:
        raise NotFoundError("the notification is not for this user")
    return found


def find_place(dispatch: Dispatch, user_id: str) -> tuple[int, int] | None:
    """(chunk, position) of a user in an audience, which is looked through: a request for 10,000 users."""
    for chunk, user_ids in read_chunks(dispatch.audience_id, int(dispatch.chunks)):
        if user_id in user_ids:
            return chunk, user_ids.index(user_id)
    return None


def visible(notification_id: str, principal: Principal, now: datetime) -> Notification:
    """The notification, if it is still kept and this principal may see it; else NotFoundError."""
    notification = Notification.one(notification_id, consistent=True)
    if (
        notification is None
        or not is_kept(notification.expires_at, now)
        or not principal.may_see(notification.author)
    ):
        raise NotFoundError("there is no such notification")
    return notification


def _of_chunk(
    dispatch: Dispatch, offset: int, limit: int, status: Status | None
) -> tuple[list[RecipientView], int]:
    """Some recipients of a chunk, and the offset behind the last one that was looked at."""
    chunk, start = divmod(offset, CHUNK_SIZE)
    user_ids = read_chunk(dispatch.audience_id, chunk)
    if user_ids is None:
        raise NotFoundError("the recipients of this notification are not kept any more")
    letters = letters_of_chunk(dispatch.id, chunk)
    admitted = [
        position
        for position in range(start, len(user_ids))
        if status in (None, status_of_letter(letters.get(position), is_cancelled=dispatch.is_cancelled))
    ]
    positions = admitted[:limit]
    rows = read_rows([(user_ids[position], dispatch.id) for position in positions])
    views = [
        _view(dispatch, user, letters.get(position), rows.get((user, dispatch.id)))
        for position, user in ((position, user_ids[position]) for position in positions)
    ]
    last = positions[-1] + 1 if len(admitted) > limit else len(user_ids)
    return views, chunk * CHUNK_SIZE + last


def _view(
    dispatch: Dispatch, user_id: str, letter: str | None, row: UsersNotification | None
) -> RecipientView:
    status = status_of_letter(letter, is_cancelled=dispatch.is_cancelled)
    if row and (row.state.is_terminal or not dispatch.is_cancelled):
        status = row.state
    return RecipientView(dispatch.id, user_id, status, row, dispatch.is_cancelled)
