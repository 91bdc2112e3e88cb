"""Send times: what is to be sent at a time of its own, and may be changed until then."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.domain.retention import LONGEST_AHEAD
from chalicelib.domain.times import iso
from chalicelib.observability import logger
from chalicelib.services import audit
from chalicelib.services.content import Content, check_content, checked, content_of
from chalicelib.services.errors import ConflictError, InvalidFieldError
from chalicelib.services.expiries import dispatch_kept_until
from chalicelib.services.hand_over import hand_over, is_near
from chalicelib.services.notifications import visible
from chalicelib.services.rights import Principal
from chalicelib.tables.audiences import keep_chunks
from chalicelib.tables.dispatches import Dispatch, put_off_to
from chalicelib.tables.notifications import Notification, keep_notification, set_content


@dataclass(frozen=True)
class Changed:
    """What is to be different; what is None stays."""

    send_at: datetime | None = None
    title: str | None = None
    text: str | None = None
    variables: Mapping[str, Any] | None = None
    """Of a template; all of them."""


def check_send_at(send_at: datetime, posted_at: datetime, now: datetime) -> None:
    """InvalidFieldError unless it is to come, and within a year of when the notification was posted."""
    if send_at <= now:
        raise InvalidFieldError("send_at", f"must be in the future, and it is {iso(now)}")
    if send_at > posted_at + LONGEST_AHEAD:
        raise InvalidFieldError("send_at", f"at most {LONGEST_AHEAD.days} days after it was posted")


def change(notification_id: str, changed: Changed, principal: Principal, now: datetime) -> None:
    """Change a notification that is not due yet; ConflictError if it is, or is not of that kind.

    Run again after a failure, it goes on.
    """
    notification = visible(notification_id, principal, now)
    if notification.frequency:
        raise ConflictError(f"it is sent by the frequency {notification.frequency}: change that")
    content = _content(notification, changed)
    dispatch = Dispatch.one(str(notification.dispatch_id), consistent=True)
    if dispatch is None or dispatch.due <= now:
        raise ConflictError("it is being sent, or has been: only what is not due yet can be changed")
    if dispatch.is_cancelled:
        raise ConflictError("it is cancelled")
    before = {"send_at": dispatch.due_at}
    if changed.send_at is not None:
        check_send_at(changed.send_at, datetime.fromisoformat(notification.created_at), now)
        _put_off(dispatch, changed.send_at, now)
    if content != content_of(notification):
        set_content(notification.id, content.title, content.text, content.variables)
    logger.info("changed", extra={"notification": notification.id, "by": principal.author})
    after = {"send_at": iso(changed.send_at) if changed.send_at else before["send_at"]}
    said = {"content": "changed"} if content != content_of(notification) else {}
    audit.record("changed", "notification", notification.id, before=before, after=after | said)


def _content(notification: Notification, changed: Changed) -> Content:
    """What it is to say; what a template says is changed by its variables."""
    content = content_of(notification)
    if content.template is None:
        if changed.variables is not None:
            raise InvalidFieldError("variables", "it was not made of a template: change title and text")
        title = content.title if changed.title is None else changed.title
        text = content.text if changed.text is None else changed.text
        check_content(content.type, title, text)
        return replace(content, title=title, text=text)
    for name in ("title", "text"):
        if getattr(changed, name) is not None:
            raise InvalidFieldError(name, f"is said by the template {content.template}: change the variables")
    if changed.variables is None:
        return content
    return checked(replace(content, title="", text="", variables=changed.variables))


def _put_off(dispatch: Dispatch, send_at: datetime, now: datetime) -> None:
    expires_at = dispatch_kept_until(send_at, int(dispatch.chunks))
    if expires_at > int(dispatch.expires_at or 0):
        # What it names must not go before it: first, so.
        keep_notification(dispatch.notification_id, expires_at)
        keep_chunks(dispatch.audience_id, int(dispatch.chunks), expires_at)
    if not put_off_to(dispatch, send_at, expires_at, now):
        raise ConflictError("it is just being sent, or another request has changed it at the same moment")
    if is_near(send_at, now):
        dispatch.due_at = iso(send_at)
        hand_over([dispatch], now)
