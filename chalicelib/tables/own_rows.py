"""The rows of one user, newest first."""

from dataclasses import dataclass

from chalicelib.tables.users_notifications import UsersNotification


@dataclass(frozen=True)
class RowKey:
    """Which row, and until when it is kept (seconds since the epoch): the table's own removal lags."""

    dispatch_id: str
    expires_at: int


def keys_of_user(user_id: str, limit: int) -> list[RowKey]:
    """The keys of a user's newest rows, at most so many; ids of dispatches sort by their time."""
    found = UsersNotification.query(
        user_id,
        scan_index_forward=False,
        limit=limit,
        attributes_to_get=["user_id", "dispatch_id", "expires_at"],
    )
    return [RowKey(row.dispatch_id, int(row.expires_at)) for row in found]
