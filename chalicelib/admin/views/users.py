"""Everything that is kept about one user: looked at, taken along as a file, erased."""

import time
from uuid import UUID

from chalice.app import Response

from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import HEADERS, Visit
from chalicelib.api.users import ERASING_SECONDS, export_out
from chalicelib.domain.times import utc_now
from chalicelib.services.erasure import erase as erase_user
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.export import export
from chalicelib.services.rights import Access

section = Section("contacts")

PAGE = 25


@section.page("/users/{user_id}", access=Access.ADMINISTRATOR)
def show_one(visit: Visit, user_id: UUID) -> Response:
    """What is kept about a user; what was sent to them page by page, oldest first."""
    page = export_out(export(str(user_id), visit.query.get("cursor"), PAGE))
    return visit.show("contacts/kept.html", user_id=str(user_id), page=page)


@section.page("/users/{user_id}/file", access=Access.ADMINISTRATOR)
def download(visit: Visit, user_id: UUID) -> Response:
    """The same page, whole, as the API has it."""
    page = export_out(export(str(user_id), visit.query.get("cursor"), PAGE))
    headers: dict[str, str | list[str]] = {
        **HEADERS,
        "Content-Type": "application/json",
        "Content-Disposition": f'attachment; filename="user-{user_id}.json"',
    }
    return Response(page.model_dump_json(indent=2), headers)


@section.action("/users/{user_id}/erase", access=Access.ADMINISTRATOR, again=show_one)
def erase(visit: Visit, user_id: UUID) -> Response:
    """Erase a user; who asks for it has to say that they know what it does."""
    if not visit.form.ticked("agreed"):
        raise InvalidFieldError("agreed", "This box has to be ticked.")
    end = time.monotonic() + ERASING_SECONDS
    is_done = erase_user(str(user_id), visit.principal.author, utc_now, lambda: end - time.monotonic())
    return visit.go("users", str(user_id), done="erased" if is_done else "erased-soon")
