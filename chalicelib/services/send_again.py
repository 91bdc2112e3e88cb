"""Send again by hand what has failed: it becomes unsent, and goes the way of everything that is unsent."""

from collections.abc import Callable, Iterator
from datetime import datetime
from enum import Enum, auto

from chalicelib import settings
from chalicelib.domain.retention import expiry_beside, row_expiry
from chalicelib.domain.times import Clock, later
from chalicelib.observability import logger
from chalicelib.services import audit
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.notifications import newest_dispatches, visible
from chalicelib.services.rights import Principal
from chalicelib.tables.dispatches import Dispatch, keep_dispatch, set_free
from chalicelib.tables.failed import failed_rows, reopen_failed, still_failed
from chalicelib.tables.notifications import Notification, keep_notification
from chalicelib.tables.progress import reopen_failed_letter
from chalicelib.tables.users_notifications import UsersNotification

TOLD_EVERY = 100

SETTLED_AFTER_SECONDS = 120
"""Who failed just now is left for the next time: longer than any function runs, so that nothing which the
failing one has still to write comes after what the new sending writes. It also ends the command: who fails
again meanwhile is not taken up twice."""


class WhyNobody(Enum):
    """Why nobody is sent to again."""

    CANCELLED = auto()
    NOT_FAILED = auto()
    """Not any more, if ever."""
    JUST_FAILED = auto()


def send_failed_again(
    notification_id: str,
    principal: Principal,
    clock: Clock,
    user_id: str | None = None,
    dispatch_id: str | None = None,
    tell: Callable[[int], None] | None = None,
    limit: int | None = None,
) -> int:
    """Send the failed recipients of a notification again, or one of them; how many they are.

    Those of one of its dispatches, or of the newest ones: of a frequency's others, one has to be named.

    The directory is asked anew, so that a contact which has been mended counts. What is cancelled stays so,
    and who failed less than two minutes ago is left alone. Run again after a failure in the middle, it goes
    on with those that are still failed. `tell` is told how many are done, now and then; at most `limit`
    are sent.
    """
    notification = visible(notification_id, principal, clock())
    done = 0
    try:
        for done in _sent_again(notification, clock, user_id, dispatch_id, limit):
            if tell and done % TOLD_EVERY == 0:
                tell(done)
    finally:
        if done:
            audit.record("sent again", "notification", notification.id, after={"recipients": done})
    logger.info("sent again by hand", extra={"notification": notification.id, "recipients": done})
    return done


def _sent_again(
    notification: Notification, clock: Clock, user_id: str | None, dispatch_id: str | None, limit: int | None
) -> Iterator[int]:
    """Send one after the other, and say each time how many they are so far."""
    before = later(clock(), -SETTLED_AFTER_SECONDS)
    done = 0
    for dispatch in _chosen(notification, dispatch_id):
        if dispatch.is_cancelled:
            continue
        _keep_longer(dispatch, clock)
        for row in _failed(dispatch, before, user_id):
            if done == limit:
                return
            if _reopen(row, dispatch, clock):
                done += 1
                yield done


def why_nobody(
    notification_id: str,
    principal: Principal,
    now: datetime,
    user_id: str | None = None,
    dispatch_id: str | None = None,
) -> WhyNobody:
    """Why `send_failed_again` has just sent to nobody."""
    chosen = _chosen(visible(notification_id, principal, now), dispatch_id)
    going = [each for each in chosen if not each.is_cancelled]
    if chosen and not going:
        return WhyNobody.CANCELLED
    has_failed = any(True for dispatch in going for _ in _failed(dispatch, now, user_id))
    return WhyNobody.JUST_FAILED if has_failed else WhyNobody.NOT_FAILED


def _failed(dispatch: Dispatch, before: datetime, user_id: str | None) -> Iterator[UsersNotification]:
    if user_id:
        return still_failed([(user_id, dispatch.id)], before)
    return failed_rows(dispatch.id, before)


def _chosen(notification: Notification, dispatch_id: str | None) -> list[Dispatch]:
    if dispatch_id is None:
        return newest_dispatches(notification)
    found = Dispatch.one(dispatch_id, consistent=True)
    if found is None or found.notification_id != notification.id:
        raise InvalidFieldError("dispatch_id", "the notification has no such dispatch")
    return [found]


def _keep_longer(dispatch: Dispatch, clock: Clock) -> None:
    """Rows that are due anew live anew: what they name must not go before them. Before any row, so.

    And what became of its frequency has nothing to say any more to a run that somebody wants to be sent.
    """
    expires_at = expiry_beside(row_expiry(clock(), settings.current().retention_days))
    keep_dispatch(dispatch.id, expires_at)
    if dispatch.frequency:
        set_free(dispatch.id)
    keep_notification(dispatch.notification_id, expires_at)


def _reopen(row: UsersNotification, dispatch: Dispatch, clock: Clock) -> bool:
    now = clock()
    expires_at = row_expiry(now, settings.current().retention_days)
    if not reopen_failed(row, dispatch.lane, now, expires_at):
        return False
    # Should this be lost, the recipient counts as failed until the next outcome has set the letter.
    reopen_failed_letter(row.dispatch_id, int(row.chunk), int(row.position), expiry_beside(expires_at))
    return True
