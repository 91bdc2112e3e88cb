"""/api/v1/notifications: send them, and see what became of them."""

import hashlib
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, FailFast, Field, StringConstraints

from chalicelib.api.endpoints import Resource
from chalicelib.api.examples import USER
from chalicelib.api.fields import (
    SAID,
    SAID_HOW,
    ContentFields,
    Id,
    Moment,
    Text,
    Title,
    Variables,
    absent,
)
from chalicelib.api.lists import ListQuery
from chalicelib.domain.mail_events import EventKind, happened, telling_reason
from chalicelib.domain.retention import LONGEST_AHEAD
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import utc_now
from chalicelib.observability import follow
from chalicelib.services import notifications, send_times, submit
from chalicelib.services.rights import Access, Principal
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.notifications import Notification
from chalicelib.tables.users_notifications import UsersNotification

resource = Resource("notifications")


class NewNotification(ContentFields):
    """A notification, and who it is for."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"title": "to users", "required": ["users"]},
                {"title": "to an audience", "required": ["audience_id"]},
            ],
            "allOf": [SAID_HOW],
            "examples": [
                {
                    "type": "mail",
                    **SAID,
                    "is_express": False,
                    "content_id": "order-1047",
                    "users": [USER],
                    "send_at": None,
                }
            ],
        }
    )

    users: Annotated[list[UUID], FailFast()] = Field(
        default_factory=list,
        description=f"1 to {submit.MAX_USERS} user ids, with or without dashes; each counts once",
        json_schema_extra={"minItems": 1, "maxItems": submit.MAX_USERS},
    )
    audience_id: UUID = Field(default_factory=absent, description="In place of `users`: a complete audience")
    send_at: Moment | None = Field(
        default=None,
        description=f"When it is sent, with its zone, at most {LONGEST_AHEAD.days} days ahead; null: at once",
    )


class NotificationChange(BaseModel):
    """What is to be different of a notification that is not due yet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Your order will be shipped today"}]})

    send_at: Moment = Field(default_factory=absent, description="When it is sent")
    title: Title = Field(default_factory=absent, description="One line; a channel may take less")
    text: Text = Field(default_factory=absent, description="Plain text; a channel may take less")
    variables: Variables = Field(
        default_factory=absent,
        description="Of what was made of a template, in place of title and text: all its variables",
    )


class SubmitHeaders(BaseModel):
    """What a client can say beside the body."""

    model_config = ConfigDict(validate_by_name=True)

    idempotency_key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$")] | None = Field(
        default=None,
        alias="idempotency-key",
        min_length=1,
        max_length=255,
        description="A repeat with the same key and body within 24 hours sends nothing twice",
    )


class NotificationHead(BaseModel):
    """What is said, by whom."""

    id: Id
    type: str
    is_express: bool
    title: str
    text: str
    template: str | None = Field(
        description="With its version: title and text are then as it speaks to nobody in particular",
        examples=[None],
    )
    variables: dict[str, str | int | float] | None = Field(
        description="What the template is filled in with", examples=[None]
    )
    content_id: str | None
    author: str = Field(description="Who sent it", examples=["application:shop", "administrator:anna"])
    created_at: str = Field(description="UTC, ISO 8601", examples=["2026-11-23T10:00:00.000Z"])
    frequency: str | None = Field(description="The slug of the notification frequency that sends it")


class NotificationBase(NotificationHead):
    """What every answer about one notification has."""

    recipients: int = Field(description="Each user once")


class CreatedNotification(NotificationBase):
    """A notification that has been accepted: it is kept, and on its way."""

    dispatch_id: Id
    send_at: str | None = Field(description="When it will be sent; null: at once")
    is_repeat: bool = Field(description="An earlier request with this Idempotency-Key had created it")


class Counts(BaseModel):
    """Recipients by status; they add up to `recipients` at every moment."""

    queued: int = Field(description="In a queue, or being sent")
    unsent: int = Field(description="Not taken by a queue, or without a directory to ask; tried again")
    sent: int
    failed: int
    cancelled: int
    unsubscribed: int
    wrong_contact: int


