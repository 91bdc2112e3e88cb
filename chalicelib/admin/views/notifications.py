"""Notifications: the list, newest first, and one by its id."""

from http import HTTPStatus
from uuid import UUID

from chalice.app import Response
from pydantic import ValidationError

from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import Visit
from chalicelib.api.notification_actions import NotificationsQuery
from chalicelib.channels import CHANNELS
from chalicelib.services.errors import NotFoundError
from chalicelib.services.notification_list import Filters, NotificationsPage, list_notifications
from chalicelib.services.notifications import visible
from chalicelib.services.rights import Access

section = Section("notifications")

PAGE = 25
FILTERS = ("type", "author", "month")
IS_EXPRESS = {"yes": True, "no": False}


@section.page("/notifications", access=Access.READ)
def show_list(visit: Visit) -> Response:
    """Notifications of all authors, newest first; with an id, that one."""
    asked = visit.query
    if wanted := asked.get("id", "").strip():
        if found := _found(visit, wanted):
            return visit.go("notifications", found)
        visit.errors["id"] = visit.say("There is no notification with this id, or it is no longer kept.")
    try:
        query = NotificationsQuery.model_validate({name: asked[name] for name in FILTERS if asked.get(name)})
    except ValidationError as error:
        visit.errors |= {
            name: _wrong(visit, name) for name in {str(each["loc"][0]) for each in error.errors()}
        }
        query = NotificationsQuery()
    filters = Filters(query.type, query.author, query.month, IS_EXPRESS.get(asked.get("express", "")))
    page = NotificationsPage([], None)
    if not visit.errors:
        page = list_notifications(visit.principal, filters, asked.get("cursor"), PAGE, visit.now)
    return visit.show(
        "notifications/list.html",
        HTTPStatus.NOT_FOUND if "id" in visit.errors else HTTPStatus.OK,
        page=page,
        is_filtered=any(asked.get(name) for name in (*FILTERS, "express", "cursor")),
        channels=[(each, each) for each in CHANNELS],
    )


def _wrong(visit: Visit, name: str) -> str:
    if name == "month":
        return visit.say("must be a month, as 2026-11")
    return visit.say("Not a valid value.")


def _found(visit: Visit, wanted: str) -> str | None:
    try:
        return visible(str(UUID(wanted)), visit.principal, visit.now).id
    except (ValueError, NotFoundError):
        return None
