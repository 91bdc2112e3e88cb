"""What a user has been sent: their own list, newest first, in numbered pages as the original had it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib import settings
from chalicelib.domain.statuses import Status
from chalicelib.services.errors import NotFoundError
from chalicelib.services.rights import Principal
from chalicelib.tables.base import batch_get
from chalicelib.tables.dispatches import Dispatch, read_dispatches
from chalicelib.tables.notifications import Notification
from chalicelib.tables.own_rows import keys_of_user
from chalicelib.tables.users_notifications import UsersNotification, read_rows

PAGE_SIZE = 15
MAX_COUNTED = 10_000
"""Of older ones nothing is shown or counted: a page costs the reading of all the user's keys."""


@dataclass(frozen=True)
class OwnNotification:
    """One row of the list. The notification is None when it is not kept any more."""

    row: UsersNotification
    notification: Notification | None
    status: Status


@dataclass(frozen=True)
class OwnPage:
    """A page, how many rows there are in all, and the addresses of its neighbours."""

    count: int
    next_url: str | None
    previous_url: str | None
    results: list[OwnNotification]


def own_page(user_id: str, number: int, principal: Principal, now: datetime) -> OwnPage:
    """A page of a user's list; NotFoundError beyond its end, though an empty list has a first page."""
    principal.check_is(user_id)
    kept = [key.dispatch_id for key in keys_of_user(user_id, MAX_COUNTED) if key.expires_at > now.timestamp()]
    pages = max(1, -(-len(kept) // PAGE_SIZE))
    if number > pages:
        raise NotFoundError(f"there is no page {number}: the last is {pages}")
    on_page = kept[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    return OwnPage(
        count=len(kept),
        next_url=_url(user_id, number + 1) if number < pages else None,
        previous_url=_url(user_id, number - 1) if number > 1 else None,
        results=_read(user_id, on_page),
    )


def _url(user_id: str, page: int) -> str:
    """As the original's were; relative while the public address is not known."""
    return f"{settings.current().public_url}/api/v1/users_notifications/user/{user_id}/?page={page}"


def _read(user_id: str, dispatch_ids: Sequence[str]) -> list[OwnNotification]:
    found = read_rows((user_id, dispatch_id) for dispatch_id in dispatch_ids)
    rows = [row for each in dispatch_ids if (row := found.get((user_id, each)))]  # one may just have expired
    ids = {row.notification_id for row in rows}
    notifications = {each.id: each for each in batch_get({Notification: ids}, consistent=False)[Notification]}
    dispatches = read_dispatches({row.dispatch_id for row in rows if not row.state.is_terminal})
    return [
        OwnNotification(row, notifications.get(row.notification_id), _status(row, dispatches)) for row in rows
    ]


def _status(row: UsersNotification, dispatches: Mapping[str, Dispatch]) -> Status:
    """In a cancelled dispatch, whoever has not come to an end is cancelled, whatever the row says."""
    dispatch = dispatches.get(row.dispatch_id)
    return Status.CANCELLED if dispatch is not None and dispatch.is_cancelled else row.state