class DispatchOut(BaseModel):
    """One sending of the notification."""

    id: Id
    due_at: str
    send_at: str | None = Field(description="When a client wants it sent; null: at once")
    run_at: str | None = Field(
        description="Of a frequency: the run in its schedule; due later if it was late"
    )
    is_sent_to_queue: bool = Field(
        description="false: it waits for its time, or for a queue that does not take it; tried again"
    )
    cancelled_at: str | None
    recipients: int
    counts: Counts


class NotificationOut(NotificationBase):
    """A notification and what became of it; `recipients` and `counts` are of the dispatches shown."""

    counts: Counts
    dispatches: list[DispatchOut] = Field(
        description=f"The newest first, at most {notifications.DISPATCHES_SHOWN}; a frequency makes more"
    )


class DispatchesOut(BaseModel):
    """A page of dispatches, newest first."""

    results: list[DispatchOut]
    next: str | None = Field(description="The cursor of the next page, or null at the end")


class CountedStatus(StrEnum):
    """What recipients are counted by."""

    QUEUED = "queued"
    UNSENT = "unsent"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNSUBSCRIBED = "unsubscribed"
    WRONG_CONTACT = "wrong_contact"


class RecipientsQuery(ListQuery):
    """Which recipients."""

    status: CountedStatus | None = Field(
        default=None, description="Only these; a page may then be short, or empty, and have a next"
    )


class AttemptOut(BaseModel):
    """One attempt to send."""

    at: str
    result: str


class MailEventOut(BaseModel):
    """What the provider told of a mail after it had taken it."""

    event: EventKind
    at: str
    reason: str | None


class RecipientOut(BaseModel):
    """One recipient of one dispatch, with the original's flags."""

    user_id: Id
    dispatch_id: Id
    status: Status
    reason: str | None = Field(description="Why it is so, if there is anything to say")
    attempts: int
    due_at: str | None
    not_before: str | None = Field(description="When it is tried again")
    updated_at: str | None
    last_attempts: list[AttemptOut] = Field(description="At most the last two")
    events: list[MailEventOut] = Field(
        description="What became of it after it was sent, where the provider tells: each kind once, in time"
    )
    is_user_subscribed: bool
    is_sent_to_queue: bool
    is_correct_contacts: bool


class RecipientStatesOut(BaseModel):
    """One recipient in the newest dispatches of a notification, the newest first."""

    results: list[RecipientOut]


class RecipientsOut(BaseModel):
    """A page of recipients, in the order in which they were given; of several dispatches the newest first."""

    results: list[RecipientOut]
    next: str | None = Field(description="The cursor of the next page, or null at the end")


@resource.post("/api/v1/notifications", access=Access.SEND, status=201)
def create_notification(
    principal: Principal, headers: SubmitHeaders, body: NewNotification
) -> CreatedNotification:
    """Send a notification to users, at once or at a time."""
    key = headers.idempotency_key
    accepted = submit.submit(
        submit.Submission(
            type=body.type,
            title=body.content.title,
            text=body.content.text,
            template=body.template,
            variables=body.variables,
            users=body.users if "users" in body.model_fields_set else None,
            audience_id=str(body.audience_id) if "audience_id" in body.model_fields_set else None,
            is_express=body.is_express,
            content_id=body.content_id,
            send_at=body.send_at,
            key=key,
            body_hash=hashlib.sha256(body.model_dump_json(exclude_none=True).encode()).hexdigest()
            if key
            else "",
        ),
        principal,
        utc_now(),
    )
    follow(accepted.notification.id)
    return CreatedNotification(
        **_base(accepted.notification, int(accepted.dispatch.recipients)),
        dispatch_id=accepted.dispatch.id,
        send_at=accepted.dispatch.send_at,
        is_repeat=accepted.is_repeat,
    )


@resource.get("/api/v1/notifications/{notification_id}", access=Access.READ)
def read_notification(principal: Principal, notification_id: UUID) -> NotificationOut:
    """A notification with its counts by status."""
    return shown(notifications.find(str(notification_id), principal, utc_now()))


