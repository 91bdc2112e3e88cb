"""Requests that write, other than to send: who asks for what, on which state, and what may be answered.

Each is one request of a client, who sends it again after a 503 or no answer at all.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from chalicelib import security
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso, later
from chalicelib.services import audience_parts, audiences, contacts, frequencies
from chalicelib.services.administrators import create_administrator, issue_token
from chalicelib.services.applications import register_application
from chalicelib.services.content import Content
from chalicelib.services.recipients import NotQueued, record_not_queued
from chalicelib.services.rights import Principal, Role, Scope
from chalicelib.services.submit import submit
from chalicelib.tables.suppressions import suppress
from chalicelib.tables.unsubscribes import add_scope
from tests.faults.scenarios import ANNA, BEN, CARL, DORA, EVA
from tests.support.factories import START, submission, user_id
from tests.support.telegram import WEBHOOK_TOKEN

OPERATOR = Principal("administrator", "anna")

HOUR = 3600.0
SOON = 100.0
"""Within what the tick looks ahead: it is handed over, or looked at, by the request itself."""

CHAT = 42

PASSWORD = "correct horse battery staple"

Names = Mapping[str, str]
"""What the state before has given: ids that stand in paths and bodies."""


@dataclass(frozen=True)
class Request:
    """One request."""

    name: str
    method: str
    route: str
    path: Names = field(default_factory=dict)
    query: str = ""
    body: Any = None
    content_type: str = "application/json"
    headers: Names = field(default_factory=dict)
    prepare: Callable[[], Names] = dict
    repeats_with: frozenset[int] = frozenset()
    """What the client may be answered who asks again after no answer, beside what was to be answered."""
    leaves: frozenset[str] = frozenset()
    """Tables in which a request that broke off may leave what nothing names, and expires."""
    tells_later: frozenset[str] = frozenset()
    """Tables that a request which broke off leaves behind the truth, until the next outcome is written."""
    reaches: str = ""
    """A part of the name of a call that must be among its own: else its faults are not tried."""
    status: int = 200

    def event(self, authorization: str, names: Names) -> dict[str, Any]:
        """What API Gateway passes to the function."""
        path = {name: names.get(value, value) for name, value in self.path.items()}
        body = json.dumps(self.body) if self.content_type == "application/json" else self.body
        for name, value in names.items():
            body = body.replace(f"<{name}>", value) if body else body
        return {
            "httpMethod": self.method,
            "headers": {
                "Content-Type": self.content_type,
                "Authorization": authorization,
                "Idempotency-Key": "the-one-request",
                **self.headers,
            },
            "multiValueHeaders": {},
            "multiValueQueryStringParameters": {
                name: [value] for name, value in parse_qsl(urlsplit(f"?{self.query}").query)
            },
            "pathParameters": path,
            "stageVariables": None,
            "isBase64Encoded": False,
            "body": "" if self.body is None else body,
            "requestContext": {
                "httpMethod": self.method,
                "resourcePath": self.route,
                "requestId": "the-request",
                "identity": {"sourceIp": "192.0.2.1"},
            },
        }


def administrator() -> str:
    """Who asks in all of these; the Authorization header. By a token: a password takes long to hash."""
    create_administrator("anna", START, PASSWORD)
    return f"Bearer {issue_token('anna', START)}"


def _an_application() -> Names:
    register_application("crm", START, [Scope.READ])
    return {}


def _an_administrator() -> Names:
    create_administrator("olga", START, PASSWORD, Role.VIEWER)
    return {}


def _an_unsubscribe() -> Names:
    add_scope(ANNA, "mail", START)
    add_scope(ANNA, "*", START)
    return {}


def _in_a_chat() -> Names:
    """Two users of a chat; one of them and the chat are to be sent nothing."""
    for user in (ANNA, BEN):
        contacts.put_contact({"user_id": user, "email": "anna@example.com", "chat_id": CHAT})
    add_scope(ANNA, "telegram", START)
    suppress("telegram", str(CHAT), "blocked by the user", START)
    return {}


def _a_link() -> Names:
    _in_a_chat()
    expires_at = int(later(START, HOUR).timestamp())
    return {"start": security.sign_telegram_link(security.read_secret("link"), CARL, expires_at)}


def _telegram(
    name: str, prepare: Callable[[], Names], reaches: str = "suppressions", **update: Any
) -> Request:
    """An update of Telegram's, which comes until it is answered."""
    where = {"chat": {"id": CHAT, "type": "private"}}
    return Request(
        name,
        "POST",
        "/api/v1/telegram/webhook",
        body={"update_id": 1, **{kind: {**where, **what} for kind, what in update.items()}},
        headers={"X-Telegram-Bot-Api-Secret-Token": WEBHOOK_TOKEN},
        prepare=prepare,
        reaches=reaches,
    )


