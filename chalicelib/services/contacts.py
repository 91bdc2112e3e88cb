"""Contacts of the embedded directory: checked in one place, put singly or in batches, read and deleted."""

import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from chalicelib import settings
from chalicelib.channels import CHANNELS, CONTACT_FIELDS
from chalicelib.channels.base import ContactField
from chalicelib.directory.ids import user_id_in
from chalicelib.services import audit
from chalicelib.services.errors import ConflictError, InvalidFieldError, NotFoundError
from chalicelib.tables.base import MAX_PUTS, batch_put
from chalicelib.tables.contacts import Contact, contact_of
from chalicelib.tables.unsubscribes import read_unsubscribes

FIELDS = ("user_id", "name", *CONTACT_FIELDS, "locale", "time_zone")
MAX_NAME_LENGTH = 200
MAX_SHOWN = 50

ERASED = "the user is erased: they have to subscribe again first"

_NOT_IN_A_NAME = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of characters, and what breaks a line."""


def put_contact(contact: Mapping[str, Any]) -> Contact:
    """Put a contact, in the place of what was there."""
    row = check(contact)
    put_rows([row])
    audit.record("put", "contact", row.user_id, after=_told(row))
    return row


def put_contacts(contacts: Iterable[Mapping[str, Any]]) -> int:
    """Put contacts into the directory, in the place of what was there; how many. All are checked first."""
    rows = {row.user_id: row for row in map(check, contacts)}  # a batch with one key twice is refused
    put_rows(list(rows.values()))
    audit.record("imported", "contact", "many", after={"imported": len(rows), "rejected": 0})
    return len(rows)


def put_rows(rows: list[Contact]) -> None:
    """Put contacts of different users; ConflictError, and nothing changed, if one of them is erased."""
    check_is_used()
    if erased := erased_among(row.user_id for row in rows):
        raise ConflictError(f"{min(erased)}: {ERASED}")
    remaining = iter(rows)
    while batch := list(islice(remaining, MAX_PUTS)):
        batch_put(batch)


def read_contact(user_id: str) -> Contact:
    """The contact of a user."""
    found = Contact.one(user_id, consistent=True)
    if found is None:
        raise NotFoundError("there is no contact of this user")
    return found


def delete_contact(user_id: str) -> None:
    """Delete a user's contact, if there is one."""
    before = Contact.one(user_id, consistent=True)
    Contact.remove(user_id)
    if before is not None:
        audit.record("deleted", "contact", user_id, before=_told(before))


def _told(contact: Contact) -> dict[str, Any]:
    """Only which fields there are: what stands in them is for the directory alone."""
    return {"fields": [name for name, value in shown(contact).items() if value and name != "user_id"]}


def erased_among(user_ids: Iterable[str]) -> set[str]:
    """Who of these users is erased. Whose erasure comes between this and a put is erased once more."""
    return {
        user_id for user_id, row in read_unsubscribes(user_ids, consistent=True).items() if row.is_tombstone
    }


def check_is_used() -> None:
    """ConflictError where users are looked up elsewhere: what is put here would be ignored."""
    if not is_embedded():
        raise ConflictError("this deployment asks an outside users service: contacts are kept there")


def is_embedded() -> bool:
    """Whether the deployment's directory is the contacts table."""
    return settings.current().directory == "table"


def check(contact: Mapping[str, Any]) -> Contact:
    """The contact that these fields make; InvalidFieldError names the first that cannot be taken.

    A field that is missing, None or empty is not there.
    """
    for field in contact:
        if field not in FIELDS:
            # Any text may stand there, half a character, too, which cannot be written anywhere.
            shown = field.encode("ascii", "backslashreplace").decode()[:MAX_SHOWN]
            raise InvalidFieldError(shown, f"unknown; there are: {', '.join(FIELDS)}")
    locale, zone = _text(contact, "locale"), _text(contact, "time_zone")
    addresses = {field.name: _address(contact, field) for field in CONTACT_FIELDS.values()}
    if locale and locale not in settings.LOCALES:
        raise InvalidFieldError("locale", f"must be one of {', '.join(settings.LOCALES)}")
    if zone and zone not in _zones():
        raise InvalidFieldError("time_zone", "is not an IANA time zone")
    return contact_of(_user_id(contact), addresses, name=_name(contact), locale=locale, time_zone=zone)


def shown(contact: Contact) -> dict[str, str | None]:
    """A contact by its fields."""
    return {
        name: contact.address(name) if name in CONTACT_FIELDS else getattr(contact, name) for name in FIELDS
    }


def _text(contact: Mapping[str, Any], field: str) -> str | None:
    value = contact.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidFieldError(field, "must be a text")
    return value.strip() or None


def _user_id(contact: Mapping[str, Any]) -> str:
    value = contact.get("user_id")
    user_id = user_id_in(str(value) if isinstance(value, UUID) else value)
    if user_id is None:
        raise InvalidFieldError("user_id", "is not a UUID")
    return user_id


def _name(contact: Mapping[str, Any]) -> str | None:
    name = _text(contact, "name")
    if name is None:
        return None
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidFieldError("name", f"at most {MAX_NAME_LENGTH} characters")
    if any(unicodedata.category(character) in _NOT_IN_A_NAME for character in name):
        raise InvalidFieldError("name", "must not have control characters or line breaks")
    return name


def _address(contact: Mapping[str, Any], field: ContactField) -> str | None:
    """As it was given, but for a number; each channel that reads the field has to take it."""
    value = contact.get(field.name)
    is_number = field.is_number and isinstance(value, int) and not isinstance(value, bool)
    text = str(value) if is_number else _text(contact, field.name)
    if text is None:
        return None
    for channel in CHANNELS.values():
        if channel.contact is field:
            normal = channel.address_of(text)
            if normal is None:
                raise InvalidFieldError(field.name, field.must)
            if field.is_number:
                text = normal
    return text


@cache
def _zones() -> set[str]:
    return available_timezones()  # reads the whole data base of zones at every call