@resource.patch("/api/v1/notifications/{notification_id}", access=Access.SEND, refuses=(409,))
def change_notification(
    principal: Principal, notification_id: UUID, body: NotificationChange
) -> NotificationOut:
    """Change a notification that is not due yet: when it is sent, and what it says.

    What the body does not name stays. Done again it changes nothing.
    """
    changed = send_times.Changed(body.send_at, body.title, body.text, body.variables)
    send_times.change(str(notification_id), changed, principal, utc_now())
    return shown(notifications.find(str(notification_id), principal, utc_now()))


@resource.get("/api/v1/notifications/{notification_id}/dispatches", access=Access.READ)
def read_dispatches(principal: Principal, notification_id: UUID, query: ListQuery) -> DispatchesOut:
    """The dispatches of a notification, newest first, each with its counts: of a frequency, its runs."""
    page, following = notifications.dispatches(
        str(notification_id), principal, utc_now(), query.cursor, query.limit
    )
    return DispatchesOut(results=[_dispatch(each.dispatch, each.counts) for each in page], next=following)


def shown(view: notifications.NotificationView) -> NotificationOut:
    """A notification as it is answered."""
    return NotificationOut(
        **_base(view.notification, view.recipients),
        counts=Counts(**view.counts),
        dispatches=[_dispatch(each.dispatch, each.counts) for each in view.dispatches],
    )


@resource.get("/api/v1/notifications/{notification_id}/recipients", access=Access.READ)
def read_recipients(principal: Principal, notification_id: UUID, query: RecipientsQuery) -> RecipientsOut:
    """The recipients of a notification, page by page, with status and reason."""
    status = Status(query.status) if query.status else None
    page = notifications.recipients(
        str(notification_id), principal, utc_now(), query.cursor, query.limit, status
    )
    return RecipientsOut(results=[_recipient(each) for each in page.recipients], next=page.next_cursor)


@resource.get("/api/v1/notifications/{notification_id}/recipients/{user_id}", access=Access.READ)
def read_recipient(principal: Principal, notification_id: UUID, user_id: UUID) -> RecipientStatesOut:
    """What has become of one recipient: states, times and reasons, in the newest dispatches."""
    views = notifications.recipient(str(notification_id), principal, utc_now(), str(user_id))
    return RecipientStatesOut(results=[_recipient(each) for each in views])


def head(notification: Notification) -> dict[str, Any]:
    """The fields of NotificationHead."""
    return {name: getattr(notification, name) for name in NotificationHead.model_fields}


def _base(notification: Notification, recipients: int) -> dict[str, Any]:
    return head(notification) | {"recipients": recipients}


def _dispatch(dispatch: Dispatch, counts: dict[str, int]) -> DispatchOut:
    return DispatchOut(
        id=dispatch.id,
        due_at=dispatch.due_at,
        send_at=dispatch.send_at,
        run_at=dispatch.run_at,
        is_sent_to_queue=dispatch.pending is None,
        cancelled_at=dispatch.cancelled_at,
        recipients=int(dispatch.recipients),
        counts=Counts(**counts),
    )


def _recipient(view: notifications.RecipientView) -> RecipientOut:
    row = view.row
    return RecipientOut(
        user_id=view.user_id,
        dispatch_id=view.dispatch_id,
        status=view.status,
        reason=(row.reason or telling_reason(row.event_notes)) if row else None,
        attempts=int(row.attempts) if row else 0,
        due_at=row.due_at if row else None,
        not_before=row.not_before if row else None,
        updated_at=row.updated_at if row else None,
        last_attempts=[AttemptOut(**each) for each in (row.last_attempts or [])] if row else [],
        events=events_out(row) if row else [],
        is_user_subscribed=view.status is not Status.UNSUBSCRIBED,
        is_sent_to_queue=view.status.is_sent_to_queue,
        is_correct_contacts=view.status is not Status.WRONG_CONTACT,
    )


def events_out(row: UsersNotification) -> list[MailEventOut]:
    """The events of a row, the first first."""
    told = sorted((happened(kind, note) for kind, note in row.event_notes.items()), key=lambda each: each.at)
    return [MailEventOut(event=each.kind, at=each.at, reason=each.reason) for each in told]