_MAIL = {"type": "mail", "title": "Title", "text": "Text"}

_PARTS = frozenset({"AUDIENCES_TABLE", "NOTIFICATIONS_TABLE"})
"""What a request wrote of which it then could not make the thing that names it."""


def _an_open_audience() -> Names:
    audience = audiences.create("all", OPERATOR, START)
    for number, users in ((1, [ANNA, BEN, CARL]), (3, [CARL, EVA])):
        audience_parts.put_part(audience.id, number, [UUID(user).bytes for user in users], OPERATOR, START)
    return {"audience": audience.id}


def _an_audience() -> Names:
    names = _an_open_audience()
    audience_parts.complete(names["audience"], OPERATOR, START)
    return names


def _a_frequency() -> Names:
    wanted = frequencies.Wanted(
        timing={"period": 60}, content=Content("mail", "Title", "Text"), users=[UUID(ANNA), UUID(BEN)]
    )
    frequencies.create("news", wanted, OPERATOR, START)
    return _an_audience()


def _a_notification() -> Names:
    asked = submission([ANNA, BEN, CARL])
    return {"notification": submit(asked, OPERATOR, START).notification.id}


def _a_scheduled_notification() -> Names:
    asked = submission([ANNA, BEN, CARL], send_at=later(START, HOUR))
    return {"notification": submit(asked, OPERATOR, START).notification.id}


def _a_failed_recipient() -> Names:
    """Long ago, and with a letter that says so."""
    long_ago = later(START, -3600)
    accepted = submit(submission([ANNA, BEN, CARL]), OPERATOR, long_ago)
    dispatch = accepted.dispatch
    failed = [NotQueued(0, ANNA, Status.FAILED, "smtp 552"), NotQueued(1, BEN, Status.FAILED, "smtp 552")]
    record_not_queued(dispatch, 0, failed, (), lambda: long_ago)
    return {"notification": accepted.notification.id}


