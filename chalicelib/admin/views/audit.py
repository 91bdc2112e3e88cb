"""The audit log: who changed what, when, and from what to what."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chalice.app import Response
from pydantic import ValidationError

from chalicelib.admin import words
from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import Visit
from chalicelib.api.audit import AuditQuery
from chalicelib.services import audit
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.rights import Access
from chalicelib.tables.audit import AuditEntry

section = Section("audit")

PAGE = 20
MAX_SHOWN = 100
"""So much is shown of a value: a page of the longest ones is small, too."""
MANY = "many"
"""In the place of an id, where one request changed many."""


def _(text: str) -> str:
    return text


KINDS = {
    "administrator": _("Administrator"),
    "application": _("Application"),
    "audience": _("Audience"),
    "consumers": _("Consumers"),
    "contact": _("Contact"),
    "dead letters": _("Dead letters"),
    "frequency": _("Frequency"),
    "key": _("Signing key"),
    "notification": _("Notification"),
    "smtp log-in": _("Mail server's log-in"),
    "suppression": _("Suppression"),
    "table": _("Table"),
    "telegram bot": _("Telegram bot"),
    "unsubscribe": _("Unsubscribe"),
    "user": _("User"),
}
"""What is changed. A test compares these and the next with what the services say."""

ACTIONS = {
    "backed up": _("backed up"),
    "cancelled": _("cancelled"),
    "changed": _("changed"),
    "completed": _("completed"),
    "connected": _("connected"),
    "created": _("created"),
    "deleted": _("deleted"),
    "erased": _("erased"),
    "held": _("held"),
    "imported": _("imported"),
    "lifted": _("lifted"),
    "logged out everywhere": _("logged out everywhere"),
    "made": _("made"),
    "moved back": _("moved back"),
    "part put": _("part put"),
    "password changed": _("password changed"),
    "password rotated": _("password rotated"),
    "paused": _("paused"),
    "put": _("put"),
    "registered": _("registered"),
    "released": _("released"),
    "restored": _("restored"),
    "resumed": _("resumed"),
    "rotated": _("rotated"),
    "scheduled": _("scheduled"),
    "sent": _("sent"),
    "sent again": _("sent again"),
    "set": _("set"),
    "subscribed": _("subscribed"),
    "suppressed": _("suppressed"),
    "taken away": _("taken away"),
    "unsubscribed": _("unsubscribed"),
}

VIAS = {audit.Via.PANEL: _("panel"), audit.Via.API: _("API"), audit.Via.COMMAND: _("command")}

PAGES = {
    "administrator": "administrators",
    "application": "applications",
    "audience": "audiences",
    "contact": "contacts",
    "frequency": "frequencies",
    "notification": "notifications",
    "suppression": "suppressions",
    "unsubscribe": "unsubscribes",
    "user": "contacts",
}
"""Where a thing of a kind has its page."""


@dataclass(frozen=True)
class Row:
    """A change as it is shown."""

    entry: AuditEntry
    at: str
    via: str
    kind: str
    action: str
    address: str | None
    changes: list[tuple[str, str, str]]
    """Field, from what, to what."""


@section.page("/audit", access=Access.ADMINISTRATOR)
def show_list(visit: Visit) -> Response:
    """Changes, newest first."""
    try:
        asked = AuditQuery.model_validate({name: value for name, value in visit.query.items() if value})
        page = audit.list_entries(asked.filters, asked.cursor, PAGE, visit.now)
    except ValidationError as error:
        visit.errors = {str(each["loc"][0]): _reason(visit, each) for each in error.errors()}
        page = audit.AuditPage([], None)
    except InvalidFieldError as error:
        visit.errors = {"": words.reason_in(visit.language, str(error))}
        page = audit.AuditPage([], None)
    return visit.show(
        "audit/list.html",
        rows=[_row(visit, each) for each in page.entries],
        next_cursor=page.next_cursor,
        kinds=[(name, visit.say(said)) for name, said in KINDS.items()],
        vias=[(str(name), visit.say(said)) for name, said in VIAS.items()],
        many=MANY,
    )


def _reason(visit: Visit, error: Any) -> str:
    if error["loc"] == ("month",):
        return visit.say("must be a month, as 2026-11")
    return words.reason_in(visit.language, error["msg"])


def _row(visit: Visit, entry: AuditEntry) -> Row:
    part = PAGES.get(entry.kind) if entry.about != MANY else None
    return Row(
        entry,
        audit.at(entry),
        visit.say(VIAS.get(audit.Via(entry.via), entry.via)),
        visit.say(KINDS.get(entry.kind, entry.kind)),
        visit.say(ACTIONS.get(entry.action, entry.action)),
        visit.to(part, entry.about) if part else None,
        list(_changes(visit, entry)),
    )


def _changes(visit: Visit, entry: AuditEntry) -> Iterator[tuple[str, str, str]]:
    before, after = entry.before or {}, entry.after or {}
    for name in dict.fromkeys([*before, *after]):
        yield name, _shown(visit, before.get(name)), _shown(visit, after.get(name))


def _shown(visit: Visit, value: Any) -> str:
    if value is None or value == []:
        return "–"
    if isinstance(value, bool):
        return visit.say("yes") if value else visit.say("no")
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
