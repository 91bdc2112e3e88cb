"""/api/v1/notifications: list them, cancel one, and send its failed recipients again."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from chalicelib.api.endpoints import Resource
from chalicelib.api.lists import ListQuery, Month
from chalicelib.api.notifications import NotificationHead, NotificationOut, head, shown
from chalicelib.domain.times import utc_now
from chalicelib.services import notification_list, notifications
from chalicelib.services.cancelling import cancel
from chalicelib.services.rights import Access, Principal
from chalicelib.services.send_again import send_failed_again

resource = Resource("notifications")

SENT_AGAIN_AT_ONCE = 500
"""What one request sends again: two writes each, within the time that a request may take."""


class NotificationsQuery(ListQuery):
    """Which notifications."""

    type: Annotated[str, StringConstraints(max_length=32)] | None = Field(
        default=None, description="The channel"
    )
    author: Annotated[str, StringConstraints(max_length=80)] | None = Field(
        default=None,
        description="An administrator's filter; an application sees its own",
        examples=["application:shop"],
    )
    month: Month | None = Field(default=None, description="In UTC", examples=["2026-11"])
    is_express: bool | None = Field(default=None, description="The urgent ones only, or the others")


class NotificationsOut(BaseModel):
    """Some notifications, newest first."""

    results: list[NotificationHead]
    next: str | None = Field(description="The cursor of the next page, or null at the end")


class Again(BaseModel):
    """Who is sent to again."""

    user_id: UUID | None = Field(default=None, description="Only this user; else all who failed")
    dispatch_id: UUID | None = Field(
        default=None,
        description="Only in this dispatch; else in the newest ones, which are all but of a frequency",
        examples=[None],
    )


class SentAgain(BaseModel):
    """Who is on the way again."""

    sent_again: int = Field(
        description="Recipients that are unsent now, and in a queue within a minute or two"
    )
    is_complete: bool = Field(
        description=f"false: there may be more, ask again; at most {SENT_AGAIN_AT_ONCE} at once"
    )


@resource.get("/api/v1/notifications", access=Access.READ)
def list_notifications(principal: Principal, query: NotificationsQuery) -> NotificationsOut:
    """Notifications, newest first.

    With a filter a page may be short, or empty, and have a next. The list may lag a moment behind.
    """
    filters = notification_list.Filters(query.type, query.author, query.month, query.is_express)
    page = notification_list.list_notifications(principal, filters, query.cursor, query.limit, utc_now())
    results = [NotificationHead(**head(each)) for each in page.notifications]
    return NotificationsOut(results=results, next=page.next_cursor)


@resource.post("/api/v1/notifications/{notification_id}/cancel", access=Access.SEND, refuses=(409,))
def cancel_notification(principal: Principal, notification_id: UUID) -> NotificationOut:
    """Cancel what has not been sent yet. Done again it changes nothing.

    What is just being sent still goes; the counts say how many that were. What a frequency sends is ended by
    pausing or deleting that.
    """
    cancel(str(notification_id), principal, utc_now())
    return shown(notifications.find(str(notification_id), principal, utc_now()))


@resource.post("/api/v1/notifications/{notification_id}/send_again", access=Access.SEND)
def send_again(principal: Principal, notification_id: UUID, body: Again) -> SentAgain:
    """Send the failed recipients again, all or one; their contacts are looked up anew.

    What is cancelled stays so, and who failed less than two minutes ago is left for the next time.
    """
    user = str(body.user_id) if body.user_id else None
    done = send_failed_again(
        str(notification_id),
        principal,
        utc_now,
        user_id=user,
        dispatch_id=str(body.dispatch_id) if body.dispatch_id else None,
        limit=SENT_AGAIN_AT_ONCE,
    )
    return SentAgain(sent_again=done, is_complete=done < SENT_AGAIN_AT_ONCE)
