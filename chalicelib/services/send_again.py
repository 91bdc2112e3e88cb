"""Send again by hand what has failed: it becomes unsent, and goes the way of everything that is unsent."""

from collections.abc import Callable
from datetime import timedelta

from chalicelib import settings
from chalicelib.domain.times import Clock, later
from chalicelib.observability import logger
from chalicelib.services.notifications import visible
from chalicelib.services.rights import Principal
from chalicelib.tables.dispatches import Dispatch, dispatches_of
from chalicelib.tables.failed import failed_rows, reopen_failed, still_failed
from chalicelib.tables.progress import reopen_failed_letter
from chalicelib.tables.users_notifications import UsersNotification

TOLD_EVERY = 100

SETTLED_AFTER_SECONDS = 120
"""Who failed just now is left for the next time: longer than any function runs, so that nothing which the
failing one has still to write comes after what the new sending writes. It also ends the command: who fails
again meanwhile is not taken up twice."""


def send_failed_again(
    notification_id: str,
    principal: Principal,
    clock: Clock,
    user_id: str | None = None,
    tell: Callable[[int], None] | None = None,
    limit: int | None = None,
) -> int:
    """Send the failed recipients of a notification again, or one of them; how many they are.

    The directory is asked anew, so that a contact which has been mended counts. What is cancelled stays so,
    and who failed less than two minutes ago is left alone. Run again after a failure in the middle, it goes
    on with those that are still failed. `tell` is told how many are done, now and then; at most `limit`
    are sent.
    """
    notification = visible(notification_id, principal)
    before = later(clock(), -SETTLED_AFTER_SECONDS)
    done = 0
    for dispatch in dispatches_of(notification.id, notification.dispatch_id):
        if dispatch.is_cancelled:
            continue
        rows = still_failed([(user_id, dispatch.id)], before) if user_id else failed_rows(dispatch.id, before)
        for row in rows:
            if done == limit:
                return done
            done += _reopen(row, dispatch, clock)
            if tell and done % TOLD_EVERY == 0:
                tell(done)
    logger.info("sent again by hand", extra={"notification": notification.id, "recipients": done})
    return done


def _reopen(row: UsersNotification, dispatch: Dispatch, clock: Clock) -> int:
    now = clock()
    expires_at = int((now + timedelta(days=settings.current().row_retention_days)).timestamp())
    if not reopen_failed(row, dispatch.lane, now, expires_at):
        return 0
    # Should this be lost, the recipient counts as failed until the next outcome has set the letter.
    reopen_failed_letter(row.dispatch_id, int(row.chunk), int(row.position))
    return 1
