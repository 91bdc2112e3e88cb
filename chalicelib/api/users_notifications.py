"""/api/v1/users_notifications: what a user has been sent, for that user."""

from uuid import UUID

from pydantic import BaseModel, Field

from chalicelib.api.endpoints import Resource
from chalicelib.api.fields import Id
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import utc_now
from chalicelib.services import users_notifications
from chalicelib.services.rights import Access, Principal

resource = Resource("users notifications")


class PageQuery(BaseModel):
    """Which page."""

    page: int = Field(default=1, ge=1, le=1_000_000, description="Which page; the first is 1")


class UsersNotificationOut(BaseModel):
    """A notification as it stands for this user, with the original's flags."""

    id: Id = Field(description="Of this sending: the dispatch")
    notification_id: Id
    type: str | None = Field(
        description="The channel. This and the next four: null when it is not kept any more"
    )
    title: str | None
    text: str | None
    content_id: str | None
    is_express: bool | None
    status: Status
    reason: str | None = Field(description="Why it is so, if there is anything to say")
    is_user_subscribed: bool
    is_sent_to_queue: bool
    is_correct_contacts: bool
    due_at: str = Field(examples=["2026-11-23T10:00:00.000Z"])
    sent_at: str | None
    updated_at: str
    created_at: str | None = Field(description="When the notification was created")


class UsersNotificationsOut(BaseModel):
    """A page of a user's notifications, newest first."""

    count: int = Field(description=f"At most {users_notifications.MAX_COUNTED}: older ones are not counted")
    next: str | None = Field(description="The address of the next page, or null at the end")
    previous: str | None = Field(description="The address of the page before, or null at the beginning")
    results: list[UsersNotificationOut] = Field(description=f"At most {users_notifications.PAGE_SIZE}")


@resource.get("/api/v1/users_notifications/user/{user_id}", access=Access.USER)
def read_users_notifications(principal: Principal, user_id: UUID, query: PageQuery) -> UsersNotificationsOut:
    """What a user has been sent.

    Newest first, fifteen a page. A notification is shown from when it is first sent, or was refused or not
    taken by a queue; while it waits for its turn it is not. A page beyond the last is not found.
    """
    page = users_notifications.own_page(str(user_id), query.page, principal, utc_now())
    return UsersNotificationsOut(
        count=page.count,
        next=page.next_url,
        previous=page.previous_url,
        results=[_shown(each) for each in page.results],
    )


def _shown(own: users_notifications.OwnNotification) -> UsersNotificationOut:
    row, notification, status = own.row, own.notification, own.status
    return UsersNotificationOut(
        id=row.dispatch_id,
        notification_id=row.notification_id,
        type=notification.type if notification else None,
        title=notification.title if notification else None,
        text=notification.text if notification else None,
        content_id=notification.content_id if notification else None,
        is_express=notification.is_express if notification else None,
        status=status,
        reason=row.reason if status is row.state else None,
        is_user_subscribed=status is not Status.UNSUBSCRIBED,
        is_sent_to_queue=status.is_sent_to_queue,
        is_correct_contacts=status is not Status.WRONG_CONTACT,
        due_at=row.due_at,
        sent_at=row.updated_at if status is Status.SENT else None,
        updated_at=row.updated_at,
        created_at=notification.created_at if notification else None,
    )
