"""Requests that write, other than to send: who asks for what, on which state, and what may be answered.

Each is one request of a client, who sends it again after a 503 or no answer at all.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chalicelib.services.administrators import create_administrator, issue_token
from chalicelib.services.applications import register_application
from chalicelib.services.rights import Scope
from chalicelib.tables.unsubscribes import add_scope
from tests.faults.scenarios import ANNA, BEN
from tests.support.factories import START

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
    prepare: Callable[[], Names] = dict
    repeats_with: frozenset[int] = frozenset()
    """What the client may be answered who asks again after no answer, beside what was to be answered."""
    leaves: frozenset[str] = frozenset()
    """Tables in which a request that broke off may leave what nothing names, and expires."""
    status: int = 200

    def event(self, authorization: str, names: Names) -> dict[str, Any]:
        """What API Gateway passes to the function."""
        path = {name: names.get(value, value) for name, value in self.path.items()}
        body = json.dumps(self.body) if self.content_type == "application/json" else self.body
        for name, value in names.items():
            body = body.replace(f"<{name}>", value) if body else body
        return {
            "httpMethod": self.method,
            "headers": {"Content-Type": self.content_type, "Authorization": authorization},
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


def _an_unsubscribe() -> Names:
    add_scope(ANNA, "mail", START)
    add_scope(ANNA, "*", START)
    return {}


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
)

_VOLATILE = frozenset({"used", "window", "tries", "expires_at", "last_used_at"})
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T[0-9:.]+Z?")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_HASH = re.compile(r"\$argon2id\$\S+|[0-9a-f]{32,64}")


def what_stands(row: Mapping[str, Any]) -> str:
    """An item, but for times, made-up ids, hashes and counts that may be one more."""
    kept = {name: str(value) for name, value in sorted(row.items()) if name not in _VOLATILE}
    text = json.dumps(kept)
    for pattern, word in ((_TIME, "time"), (_ID, "id"), (_HASH, "hash")):
        text = pattern.sub(word, text)
    return text