REQUESTS: tuple[Request, ...] = (
    Request("log in", "POST", "/api/v1/user_token", body={"username": "anna", "password": PASSWORD}),
    Request(
        "change the password",
        "POST",
        "/api/v1/user_password",
        body={"username": "anna", "password": PASSWORD, "new_password": "battery staple correct horse"},
        status=204,
        repeats_with=frozenset({401}),  # it is changed already
    ),
    Request(
        "register an application",
        "POST",
        "/api/v1/applications",
        body={"slug": "crm"},
        status=201,
        repeats_with=frozenset({409}),  # it is there; a rotation gives a password that is known
    ),
    Request(
        "rotate a password",
        "POST",
        "/api/v1/applications/{slug}/rotate",
        path={"slug": "crm"},
        body={"keep_old_hours": 1},
        prepare=_an_application,
    ),
    Request(
        "disable an application",
        "PATCH",
        "/api/v1/applications/{slug}",
        path={"slug": "crm"},
        body={"is_active": False, "scopes": ["send"]},
        prepare=_an_application,
    ),
    Request(
        "make an administrator",
        "POST",
        "/api/v1/administrators",
        body={"login": "olga", "role": "viewer"},
        status=201,
        repeats_with=frozenset({409}),  # they are there; a new password is one that is known
    ),
    Request(
        "change and disable an administrator",
        "PATCH",
        "/api/v1/administrators/{login}",
        path={"login": "olga"},
        body={"role": "sender", "is_active": False},
        prepare=_an_administrator,
    ),
    Request(
        "give an administrator a new password",
        "POST",
        "/api/v1/administrators/{login}/password",
        path={"login": "olga"},
        prepare=_an_administrator,
    ),
    Request(
        "log an administrator out",
        "POST",
        "/api/v1/administrators/{login}/end_sessions",
        path={"login": "olga"},
        status=204,
        prepare=_an_administrator,
    ),
    _telegram("a chat is connected", _a_link, message={"text": "/start <start>"}),
    _telegram("a chat is started again", _in_a_chat, message={"text": "/start"}),
    _telegram("a chat is stopped", _in_a_chat, "unsubscribes", message={"text": "/stop"}),
    _telegram("a chat of nobody is stopped", dict, message={"text": "/stop"}),
    _telegram("a bot is blocked", dict, my_chat_member={"new_chat_member": {"status": "kicked"}}),
    _telegram("a bot is let in", _in_a_chat, my_chat_member={"new_chat_member": {"status": "member"}}),
    Request("unsubscribe", "POST", "/api/v1/unsubscribes", body={"user_id": BEN}, status=201),
    Request(
        "unsubscribe from a channel",
        "POST",
        "/api/v1/unsubscribes",
        body={"user_id": BEN, "channel": "mail"},
        status=201,
    ),
    Request(
        "subscribe again",
        "DELETE",
        "/api/v1/unsubscribes/{user_id}",
        path={"user_id": ANNA},
        prepare=_an_unsubscribe,
        status=204,
    ),
    Request(
        "subscribe again to a channel",
        "DELETE",
        "/api/v1/unsubscribes/{user_id}",
        path={"user_id": ANNA},
        query="channel=mail",
        prepare=_an_unsubscribe,
        status=204,
    ),
    Request(
        "put a contact",
        "PUT",
        "/api/v1/contacts/{user_id}",
        path={"user_id": BEN},
        body={"email": "ben@example.com", "name": "Ben"},
    ),
    Request(
        "delete a contact",
        "DELETE",
        "/api/v1/contacts/{user_id}",
        path={"user_id": BEN},
        status=204,
    ),
    Request(
        "import contacts",
        "POST",
        "/api/v1/contacts/import",
        content_type="text/csv",
        body="user_id,email\n" + "".join(f"{user_id(n)},user-{n}@example.com\n" for n in range(100, 130)),
    ),
    Request(
        "make an audience",
        "POST",
        "/api/v1/audiences",
        body={"name": "all"},
        status=201,
        leaves=_PARTS,
    ),
    Request(
        "put a part of an audience",
        "PUT",
        "/api/v1/audiences/{audience_id}/parts/{number}",
        path={"audience_id": "audience", "number": "2"},
        body={"users": [BEN, CARL, DORA]},
        prepare=_an_open_audience,
    ),
    Request(
        "complete an audience",
        "POST",
        "/api/v1/audiences/{audience_id}/complete",
        path={"audience_id": "audience"},
        prepare=_an_open_audience,
    ),
    Request(
        "delete an audience",
        "DELETE",
        "/api/v1/audiences/{audience_id}",
        path={"audience_id": "audience"},
        prepare=_an_audience,
        status=204,
        repeats_with=frozenset({404}),  # it is gone already
    ),
    Request(
        "send to an audience",
        "POST",
        "/api/v1/notifications",
        body={"type": "mail", "title": "Title", "text": "Text", "audience_id": "<audience>"},
        prepare=_an_audience,
        status=201,
    ),
    *(
        Request(
            name,
            "POST",
            "/api/v1/notifications",
            body={**_MAIL, "users": [ANNA, BEN, CARL], "send_at": iso(later(START, seconds))},
            reaches=reaches,
            status=201,
        )
        for name, seconds, reaches in (("send at a time", HOUR, ""), ("send soon", SOON, "hand_over._send"))
    ),
    *(
        Request(
            name,
            "PATCH",
            "/api/v1/notifications/{notification_id}",
            path={"notification_id": "notification"},
            body=body,
            prepare=_a_scheduled_notification,
            reaches=reaches,
        )
        for name, body, reaches in (
            ("put off", {"send_at": iso(later(START, 2 * HOUR))}, "put_off_to"),
            ("send earlier", {"send_at": iso(later(START, SOON))}, "hand_over._send"),
            ("say something else", {"title": "Another", "text": "Other text"}, "set_content"),
            (
                "put off, and say something else",
                {"title": "Another", "send_at": iso(later(START, 2 * HOUR))},
                "set_content",
            ),
        )
    ),
    Request(
        "cancel what is not due yet",
        "POST",
        "/api/v1/notifications/{notification_id}/cancel",
        path={"notification_id": "notification"},
        prepare=_a_scheduled_notification,
    ),
    Request(
        "make a frequency",
        "POST",
        "/api/v1/notification_frequencies",
        body={
            "slug": "news",
            "period": 120,
            "notification": {"type": "mail", "title": "Title", "text": "Text"},
            "users": [ANNA, BEN, CARL],
        },
        status=201,
        repeats_with=frozenset({409}),  # it is there already
        leaves=_PARTS,
        reaches="tick._send",
    ),
    Request(
        "change what a frequency sends",
        "PATCH",
        "/api/v1/notification_frequencies/{slug}",
        path={"slug": "news"},
        body={"notification": {**_MAIL, "title": "Another"}},
        prepare=_a_frequency,
        leaves=_PARTS,
        reaches="tick._send",
    ),
    Request(
        "change a frequency",
        "PATCH",
        "/api/v1/notification_frequencies/{slug}",
        path={"slug": "news"},
        body={
            "cron": "30 9 * * *",
            "time_zone": "Europe/Moscow",
            "period": None,
            "notification": {"type": "mail", "title": "Another", "text": "Text"},
            "audience_id": "<audience>",
        },
        prepare=_a_frequency,
        leaves=_PARTS,
    ),
    Request(
        "pause a frequency",
        "PATCH",
        "/api/v1/notification_frequencies/{slug}",
        path={"slug": "news"},
        body={"is_paused": True},
        prepare=_a_frequency,
    ),
    Request(
        "delete a frequency",
        "DELETE",
        "/api/v1/notification_frequencies/{slug}",
        path={"slug": "news"},
        prepare=_a_frequency,
        status=204,
        repeats_with=frozenset({404}),
    ),
    Request(
        "cancel a notification",
        "POST",
        "/api/v1/notifications/{notification_id}/cancel",
        path={"notification_id": "notification"},
        prepare=_a_notification,
    ),
    Request(
        "send again who failed",
        "POST",
        "/api/v1/notifications/{notification_id}/send_again",
        path={"notification_id": "notification"},
        body={},
        prepare=_a_failed_recipient,
        tells_later=frozenset({"PROGRESS_TABLE"}),
    ),
    Request(
        "erase a user",
        "DELETE",
        "/api/v1/users/{user_id}",
        path={"user_id": ANNA},
        prepare=_a_failed_recipient,
    ),
)

