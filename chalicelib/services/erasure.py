"""Erasure: what is kept about a user is deleted; a tombstone keeps what is in flight from bringing it back.

The tombstone is written first: whoever reads it from then on writes nothing of the user any more. Who has
read before it may still write, for as long as a function runs; so the sweep erases once more after that time,
and also ends what died in the middle. A row that is just being sent is left to it: its outcome is to count.
"""

from collections.abc import Callable, Sequence

from chalicelib.domain.retention import expiry_beside
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import Clock
from chalicelib.observability import logger
from chalicelib.services import audit
from chalicelib.services.own_suppressions import forget_addresses
from chalicelib.tables.base import in_parallel
from chalicelib.tables.contacts import Contact
from chalicelib.tables.progress import Progress, set_letters
from chalicelib.tables.rows_of_user import is_being_sent, pages_of_rows, remove_rows
from chalicelib.tables.unsubscribes import Unsubscribe, end_erasure, set_tombstone
from chalicelib.tables.users_notifications import UsersNotification

TIME_KEPT_BACK_SECONDS = 6.0
"""No further hundred of rows is begun with less left: one takes a second or two."""


def erase(user_id: str, by: str, clock: Clock, remaining_seconds: Callable[[], float]) -> bool:
    """Erase a user; False when something is left, which the sweep then erases within a few minutes.

    Done again it does no harm.
    """
    set_tombstone(user_id, clock())
    is_done = _erase_what_is_kept(user_id, clock, remaining_seconds)
    logger.info("erased", extra={"user": user_id, "by": by, "done": is_done})
    audit.record("erased", "user", user_id, after={"is_complete": is_done})
    return is_done


def erase_again(tombstone: Unsubscribe, clock: Clock, remaining_seconds: Callable[[], float]) -> bool:
    """Erase what came after the tombstone, or was left over; then nothing can come any more."""
    is_done = _erase_what_is_kept(tombstone.user_id, clock, remaining_seconds)
    if is_done:
        end_erasure(tombstone)
    return is_done


def _erase_what_is_kept(user_id: str, clock: Clock, remaining_seconds: Callable[[], float]) -> bool:
    # Before the contact goes, which tells the addresses: who dies in between begins anew.
    forget_addresses(Contact.one(user_id, consistent=True), ())
    Contact.remove(user_id)
    is_done = True
    for page in pages_of_rows(user_id):
        if remaining_seconds() < TIME_KEPT_BACK_SECONDS:
            return False
        is_done = erase_rows(page, clock) and is_done
    return is_done


def erase_rows(rows: Sequence[UsersNotification], clock: Clock) -> bool:
    """Delete rows of erased users; False when one has to stay for now.

    First their letters: the counts go on telling what became of each recipient, who has no other trace then.
    """
    now = clock()
    free = [row for row in rows if not is_being_sent(row, now)]
    Progress.table()
    in_parallel(_leave_letter, free)
    forget_addresses(None, free)
    return remove_rows(free) and len(free) == len(rows)


def _leave_letter(row: UsersNotification) -> None:
    status = row.state if row.state.is_terminal else Status.CANCELLED
    expires_at = expiry_beside(int(row.expires_at))
    set_letters(row.dispatch_id, int(row.chunk), {int(row.position): status}, expires_at)
