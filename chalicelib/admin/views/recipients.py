"""Recipients of a notification: with their states and the reasons for them, and one of them."""

from uuid import UUID

from chalice.app import Response

from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import Visit
from chalicelib.api.notifications import CountedStatus, events_out
from chalicelib.domain.mail_events import telling_reason
from chalicelib.domain.statuses import Status
from chalicelib.services import notifications
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.notifications import RecipientView
from chalicelib.services.rights import Access

section = Section("notifications")

PAGE = 50


@section.page("/notifications/{notification_id}/recipients", access=Access.READ)
def show_list(visit: Visit, notification_id: UUID) -> Response:
    """Recipients in the order of their audience, all or those of a status; with a user's id, that one."""
    found = notifications.visible(str(notification_id), visit.principal, visit.now)
    if wanted := visit.query.get("user", "").strip():
        try:
            return visit.go("notifications", found.id, "recipients", str(UUID(wanted)))
        except ValueError:
            visit.errors["user"] = visit.say("Not a user id: a UUID is needed.")
    page = notifications.recipients(
        found.id, visit.principal, visit.now, visit.query.get("cursor"), PAGE, _status(visit)
    )
    return visit.show(
        "notifications/recipients.html",
        notification=found,
        page=page,
        statuses=[str(each) for each in CountedStatus],
        reason_of=reason_of,
    )


def _status(visit: Visit) -> Status | None:
    try:
        return Status(CountedStatus(visit.query["status"])) if visit.query.get("status") else None
    except ValueError as error:
        raise InvalidFieldError("status", "there is no such status") from error


@section.page("/notifications/{notification_id}/recipients/{user_id}", access=Access.READ)
def show_one(visit: Visit, notification_id: UUID, user_id: UUID) -> Response:
    """One recipient: what became of them in each of the newest dispatches."""
    views = notifications.recipient(str(notification_id), visit.principal, visit.now, str(user_id))
    found = notifications.visible(str(notification_id), visit.principal, visit.now)
    return visit.show(
        "notifications/recipient.html",
        notification=found,
        user_id=str(user_id),
        views=views,
        reason_of=reason_of,
        events_of=events_out,
    )


def reason_of(view: RecipientView) -> str | None:
    """Why it is so, if there is anything to say."""
    return (view.row.reason or telling_reason(view.row.event_notes)) if view.row else None
