"""The audit log: who changed what, when, and from what to what."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chalice.app import Response
from markupsafe import Markup
from pydantic import ValidationError

from chalicelib.admin import words
from chalicelib.admin.declaring import Section
from chalicelib.admin.rendering import moment_in
from chalicelib.admin.visits import Visit
from chalicelib.api.audit import AuditQuery
from chalicelib.services import audit
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.rights import Access
from chalicelib.tables.audit import AuditEntry

section = Section("audit")

PAGE = 20
FIELDS = ("who", "via", "kind", "about", "month")
MOMENTS = ("_at", "_until")
MAX_SHOWN = 100
MAX_SHOWN_OF_ENTRY = 700
"""So many characters are shown of a value, and of all in an entry: a page of the longest is small, too."""
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
    "unsubscribe": _("User's unsubscribe"),
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
    "part put": _("part added"),
    "password changed": _("password changed"),
    "password rotated": _("password rotated"),
    "paused": _("paused"),
    "put": _("saved"),
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
    "taken away": _("removed"),
    "unsubscribed": _("unsubscribed"),
}

NAMES = {
    "audience_id": _("Audience"),
    "backup": _("Backup"),
    "channel": _("Channel"),
    "content": _("Content"),
    "cron": _("Cron expression"),
    "ends_at": _("Until"),
    "fields": _("Fields"),
    "from": _("Source"),
    "has_webhook": _("Webhook"),
    "imported": _("Lines accepted"),
    "is_active": _("Enabled"),
    "is_complete": _("Completed"),
    "is_express": _("Express"),
    "is_paused": _("Paused"),
    "keeps_old": _("Keeps the old key"),
    "kid": _("Key id"),
    "messages": _("Messages"),
    "name": _("Name"),
    "notification_id": _("Notification"),
    "old_password_until": _("Old password valid until"),
    "part": _("Part"),
    "parts": _("Parts"),
    "period": _("Interval in seconds"),
    "reason": _("Reason"),
    "recipients": _("Recipients"),
    "refuses": _("Unsubscribed from"),
    "rejected": _("Rejected lines"),
    "report": _("Report"),
    "role": _("Role"),
    "scopes": _("Rights"),
    "send_at": _("Send at"),
    "starts_at": _("From"),
    "suppressions": _("Suppressions"),
    "template": _("Template"),
    "time_zone": _("Time zone"),
    "title": _("Title"),
    "type": _("Channel"),
    "username": _("User name"),
    "users": _("Users"),
}
"""Of what is changed the fields; a parameter of the stack keeps its own name."""
IN_WORDS = ("content", "reason", "role")
"""Fields whose values are words of the panel's."""

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
    changes: list[tuple[str, Markup | str, Markup | str]]
    """Field, from what, to what; empty is nothing."""


@section.page("/audit", access=Access.ADMINISTRATOR)
def show_list(visit: Visit) -> Response:
    """Changes, newest first."""
    try:
        asked = AuditQuery.model_validate({name: value for name, value in visit.query.items() if value})
        page = audit.list_entries(asked.filters, asked.cursor, PAGE, visit.now)
    except ValidationError as error:
        visit.errors = {str(each["loc"][0]): _reason(visit, each) for each in error.errors()}
        if elsewhere := [f"{name}: {said}" for name, said in visit.errors.items() if name not in FIELDS]:
            visit.errors[""] = "; ".join(elsewhere)
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
        is_filtered=any(visit.query.get(name) for name in (*FIELDS, "cursor")),
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


def _changes(visit: Visit, entry: AuditEntry) -> Iterator[tuple[str, Markup | str, Markup | str]]:
    before, after = entry.before or {}, entry.after or {}
    left = MAX_SHOWN_OF_ENTRY
    for name in dict.fromkeys([*before, *after]):
        was, is_now = (_shown(visit, name, each.get(name), left) for each in (before, after))
        left = max(left - len(was) - len(is_now), 0)
        if was or is_now:
            yield visit.say(NAMES.get(name, name)), was, is_now


def _shown(visit: Visit, name: str, value: Any, left: int) -> Markup | str:
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return visit.say("yes") if value else visit.say("no")
    if name.endswith(MOMENTS):
        return moment_in(visit.zone, str(value))
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if name in IN_WORDS:
        text = words.reason_in(visit.language, text)
    most = min(MAX_SHOWN, left)
    return text if len(text) <= most else f"{text[:most]}…"
