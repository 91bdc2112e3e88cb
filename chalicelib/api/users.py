"""/api/v1/users: what is kept about one user, exported and erased."""

import time
from uuid import UUID

from pydantic import BaseModel, Field

from chalicelib.api.contacts import ContactOut, contact_out
from chalicelib.api.endpoints import Resource
from chalicelib.api.lists import ListQuery
from chalicelib.api.notifications import MailEventOut, events_out
from chalicelib.api.suppressions import SuppressionOut, suppression_out
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import utc_now
from chalicelib.services.erasure import erase
from chalicelib.services.export import ExportedRow, ExportPage, export
from chalicelib.services.rights import Access, Principal
from chalicelib.tables.unsubscribes import Unsubscribe

resource = Resource("users")

ERASING_SECONDS = 20.0
"""What a request spends on an erasure; what is left then is left to the sweep."""


class KeptUnsubscribe(BaseModel):
    """What the user refuses; of an erased one this is all that is left."""

    channels: list[str] = Field(description="`*` is everything", examples=[["*"], ["mail"]])
    updated_at: str | None
    erased_at: str | None = Field(description="When the user was erased, who has not subscribed again since")
    erased_before: str | None = Field(
        description="When an erased user subscribed again: what was sent before stays erased"
    )


class ExportedNotification(BaseModel):
    """One notification to the user, with all that is kept of it."""

    dispatch_id: str
    notification_id: str
    type: str | None = Field(
        description="Null, as title and text, when the notification is not kept any more"
    )
    title: str | None
    text: str | None
    content_id: str | None
    author: str | None
    address: str | None = Field(description="Where it was sent to")
    status: Status
    reason: str | None
    attempts: int
    last_attempts: list[dict[str, str]]
    events: list[MailEventOut] = Field(description="What became of it after it was sent")
    due_at: str
    not_before: str | None
    updated_at: str
    expires_at: int = Field(description="Unix time after which it goes by itself")


class UserExport(BaseModel):
    """What is kept about a user. Contact, unsubscribe and suppressions stand on each page."""

    user_id: UUID
    contact: ContactOut | None
    unsubscribe: KeptUnsubscribe | None
    suppressions: list[SuppressionOut] = Field(
        description="Of the contact's addresses, and of those on this page: also lifted ones"
    )
    results: list[ExportedNotification] = Field(description="Oldest first")
    next: str | None = Field(description="The cursor of the next page, or null at the end")


class Erasure(BaseModel):
    """A tombstone is all that is left, or will be within a few minutes."""

    user_id: UUID
    is_complete: bool = Field(
        description="Whether all is deleted. If not, the rest goes by itself, and nothing is sent meanwhile"
    )


@resource.get("/api/v1/users/{user_id}", access=Access.ADMINISTRATOR)
def export_user(user_id: UUID, query: ListQuery) -> UserExport:
    """What is kept about a user: contact, unsubscribes, and every users notification, page by page.

    A page with long texts may have less than its limit, and still a next.
    """
    return export_out(export(str(user_id), query.cursor, query.limit))


@resource.delete("/api/v1/users/{user_id}", access=Access.ADMINISTRATOR)
def erase_user(principal: Principal, user_id: UUID) -> Erasure:
    """Erase a user: contact, unsubscribes and users notifications are deleted, and a tombstone is left.

    An address that is suppressed stays so by its hash; the address itself is deleted there, too.

    From then on nothing is sent to the user nor written about them, whatever is in flight, and no contact is
    taken, until somebody deletes the unsubscribe. Done again it does no harm. It cannot be undone.
    """
    end = time.monotonic() + ERASING_SECONDS
    is_complete = erase(str(user_id), principal.author, utc_now, lambda: end - time.monotonic())
    return Erasure(user_id=user_id, is_complete=is_complete)


def export_out(page: ExportPage) -> UserExport:
    """A page of an export as it is shown."""
    return UserExport(
        user_id=UUID(page.user_id),
        contact=contact_out(page.contact) if page.contact else None,
        unsubscribe=_unsubscribe(page.unsubscribe) if page.unsubscribe else None,
        suppressions=[suppression_out(each) for each in page.suppressions],
        results=[_users_notification(each) for each in page.rows],
        next=page.next_cursor,
    )


def _unsubscribe(row: Unsubscribe) -> KeptUnsubscribe:
    return KeptUnsubscribe(
        channels=sorted(row.scopes or ()),
        updated_at=row.updated_at,
        erased_at=row.erased_at,
        erased_before=row.erased_before,
    )


def _users_notification(exported: ExportedRow) -> ExportedNotification:
    row, said = exported.row, exported.notification
    return ExportedNotification(
        dispatch_id=row.dispatch_id,
        notification_id=row.notification_id,
        type=said.type if said else None,
        title=said.title if said else None,
        text=said.text if said else None,
        content_id=said.content_id if said else None,
        author=said.author if said else None,
        address=row.address,
        status=row.state,
        reason=row.reason,
        attempts=int(row.attempts),
        last_attempts=row.last_attempts or [],
        events=events_out(row),
        due_at=row.due_at,
        not_before=row.not_before,
        updated_at=row.updated_at,
        expires_at=int(row.expires_at),
    )
