"""Recipients: the identity of a row, and the rows of those for whom there is no message."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chalicelib import settings
from chalicelib.domain.fanning import chunk_due
from chalicelib.domain.retention import expiry_beside, row_expiry
from chalicelib.domain.statuses import LETTERS, Status
from chalicelib.domain.times import Clock, iso
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.progress import set_letters
from chalicelib.tables.users_notifications import Recipient, add_exception, read_rows


@dataclass(frozen=True)
class NotQueued:
    """A recipient for whom there is no message, and why."""

    position: int
    user_id: str
    status: Status
    reason: str
    address: str | None = None


def recipient_of(dispatch: Dispatch, user_id: str, chunk: int, position: int) -> Recipient:
    """The identity of one recipient's row."""
    configured = settings.current()
    due = chunk_due(dispatch.due, chunk, configured.throttle_step_seconds)
    return Recipient(
        user_id=user_id,
        dispatch_id=dispatch.id,
        notification_id=dispatch.notification_id,
        chunk=chunk,
        position=position,
        due_at=iso(due),
        expires_at=row_expiry(due, configured.retention_days),
    )


def record_letters(
    dispatch: Dispatch, chunk: int, statuses: Mapping[int, Status], erased: Iterable[int] = ()
) -> None:
    """Set the letters of some positions of a chunk, if there are any (see `set_letters`)."""
    erased = list(erased)
    if statuses or erased:
        set_letters(dispatch.id, chunk, statuses, letters_expiry(dispatch, chunk), erased)


def letters_expiry(dispatch: Dispatch, chunk: int) -> int:
    """Until when the progress of a chunk is kept."""
    configured = settings.current()
    due = chunk_due(dispatch.due, chunk, configured.throttle_step_seconds)
    return expiry_beside(row_expiry(due, configured.retention_days))


def final_statuses(dispatch: Dispatch, users: Mapping[int, str]) -> dict[int, Status]:
    """Who of these (position -> user) has come to an end, and to which."""
    rows = read_rows((user_id, dispatch.id) for user_id in users.values())
    states = {position: rows.get((user_id, dispatch.id)) for position, user_id in users.items()}
    return {position: row.state for position, row in states.items() if row and row.state.is_terminal}


def settle_cancelled(dispatch: Dispatch, chunk: int, users: Mapping[int, str]) -> None:
    """Count who of these (position -> user) had come to an end before their dispatch was cancelled.

    Whoever wrote such a row may have died before its letter, and without one it would count as cancelled.
    """
    record_letters(dispatch, chunk, final_statuses(dispatch, users))


def record_not_queued(
    dispatch: Dispatch, chunk: int, found: Iterable[NotQueued], erased: Iterable[int], clock: Clock
) -> dict[int, Status]:
    """Write a row for each who has none yet, then the letters of what stands in the rows; which that is.

    `erased` are the positions of erased users: a letter is all they get.
    """
    standing: dict[int, Status] = {}
    for each in found:
        recipient = recipient_of(dispatch, each.user_id, chunk, each.position)
        status = add_exception(recipient, each.status, each.reason, dispatch.lane, clock(), each.address)
        if status in LETTERS:
            standing[each.position] = status
    record_letters(dispatch, chunk, standing, erased)
    return standing
