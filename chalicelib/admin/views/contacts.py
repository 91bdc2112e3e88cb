"""Contacts of the embedded directory: found by a user's id, put, deleted; and imported from a file."""

import hashlib
import json
from collections.abc import Mapping
from uuid import UUID

from chalice.app import Response

from chalicelib.admin import words
from chalicelib.admin.declaring import Section
from chalicelib.admin.views import uploading
from chalicelib.admin.visits import Visit
from chalicelib.channels import CONTACT_FIELDS
from chalicelib.services import contact_lines, contacts, unsubscribing
from chalicelib.services.errors import InvalidFieldError, NotFoundError, OutdatedError, TooManyError
from chalicelib.services.rights import Access
from chalicelib.settings import LOCALES
from chalicelib.tables.contacts import Contact
from chalicelib.tables.unsubscribes import Unsubscribe

section = Section("contacts")

FORM_FIELDS = tuple(name for name in contacts.FIELDS if name != "user_id")
PART_LINES = 5_000
MAX_FILE_LINES = 100_000


@section.page("/contacts", access=Access.MANAGE)
def show_start(visit: Visit) -> Response:
    """Where a contact is looked for: a directory may have millions, and has no list."""
    if wanted := visit.query.get("user", "").strip():
        try:
            return visit.go("contacts", str(UUID(wanted)))
        except ValueError:
            visit.errors["user"] = visit.say("Not a user id: a UUID is needed.")
    return visit.show("contacts/start.html", is_embedded=contacts.is_embedded())


@section.page("/contacts/import", access=Access.MANAGE)
def show_import(visit: Visit) -> Response:
    """The form for a file."""
    return visit.show(
        "contacts/import.html",
        is_embedded=contacts.is_embedded(),
        fields=contacts.FIELDS,
        lines=PART_LINES,
        most=MAX_FILE_LINES,
    )


@section.action("/contacts/parts", access=Access.MANAGE, takes_text=True)
def import_part(visit: Visit) -> Response:
    """Import a part of a file: its good lines are put, the others are told."""
    part = uploading.part_of(visit)
    if part.parts * PART_LINES > MAX_FILE_LINES:
        raise TooManyError(f"a file has at most {MAX_FILE_LINES} lines")
    done = contact_lines.import_request(visit.text, contact_lines.CSV)
    errors = [
        {
            "line": part.line(each.line),
            "field": each.field,
            "reason": words.reason_in(visit.language, each.reason),
        }
        for each in done.errors
    ]
    return visit.tell(lines=done.lines, imported=done.imported, rejected=done.rejected, errors=errors)


@section.page("/contacts/{user_id}", access=Access.MANAGE)
def show_one(visit: Visit, user_id: UUID) -> Response:
    """A user's contact, as a form; and what else there is about the user."""
    contact, refused = _contact(str(user_id)), _refused(visit, str(user_id))
    if refused is not None and refused.is_tombstone and visit.errors.get(""):
        visit.errors[""] = visit.say(contacts.ERASED)
    return visit.show(
        "contacts/one.html",
        user_id=str(user_id),
        values=_values(contact),
        is_known=contact is not None,
        is_embedded=contacts.is_embedded(),
        refused=refused,
        addresses=list(CONTACT_FIELDS.values()),
        locales=[(each, words.NAMES[each]) for each in LOCALES],
        most_name=contacts.MAX_NAME_LENGTH,
        version=version_of(contact),
    )


@section.action("/contacts/{user_id}", access=Access.MANAGE, again=show_one)
def put(visit: Visit, user_id: UUID) -> Response:
    """Put a contact, in the place of what was there."""
    if not all(map(visit.form.has, FORM_FIELDS)):
        raise InvalidFieldError("", "the form is not whole")
    _check_version(visit, str(user_id))
    typed = {name: visit.form.text(name) for name in FORM_FIELDS}
    contacts.put_contact({"user_id": user_id, **typed})
    return visit.go("contacts", str(user_id), done="saved")


@section.action("/contacts/{user_id}/delete", access=Access.MANAGE, again=show_one)
def delete(visit: Visit, user_id: UUID) -> Response:
    """Delete a contact, unless another has changed it since it was looked at."""
    _check_version(visit, str(user_id))
    contacts.delete_contact(str(user_id))
    return visit.go("contacts", str(user_id), done="deleted")


def _contact(user_id: str) -> Contact | None:
    try:
        return contacts.read_contact(user_id)
    except NotFoundError:
        return None


def _check_version(visit: Visit, user_id: str) -> None:
    if visit.form.text("version") != version_of(_contact(user_id)):
        raise OutdatedError("it has been changed by another meanwhile: load the page again")


def version_of(contact: Contact | None) -> str:
    """What a form was filled in from, in short: another change in between makes it another."""
    shown = contacts.shown(contact) if contact is not None else None
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:32]


def _values(contact: Contact | None) -> Mapping[str, str | None]:
    return contacts.shown(contact) if contact is not None else dict.fromkeys(contacts.FIELDS)


def _refused(visit: Visit, user_id: str) -> Unsubscribe | None:
    try:
        return unsubscribing.read(user_id, visit.principal)
    except NotFoundError:
        return None
