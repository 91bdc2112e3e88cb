"""A right request for every operation of the schema, with all that has to be there before it.

Bodies and paths are the schema's own examples; only what an example cannot know is said here.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from chalicelib import security, settings
from chalicelib.api import openapi
from chalicelib.api.examples import USER
from chalicelib.api.resources import ENDPOINTS
from chalicelib.domain.times import iso, later, utc_now
from chalicelib.services import (
    administrators,
    applications,
    audience_parts,
    audiences,
    contacts,
    frequencies,
    submit,
)
from chalicelib.services.content import Content
from chalicelib.services.errors import AlreadyThereError
from chalicelib.services.frequencies import Wanted
from chalicelib.services.rights import Principal
from chalicelib.tables.principals import Administrator
from chalicelib.tables.suppressions import suppress, suppression_id
from tests.support import telegram
from tests.support.factories import submission

SCHEMA = openapi.document(ENDPOINTS)
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
}
"""What the API can do: "GET /api/v1/health/" -> its operation in the schema."""

LOGIN, PASSWORD = "anna", "correct horse battery staple"
"""Of the schema's examples."""


@dataclass(frozen=True)
class ExampleRequest:
    """What is sent, and with which status it is answered if all is right."""

    method: str
    path: str
    content_type: str | None
    body: bytes
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


def example_request(name: str, owner: Principal) -> ExampleRequest:
    """A right request; what its path names was made by the owner just now, where it belongs to somebody."""
    method, path = name.split(" ")
    operation = OPERATIONS.get(name, {})
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            (tag,) = operation["tags"]
            kinds = ((each, parameter["name"]) for each in (name, tag, ""))
            make = next((MADE[kind] for kind in kinds if kind in MADE), None)
            assert make is not None, f"example_requests.MADE: what is a {parameter['name']} of {tag}?"
            path = path.replace(f"{{{parameter['name']}}}", make(owner))
    needed = {
        each["name"]: each["schema"]["examples"][0]
        for each in operation.get("parameters", [])
        if each["in"] == "query" and each["required"]
    }
    path += f"?{urlencode(needed)}" if needed else ""
    content_type, body = _body(name, operation)
    status = next(iter(operation.get("responses", {"200": {}})))
    return ExampleRequest(method, path, content_type, body, int(status), HEADERS.get(name, {}))


def _body(name: str, operation: dict[str, Any]) -> tuple[str | None, bytes]:
    contents = operation.get("requestBody", {}).get("content", {})
    for content_type, content in contents.items():
        example = content["example"]
        if not isinstance(example, dict):
            return content_type, str(example).encode()
        if name in CHANGED:
            example = {**example, **CHANGED[name]()}
        return content_type, json.dumps(example).encode()
    return None, b""


def _notification(owner: Principal) -> str:
    return submit.submit(submission([USER]), owner, utc_now()).notification.id


def _scheduled(owner: Principal) -> str:
    asked = submission([USER], send_at=later(utc_now(), 3600))
    return submit.submit(asked, owner, utc_now()).notification.id


def _application(_: Principal) -> str:
    slug = _unused("shop")
    applications.register_application(slug, utc_now())
    return slug


def _administrator(_: Principal) -> str:
    login = _unused("olga")
    administrators.create_administrator(login, utc_now(), PASSWORD)
    return login


def _contact(_: Principal) -> str:
    contacts.put_contact({"user_id": UUID(USER), "email": "anna@example.com"})
    return USER


def _link(_: Principal) -> str:
    secret = security.read_secret(settings.current().link_secret)
    return security.sign_unsubscribe_link(secret, str(uuid.uuid4()), "mail")


def _audience(owner: Principal) -> str:
    now = utc_now()
    audience = audiences.create(None, owner, now)
    audience_parts.put_part(audience.id, 1, [UUID(USER).bytes], owner, now)
    return audience.id


def _frequency(owner: Principal) -> str:
    content = Content("mail", "Title", "Text", False, None)
    slug = _unused("news")
    frequencies.create(
        slug, Wanted(timing={"period": 3600}, content=content, users=[UUID(USER)]), owner, utc_now()
    )
    return slug


def _suppression(_: Principal) -> str:
    suppress("mail", "anna@example.com", "bounced: 550 5.1.1 user unknown", utc_now())
    return suppression_id("mail", "anna@example.com")


MADE: dict[tuple[str, str], Callable[[Principal], str]] = {
    ("", "user_id"): lambda _: USER,
    ("", "number"): lambda _: "1",
    ("", "notification_id"): _notification,
    ("", "audience_id"): _audience,
    ("PATCH /api/v1/notifications/{notification_id}/", "notification_id"): _scheduled,
    ("", "token"): _link,
    ("applications", "slug"): _application,
    ("administrators", "login"): _administrator,
    ("notification frequencies", "slug"): _frequency,
    ("contacts", "user_id"): _contact,
    ("templates", "name"): lambda _: "order_shipped",
    ("suppressions", "suppression_id"): _suppression,
    ("users", "user_id"): lambda _: str(uuid.uuid4()),
}
"""What a path names, by the operation or its tag (where it matters) and the parameter."""


def _unused(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def _is_known() -> dict[str, Any]:
    now = utc_now()
    try:
        administrators.create_administrator(LOGIN, now, PASSWORD)
    except AlreadyThereError:
        administrators.change_password(LOGIN, PASSWORD)
    return {}


def _refresh_token() -> dict[str, Any]:
    _is_known()
    row = Administrator.one(LOGIN, consistent=True)
    assert row is not None
    return {"refresh": administrators.issue_tokens(row, utc_now()).refresh}


HEADERS = {"POST /api/v1/telegram/webhook/": {"X-Telegram-Bot-Api-Secret-Token": telegram.WEBHOOK_TOKEN}}
"""What an operation asks for in a header, beside who it is."""

CHANGED: dict[str, Callable[[], dict[str, Any]]] = {
    "POST /api/v1/user_token/": _is_known,
    "POST /api/v1/user_password/": _is_known,
    "POST /api/v1/user_token/refresh/": _refresh_token,
    "POST /api/v1/applications/": lambda: {"slug": _unused("shop")},
    "POST /api/v1/administrators/": lambda: {"login": _unused("olga")},
    "PATCH /api/v1/notifications/{notification_id}/": lambda: {"send_at": iso(later(utc_now(), 7200))},
    "POST /api/v1/notification_frequencies/": lambda: {"slug": _unused("news")},
}
"""What is different from the example of a body, and what it needs to be right."""
