"""Cancel a notification: whoever has not been sent to will not be, but for what is just being sent."""

from datetime import datetime

from chalicelib.observability import logger
from chalicelib.services.notifications import visible
from chalicelib.services.rights import Principal
from chalicelib.tables.dispatches import cancel_dispatch, dispatches_of


def cancel(notification_id: str, principal: Principal, now: datetime) -> None:
    """Cancel every dispatch of a notification; done again it changes nothing.

    The functions look at their dispatch before each chunk and each batch: it takes effect within the time
    that one of those takes.
    """
    notification = visible(notification_id, principal, now)
    for dispatch in dispatches_of(notification.id, notification.dispatch_id):
        if not dispatch.is_cancelled:
            cancel_dispatch(dispatch.id, now)
            logger.info("cancelled", extra={"dispatch": dispatch.id, "by": principal.author})
