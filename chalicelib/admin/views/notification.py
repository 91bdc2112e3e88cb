"""One notification: what it says, how far it has come, and what can be done about it."""

import hashlib
import json
from typing import Any
from uuid import UUID

from chalice.app import Response

from chalicelib.admin.declaring import Section
from chalicelib.admin.views.contents import variables_of
from chalicelib.admin.views.long_texts import put_long_text_aside, text_in_form, text_of
from chalicelib.admin.views.progress import progress_of, read_number
from chalicelib.admin.views.sending_again import send_again
from chalicelib.admin.visits import HEADERS, Visit
from chalicelib.api.notifications import NotificationChange
from chalicelib.services import cancelling, notifications, send_times
from chalicelib.services.errors import InvalidFieldError, OutdatedError
from chalicelib.services.notifications import DISPATCHES_SHOWN, NotificationView
from chalicelib.services.rights import Access
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.notifications import Notification
from chalicelib.templating.catalogue import Template, shipped
from chalicelib.templating.errors import UnknownTemplateError

section = Section("notifications")

SHOWN_TEXT = 8_000
"""Of a longer text the page shows no more, and leads to all of it."""


@section.page("/notifications/{notification_id}", access=Access.READ)
def show(visit: Visit, notification_id: UUID) -> Response:
    """A notification; for the page itself, which asks while it is being sent, only how far it has come."""
    view = notifications.find(str(notification_id), visit.principal, visit.now)
    offers = _offers(visit, view)
    values: dict[str, Any] = {
        "view": view,
        "notification": view.notification,
        "progress": progress_of(view, visit.query, visit.now),
        "offers": offers,
        "shown": DISPATCHES_SHOWN,
        "stamp": visit.now_iso,
    }
    if visit.is_fragment:
        return visit.show(
            "notifications/progress.html", is_changed=visit.query.get("offers") != " ".join(offers), **values
        )
    return visit.show("notifications/one.html", text_shown=SHOWN_TEXT, **values)


def _offers(visit: Visit, view: NotificationView) -> list[str]:
    """What the visitor may do with the notification as it is now."""
    if not visit.may(Access.SEND):
        return []
    offers = ["copy"]
    if view.waiting and not view.notification.frequency:
        offers.append("cancel")
        if all(each.dispatch.due > visit.now for each in view.dispatches):
            offers.append("change")
    if any(each.counts["failed"] for each in view.dispatches if not each.dispatch.is_cancelled):
        offers.append("again")
    return offers


@section.page("/notifications/{notification_id}/text", access=Access.READ)
def show_text(visit: Visit, notification_id: UUID) -> Response:
    """The whole text, as it is."""
    found = notifications.visible(str(notification_id), visit.principal, visit.now)
    return Response(found.text, {**HEADERS, "Content-Type": "text/plain; charset=utf-8"})


@section.page("/notifications/{notification_id}/dispatches", access=Access.READ)
def show_dispatches(visit: Visit, notification_id: UUID) -> Response:
    """All dispatches, newest first: of a frequency many."""
    found = notifications.visible(str(notification_id), visit.principal, visit.now)
    page, following = notifications.dispatches(
        found.id, visit.principal, visit.now, visit.query.get("cursor"), DISPATCHES_SHOWN
    )
    return visit.show(
        "notifications/dispatches.html",
        notification=found,
        dispatches=page,
        next_cursor=following,
        stamp=visit.now_iso,
    )


@section.action("/notifications/{notification_id}/cancel", access=Access.SEND, again=show)
def cancel(visit: Visit, notification_id: UUID) -> Response:
    """Cancel what has not been sent."""
    cancelling.cancel(str(notification_id), visit.principal, visit.now)
    return visit.go("notifications", str(notification_id), done="cancelled")


def _show_refusal(visit: Visit, notification_id: UUID) -> Response:
    """Why nothing is sent again: beside the button, which stays."""
    if not visit.is_fragment:
        return show(visit, notification_id)
    return visit.show("notifications/again_button.html", id=str(notification_id))


@section.action("/notifications/{notification_id}/send_again", access=Access.SEND, again=_show_refusal)
def send_failed_again(visit: Visit, notification_id: UUID) -> Response:
    """Send failed recipients again, all or one; the page asks once more until nobody is left."""
    user, dispatch = (_id(visit, name) for name in ("user_id", "dispatch_id"))
    so_far = int(read_number(visit.form.text("so_far")) or 0)
    sent = send_again(visit, notification_id, so_far, user, dispatch)
    if sent.has_more and visit.is_fragment:
        return visit.show("notifications/again.html", id=str(notification_id), so_far=sent.so_far)
    if user:
        return visit.go("notifications", str(notification_id), "recipients", user, done=sent.said)
    return visit.go("notifications", str(notification_id), done=sent.said)


def _id(visit: Visit, name: str) -> str | None:
    typed = visit.form.text(name)
    try:
        return str(UUID(typed)) if typed else None
    except ValueError as error:
        raise InvalidFieldError(name, "must be a UUID") from error


@section.page("/notifications/{notification_id}/change", access=Access.SEND)
def show_change(visit: Visit, notification_id: UUID) -> Response:
    """The form to change what is not due yet."""
    found = notifications.visible(str(notification_id), visit.principal, visit.now)
    dispatch = next(iter(notifications.newest_dispatches(found)), None)
    put_long_text_aside(visit)
    return visit.show(
        "notifications/change.html",
        notification=found,
        said=text_in_form(found.text, found.id),
        due=dispatch.due if dispatch else None,
        written_by=_template(found.template),
        values=found.variables or {},
        version=_version(found, dispatch),
    )


@section.action("/notifications/{notification_id}/change", access=Access.SEND, again=show_change)
def change(visit: Visit, notification_id: UUID) -> Response:
    """Change when it is sent, and what it says."""
    found = notifications.visible(str(notification_id), visit.principal, visit.now)
    dispatch = next(iter(notifications.newest_dispatches(found)), None)
    if visit.form.text("version") != _version(found, dispatch):
        raise OutdatedError("it has been changed by another meanwhile: load the page again")
    wanted: dict[str, Any] = {}
    if dispatch is None or visit.form.text("send_at") != visit.local(dispatch.due, "send_at"):
        wanted["send_at"] = visit.moment("send_at")
    if template := _template(found.template):
        wanted["variables"] = variables_of(visit, template)
    elif not found.template:
        wanted |= {"title": visit.form.text("title"), "text": text_of(visit)}
    body = NotificationChange.model_validate(wanted)
    changed = send_times.Changed(body.send_at, body.title, body.text, body.variables)
    send_times.change(found.id, changed, visit.principal, visit.now)
    return visit.go("notifications", found.id, done="saved")


def _version(found: Notification, dispatch: Dispatch | None) -> str:
    """What a form was filled in from, in short: another change in between makes it another."""
    shown = (found.title, found.text, found.variables, dispatch.due_at if dispatch else None)
    return hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _template(pinned: str | None) -> Template | None:
    """The template of a notification; None if it has none, or one that is not shipped any more."""
    try:
        return shipped().find(pinned) if pinned else None
    except UnknownTemplateError:
        return None
