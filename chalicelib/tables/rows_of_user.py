"""All users notifications of one user: read page by page, and removed."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso
from chalicelib.tables.base import MAX_KEYS, MAX_PUTS, ConditionFailedError, batch_remove, in_parallel
from chalicelib.tables.users_notifications import UsersNotification

_NEVER_CHANGED = frozenset({Status.SENT, Status.CANCELLED, Status.UNSUBSCRIBED, Status.WRONG_CONTACT})
"""Failed is not among them: it may be sent again by hand."""


def rows_after(user_id: str, dispatch_id: str | None, limit: int) -> list[UsersNotification]:
    """At most so many rows of a user, in the order of their dispatches, behind one of them."""
    condition = UsersNotification.dispatch_id > dispatch_id if dispatch_id else None
    return list(UsersNotification.query(user_id, condition, consistent_read=True, limit=limit))


def pages_of_rows(user_id: str) -> Iterator[list[UsersNotification]]:
    """All rows of a user, a hundred at once."""
    last = None
    while page := rows_after(user_id, last, MAX_KEYS):
        yield page
        last = page[-1].dispatch_id


def is_being_sent(row: UsersNotification, now: datetime) -> bool:
    """Whether somebody holds a live lease on a row: its outcome is to come."""
    return row.state is Status.SENDING and row.lease_until > iso(now)


def remove_rows(rows: Sequence[UsersNotification]) -> bool:
    """Delete rows of one user; False when one has changed since it was read, and so is still there."""
    final = [(row.user_id, row.dispatch_id) for row in rows if row.state in _NEVER_CHANGED]
    for start in range(0, len(final), MAX_PUTS):
        batch_remove(UsersNotification, final[start : start + MAX_PUTS])
    return all(in_parallel(remove_unchanged, [row for row in rows if row.state not in _NEVER_CHANGED]))


def remove_unchanged(row: UsersNotification) -> bool:
    """Delete a row as it was read; False when it has become another."""
    model = UsersNotification
    lease_is_the_same = (
        model.lease_owner == row.lease_owner if row.lease_owner else model.lease_owner.does_not_exist()
    )
    try:
        model.remove(row.user_id, row.dispatch_id, condition=(model.status == row.status) & lease_is_the_same)
    except ConditionFailedError as failure:
        return failure.item is None  # its own echo, or another has removed it
    return True
