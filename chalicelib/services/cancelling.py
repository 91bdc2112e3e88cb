"""Cancel a notification: whoever has not been sent to will not be, but for what is just being sent."""

from datetime import datetime

from chalicelib.observability import logger
from chalicelib.services import audit
from chalicelib.services.errors import ConflictError
from chalicelib.services.naming import names_of
from chalicelib.services.notifications import newest_dispatches, visible
from chalicelib.services.rights import Principal
from chalicelib.tables.dispatches import cancel_dispatch


def cancel(notification_id: str, principal: Principal, now: datetime) -> None:
    """Cancel every dispatch of a notification; done again it changes nothing.

    The functions look at their dispatch before each chunk and each batch: it takes effect within the time
    that one of those takes.
    """
    notification = visible(notification_id, principal, now)
    if notification.frequency:
        raise ConflictError(f"it is sent by the frequency {notification.frequency}: pause that, or delete it")
    going = [each for each in newest_dispatches(notification) if not each.is_cancelled]
    for dispatch in going:
        cancel_dispatch(dispatch.id, now)
        logger.info("cancelled", extra={**names_of(dispatch), "by": principal.author})
    if going:
        audit.record("cancelled", "notification", notification.id)
