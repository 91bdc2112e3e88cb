"""Sending failed recipients again, and what is said of it."""

from dataclasses import dataclass
from uuid import UUID

from chalicelib.admin.visits import Visit
from chalicelib.api.notification_actions import SENT_AGAIN_AT_ONCE
from chalicelib.domain.times import utc_now
from chalicelib.services.send_again import WhyNobody, send_failed_again, why_nobody

OF_NOBODY = {
    WhyNobody.CANCELLED: "sent-again-cancelled",
    WhyNobody.NOT_FAILED: "sent-again-nobody",
    WhyNobody.JUST_FAILED: "sent-again-none",
}


@dataclass(frozen=True)
class SentAgain:
    """How many were sent to again so far, and which of the words of `done.py` say so."""

    so_far: int
    said: str
    has_more: bool = False
    """Whether there may be more of them."""


def send_again(
    visit: Visit,
    notification_id: UUID,
    so_far: int = 0,
    user_id: str | None = None,
    dispatch_id: str | None = None,
) -> SentAgain:
    """Send some of the failed recipients again, or one; `so_far` were sent to by requests before this one."""
    done = send_failed_again(
        str(notification_id),
        visit.principal,
        utc_now,
        user_id=user_id,
        dispatch_id=dispatch_id,
        limit=SENT_AGAIN_AT_ONCE,
    )
    so_far += done
    if done == SENT_AGAIN_AT_ONCE:
        return SentAgain(so_far, "sent-again-some", has_more=True)
    if so_far:
        return SentAgain(so_far, "sent-again")
    why = why_nobody(str(notification_id), visit.principal, utc_now(), user_id, dispatch_id)
    return SentAgain(0, OF_NOBODY[why])