_VOLATILE = frozenset(
    {
        "used",
        "window",
        "tries",
        "failed",
        "expires_at",
        "last_used_at",
        "sessions",
        "version",
        "eras",
        "listed",
        "pending",
    }
)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T[0-9:.]+Z?")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_MARK = re.compile(r"news \d+ [0-9a-f]{8}")
_HASH = re.compile(r"\$argon2id\$\S+|[0-9a-f]{16,64}")


def what_stands(row: Mapping[str, Any]) -> str:
    """An item, but for times, made-up ids, hashes and counts that may be one more (a log-in by a password
    that has been changed already is a failed one).

    And but for the pending mark: what holds a dispatch that did not reach the queue is shown elsewhere.
    """
    kept = {name: str(value) for name, value in sorted(row.items()) if name not in _VOLATILE}
    text = json.dumps(kept)
    for pattern, word in ((_TIME, "time"), (_ID, "id"), (_MARK, "mark"), (_HASH, "hash")):
        text = pattern.sub(word, text)
    # A use of an audience that was marked by what then broke off counts for a minute, and does no harm.
    text = text.replace("'mark', 'mark'", "'mark'")
    # What a client has named is told as it is.
    return text + f" at {row['send_at']}, due at {row['due_at']}" if "send_at" in row else text
