"""Notifications: the list, newest first."""

from chalice.app import Response

from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import Visit
from chalicelib.channels import CHANNELS
from chalicelib.services.notification_list import Filters, list_notifications
from chalicelib.services.rights import Access

section = Section("notifications")

PAGE = 25


@section.page("/notifications", access=Access.READ)
def show_list(visit: Visit) -> Response:
    """Notifications of all authors, newest first."""
    asked = visit.query
    filters = Filters(
        type=asked.get("type") or None,
        author=asked.get("author") or None,
        month=asked.get("month") or None,
        is_express={"yes": True, "no": False}.get(asked.get("express", "")),
    )
    page = list_notifications(visit.principal, filters, asked.get("cursor"), PAGE, visit.now)
    return visit.show(
        "notifications/list.html", page=page, filters=filters, channels=[(each, each) for each in CHANNELS]
    )
