"""Audiences: made of a file or of pasted ids, completed, deleted."""

from uuid import UUID

from chalice.app import Response

from chalicelib.admin.declaring import Section
from chalicelib.admin.views import uploading
from chalicelib.admin.views.recipient_ids import (
    bad_lines,
    check_agreed,
    kept_count,
    pasted,
    put_long_lists_aside,
)
from chalicelib.admin.visits import Visit
from chalicelib.api.audiences import NewAudience, shown
from chalicelib.services import audience_parts, audiences
from chalicelib.services.errors import InvalidFieldError, TooManyError
from chalicelib.services.rights import Access
from chalicelib.services.submit import MAX_USERS
from chalicelib.tables.audience_headers import MAX_RECIPIENTS

section = Section("audiences")

PAGE = 25
PART_LINES = 10_000
"""A hundred parts of so many make the largest audience."""


@section.page("/audiences", access=Access.READ)
def show_list(visit: Visit) -> Response:
    """Audiences of all authors, newest first."""
    author = visit.query.get("author", "").strip() or None
    page, following = audiences.listed(
        visit.principal, author, visit.query.get("cursor"), PAGE, visit.now, newest_first=True
    )
    return visit.show("audiences/list.html", audiences=page, next_cursor=following)


@section.page("/audiences/new", access=Access.SEND)
def show_new(visit: Visit) -> Response:
    """The form for a new audience."""
    return visit.show("audiences/new.html")


@section.action("/audiences/new", access=Access.SEND, again=show_new)
def create(visit: Visit) -> Response:
    """Make an audience, empty and open."""
    body = NewAudience.model_validate({"name": visit.form.text("name") or None})
    return visit.go("audiences", audiences.create(body.name, visit.principal, visit.now).id)


@section.page("/audiences/{audience_id}", access=Access.READ)
def show_one(visit: Visit, audience_id: UUID) -> Response:
    """An audience, how far it has come, and what needs it."""
    found = audiences.visible(str(audience_id), visit.principal, visit.now)
    put_long_lists_aside(visit)
    return visit.show(
        "audiences/one.html",
        audience=shown(found),
        used_by=audiences.frequencies_of(found, visit.now),
        bad=bad_lines(visit),
        kept=kept_count(visit),
        lines=PART_LINES,
        most=MAX_RECIPIENTS - int(found.users),
    )


@section.action("/audiences/upload", access=Access.SEND, takes_text=True)
def begin_upload(visit: Visit) -> Response:
    """Make an audience for the file of a new notification, and say where its parts go."""
    name = visit.say("Recipients of a notification")
    made = audiences.create(name, visit.principal, visit.now, is_passing=True)
    address = visit.to("audiences", made.id, "parts", for_="notification")
    return visit.tell(upload=address, fields={"uploaded_id": made.id, "uploaded_parts": ""})


@section.action("/audiences/{audience_id}/parts", access=Access.SEND, takes_text=True)
def stage_part(visit: Visit, audience_id: UUID) -> Response:
    """Have the ids of a part of a file lie ready; with a bad line none of it, unless that was agreed to."""
    part, ids = uploading.part_of(visit), uploading.ids_of(visit.text)
    if not 1 <= part.number <= part.parts <= audience_parts.MAX_PARTS:
        raise InvalidFieldError("part", f"at most {audience_parts.MAX_PARTS} parts")
    _check_length(visit, len(ids.good))
    taken, staged = 0, ""
    if ids.good and (not ids.bad or visit.query.get("agreed") == "yes"):
        staged = audience_parts.stage_part(
            str(audience_id), part.parts, ids.good, visit.principal, visit.now
        ).stored
        taken = len(ids.good)
    bad = [(line, "", reason) for line, reason in ids.bad]
    return uploading.report(visit, part, len(ids.good) + len(bad), taken, bad, staged=staged)


@section.action("/audiences/{audience_id}/parts/taken", access=Access.SEND, takes_text=True)
def take_parts(visit: Visit, audience_id: UUID) -> Response:
    """Have a file that is here whole in the audience: all its parts, or none."""
    staged = uploading.staged_of(visit)
    _check_length(visit, sum(each.users for each in staged))
    found = audience_parts.add_parts(str(audience_id), staged, visit.principal, visit.now)
    return visit.tell(parts=len(found.by_number))


def _check_length(visit: Visit, users: int) -> None:
    if visit.query.get("for") == "notification" and users > MAX_USERS:
        raise TooManyError(f"a file has at most {MAX_USERS} lines; make an audience for more")


@section.action("/audiences/{audience_id}/paste", access=Access.SEND, again=show_one)
def paste(visit: Visit, audience_id: UUID) -> Response:
    """Add pasted ids as a further part."""
    ids = pasted(visit)
    check_agreed(visit, ids)
    staged = audience_parts.stage_part(str(audience_id), 1, ids.good, visit.principal, visit.now)
    found = audience_parts.add_parts(str(audience_id), [staged], visit.principal, visit.now)
    return visit.go("audiences", found.id, done="part-added")


@section.action("/audiences/{audience_id}/complete", access=Access.SEND, again=show_one)
def complete(visit: Visit, audience_id: UUID) -> Response:
    """Close an audience: from now on it can be sent to."""
    found = audience_parts.complete(str(audience_id), visit.principal, visit.now)
    return visit.go("audiences", found.id, done="audience-complete")


@section.action("/audiences/{audience_id}/delete", access=Access.SEND, again=show_one)
def delete(visit: Visit, audience_id: UUID) -> Response:
    """Delete an audience that nothing needs."""
    audiences.delete(str(audience_id), visit.principal, visit.now)
    return visit.go("audiences", done="deleted")
