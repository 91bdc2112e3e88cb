"""The outside users service as a directory: contacts by the page, names one by one.

docs/users-service.md has the protocol.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from chalicelib import settings
from chalicelib.directory import DirectoryUnavailableError, Person
from chalicelib.directory.ids import user_id_in
from chalicelib.domain.times import utc_now
from chalicelib.kept import Kept
from chalicelib.observability import logger
from chalicelib.outside import Limits, OutsideError, Request, Service
from chalicelib.settings import OUTSIDE_SECONDS, PAGES_AT_ONCE

NAMES_SECONDS = 3.0
NAMES_AT_ONCE = 8
"""A name is worth a moment, not more: without it the greeting is neutral."""

CONTACTS = Service("the users service", silence_seconds=10)
NAMES = Service("the users service's names", silence_seconds=60)

_names: Kept[str] = Kept(seconds=600, entries=10_000)
"""Of users who have been asked about; empty where there is none."""

NO_CONTACT = ("", "none", "null")
"""What the service writes where it has none."""


class HttpDirectory:
    """Asks the users service."""

    longest_seconds = OUTSIDE_SECONDS + NAMES_SECONDS

    def people(self, user_ids: Sequence[str], contact_field: str) -> Mapping[str, Person]:
        """See `Directory.people`."""
        contacts = _contacts(user_ids, contact_field)
        names = _names_of([user_id for user_id, contact in contacts.items() if contact])
        return {
            user_id: Person(contact, name=names.get(user_id) or None) for user_id, contact in contacts.items()
        }


def forget() -> None:
    """Begin anew: no names, and nobody was silent."""
    _names.forget()
    CONTACTS.forget()
    NAMES.forget()


def _contacts(user_ids: Sequence[str], contact_field: str) -> dict[str, str | None]:
    configured = settings.current().users_service
    size = configured.page_size
    # The service pages what is posted to it: at most a page of ids has one page of answer, the first.
    url = configured.contacts_url.replace("{page}", "1").replace("{field}", quote(contact_field, safe=""))
    requests = [
        Request(
            "POST",
            url,
            {"Content-Type": "application/json"},
            json.dumps({"ids": user_ids[start : start + size]}).encode(),
        )
        for start in range(0, len(user_ids), size)
    ]
    limits = Limits(configured.tries, configured.timeout_seconds, OUTSIDE_SECONDS, PAGES_AT_ONCE)
    found: dict[str, str | None] = {}
    for answer in CONTACTS.ask(requests, limits):
        if isinstance(answer, OutsideError):
            raise DirectoryUnavailableError(f"from the users service: {answer}") from answer
        try:
            found.update(_read_contacts(answer.object(), user_ids))
        except OutsideError as error:
            raise DirectoryUnavailableError(f"from the users service: {error}") from error
    return found


def _read_contacts(answer: Mapping[str, Any], asked: Iterable[str]) -> dict[str, str | None]:
    """The contacts of those who were asked for.

    A fault in one entry is that user's alone. Where nothing is as it should be it is another protocol, and
    nobody's contact is wrong for that.
    """
    ids = {key: user_id_in(key) for key in answer}
    if answer and not (any(ids.values()) and any(map(_is_contact, answer.values()))):
        raise OutsideError("an object that is not {id: contact}")
    wanted = set(asked)
    return {user_id: _contact(answer[key]) for key, user_id in ids.items() if user_id and user_id in wanted}


def _is_contact(value: Any) -> bool:
    return value is None or (isinstance(value, str | int) and not isinstance(value, bool))


def _contact(value: Any) -> str | None:
    """A contact as text. What is no contact at all is left to the channel, which will find it not valid."""
    text = str(value).strip()
    return None if text.lower() in NO_CONTACT else text


def _names_of(user_ids: Sequence[str]) -> dict[str, str]:
    configured = settings.current().users_service
    if not configured.name_url:
        return {}
    now = utc_now()
    names = {user_id: name for user_id in user_ids if (name := _names.get(user_id, now)) is not None}
    missing = [user_id for user_id in user_ids if user_id not in names]
    requests = [
        Request("GET", configured.name_url.replace("{user_id}", quote(user_id, safe="")))
        for user_id in missing
    ]
    limits = Limits(configured.tries, configured.timeout_seconds, NAMES_SECONDS, NAMES_AT_ONCE)
    failures: list[OutsideError] = []
    for user_id, answer in zip(missing, NAMES.ask(requests, limits), strict=True):
        if isinstance(answer, OutsideError):
            failures.append(answer)
            continue
        try:
            names[user_id] = "" if answer.status == 404 else _login(answer.object())
        except OutsideError as error:
            failures.append(error)
        else:
            _names.put(user_id, names[user_id], now)
    if failures:
        logger.warning("names unavailable", extra={"users": len(failures), "error": str(failures[0])})
    return names


def _login(answer: Mapping[str, Any]) -> str:
    login = answer.get("login")
    if not isinstance(login, str):
        return ""
    # It stands in a line of a mail: whatever is not text in a line goes.
    return "".join(character for character in login if character.isprintable()).strip()
