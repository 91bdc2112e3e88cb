"""The form of a new notification: what was typed, read as the API reads a body, and who it is for."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chalicelib.admin.views.contents import variables_of
from chalicelib.admin.views.long_texts import text_in_form, text_of
from chalicelib.admin.views.recipient_ids import KEPT, check_agreed, pasted, put_ids_aside
from chalicelib.admin.visits import Visit
from chalicelib.api.fields import one_line
from chalicelib.api.notifications import NewNotification
from chalicelib.services import audience_parts, audiences, notifications
from chalicelib.services.errors import InvalidFieldError, TooManyError
from chalicelib.services.submit import MAX_USERS
from chalicelib.tables.audience_headers import Audience, read_header
from chalicelib.tables.audiences import read_chunks
from chalicelib.templating.catalogue import Template, shipped
from chalicelib.templating.errors import UnknownTemplateError

IDS, FILE, AUDIENCE = "ids", "file", "audience"
"""The ways of saying who it is for."""

CARRIED_IDS = 1_000
"""So many pasted ids go from page to page as they are; more are put aside for that."""
CHOSEN_FROM = 50
"""Audiences that are offered; another one is named by its own page."""

EMPTY = ("type", "title", "text", "kept_text", "template", "content_id", "users", "audience_id")


@dataclass(frozen=True)
class Recipients:
    """Who it is for: users, or an audience; how many they are, and as which fields a form carries them."""

    users: list[UUID] | None
    audience: Audience | None
    count: int
    left_out: int
    fields: Mapping[str, str]


def chosen_template(wanted: str) -> Template | None:
    """The template that is named; None for a plain title and text."""
    if not wanted:
        return None
    try:
        return shipped().find(wanted)
    except UnknownTemplateError as error:
        raise InvalidFieldError("template", str(error)) from None


def read_body(visit: Visit, recipients: Recipients) -> NewNotification:
    """The notification as a client of the API would post it; a pydantic error or InvalidFieldError else."""
    form = visit.form
    body: dict[str, Any] = {
        "type": form.text("type"),
        "is_express": form.ticked("is_express"),
        "content_id": _content_id(form.text("content_id")),
        "send_at": _send_at(visit),
    }
    if template := chosen_template(form.text("template")):
        body |= {"template": template.pinned, "variables": variables_of(visit, template)}
    else:
        body |= {"title": form.text("title"), "text": text_of(visit)}
    if recipients.audience:
        body["audience_id"] = recipients.audience.id
    else:
        body["users"] = recipients.users
    return NewNotification.model_validate(body)


def _content_id(text: str) -> str | None:
    try:
        return one_line(text) if text else None
    except ValueError as error:
        raise InvalidFieldError("content_id", str(error)) from error


def _send_at(visit: Visit) -> datetime | None:
    if visit.form.text("when") != "later":
        return None
    at = visit.moment("send_at")
    if at is None:
        raise InvalidFieldError("send_at", "must be a date and a time")
    return at


def read_recipients(visit: Visit) -> Recipients:
    """Who it is for. A file has to be here whole, and no line may be left out that nobody has agreed to."""
    way = visit.form.text("way")
    if way == AUDIENCE:
        return _audience(visit, visit.form.text("audience_id"))
    if way == FILE:
        return _uploaded(visit)
    return _pasted(visit)


def _audience(visit: Visit, wanted: str) -> Recipients:
    try:
        found = audiences.usable(str(UUID(wanted)), visit.principal, visit.now)
    except ValueError as error:
        raise InvalidFieldError("audience_id", "choose an audience") from error
    return Recipients(None, found, int(found.recipients), 0, {"way": AUDIENCE, "audience_id": found.id})


def _uploaded(visit: Visit) -> Recipients:
    uploaded, parts = visit.form.text("uploaded_id"), visit.form.text("uploaded_parts")
    try:
        found = audiences.visible(str(UUID(uploaded)), visit.principal, visit.now)
    except ValueError as error:
        raise InvalidFieldError("file", "choose a file and send it") from error
    if parts == "0":
        raise InvalidFieldError("file", "at least one user is needed")
    if parts != str(len(found.by_number)):
        raise InvalidFieldError("file", "the file has not been sent to its end: send it again")
    if int(found.users) > MAX_USERS:
        raise TooManyError(f"a file has at most {MAX_USERS} lines; make an audience for more")
    users = audience_parts.users_of_parts(found)
    fields = {"way": FILE, "uploaded_id": found.id, "uploaded_parts": parts}
    return Recipients(users, None, len(users), 0, fields)


def _pasted(visit: Visit) -> Recipients:
    ids = pasted(visit)
    check_agreed(visit, ids)
    users = [UUID(bytes=each) for each in ids.good]
    fields = {"way": IDS}
    if visit.form.text(KEPT) and not visit.form.text("users"):
        fields[KEPT] = visit.form.text(KEPT)
    elif len(users) <= CARRIED_IDS:
        fields["users"] = "\n".join(map(str, users))
    else:
        fields = {}
    return Recipients(users, None, len(users), len(ids.bad), fields)


def carried(visit: Visit, recipients: Recipients) -> Mapping[str, str]:
    """The fields that bring the recipients to the next page; many pasted ids are put aside for a while."""
    if recipients.fields or not recipients.users:
        return recipients.fields
    return {"way": IDS, KEPT: put_ids_aside([each.bytes for each in recipients.users], visit)}


def body_hash(body: NewNotification) -> str:
    """By which a repeat is known to be one."""
    return hashlib.sha256(body.model_dump_json(exclude_none=True).encode()).hexdigest()


@dataclass(frozen=True)
class Begun:
    """What the form has in it at first."""

    values: Mapping[str, Any]
    variables: Mapping[str, Any]
    audience: Audience | None
    too_many: int = 0
    """Recipients of what is copied, if they are too many to be pasted."""


def begun(visit: Visit) -> Begun:
    """The form as it begins: empty, for an audience, or as a copy of a notification."""
    values: dict[str, Any] = {**dict.fromkeys(EMPTY, ""), "is_express": False, "way": IDS, "when": "now"}
    audience = None
    if wanted := visit.query.get("audience"):
        audience = audiences.visible(_id(wanted), visit.principal, visit.now)
        values |= {"way": AUDIENCE, "audience_id": audience.id}
    if not (copied := visit.query.get("copy")):
        return Begun(values, {}, audience)
    found = notifications.visible(_id(copied), visit.principal, visit.now)
    values |= {
        "type": found.type,
        "title": "" if found.template else found.title,
        **({} if found.template else text_in_form(found.text, found.id)),
        "template": found.template or "",
        "content_id": found.content_id or "",
        "is_express": found.is_express,
    }
    dispatch = next(iter(notifications.newest_dispatches(found)), None)
    if dispatch is None:
        return Begun(values, found.variables or {}, None)
    audience = read_header(dispatch.audience_id, visit.now)
    if audience is not None:
        values |= {"way": AUDIENCE, "audience_id": audience.id}
    elif dispatch.recipients <= CARRIED_IDS:
        chunks = read_chunks(dispatch.audience_id, int(dispatch.chunks))
        values["users"] = "\n".join(user for _, users in chunks for user in users)
    else:
        return Begun(values, found.variables or {}, None, int(dispatch.recipients))
    return Begun(values, found.variables or {}, audience)


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise InvalidFieldError("copy", "must be a UUID") from error
