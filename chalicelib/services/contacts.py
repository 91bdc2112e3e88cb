"""Contacts of the embedded directory."""

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from chalicelib import settings
from chalicelib.channels import CHANNELS
from chalicelib.services.errors import InvalidFieldError
from chalicelib.tables.base import MAX_PUTS, batch_put
from chalicelib.tables.contacts import Contact


def put_contacts(contacts: Iterable[Mapping[str, Any]]) -> int:
    """Put contacts into the directory, in the place of what was there; how many. All are checked first."""
    rows = {row.user_id: row for row in map(_row, contacts)}  # a batch with one key twice is refused
    remaining = iter(rows.values())
    while batch := list(islice(remaining, MAX_PUTS)):
        batch_put(batch)
    return len(rows)


def _row(contact: Mapping[str, Any]) -> Contact:
    try:
        user_id = str(UUID(str(contact["user_id"])))
    except ValueError as error:
        raise InvalidFieldError("user_id", f"{contact['user_id']!r} is not a UUID") from error
    email, locale, zone = contact.get("email"), contact.get("locale"), contact.get("time_zone")
    if email and CHANNELS["mail"].address_of(email) is None:
        raise InvalidFieldError("email", f"{email!r} is not a mail address")
    if locale and locale not in settings.LOCALES:
        raise InvalidFieldError("locale", f"{locale!r} is none of {', '.join(settings.LOCALES)}")
    if zone and zone not in _zones():
        raise InvalidFieldError("time_zone", f"{zone!r} is not an IANA time zone")
    return Contact(
        user_id,
        name=contact.get("name"),
        email=email,
        chat_id=contact.get("chat_id"),
        locale=locale,
        time_zone=zone,
    )


@cache
def _zones() -> set[str]:
    return available_timezones()  # reads the whole data base of zones at every call
