"""What the OpenAPI schema says in words, and what all operations have in common."""

from http import HTTPStatus
from typing import Any

from chalicelib.api.examples import BY_FORMAT, USER
from chalicelib.api.problems import CONTENT_TYPE, RETRY_AFTER_SECONDS
from chalicelib.services.rights import Access, Scope

DESCRIPTION = """\
Vestnik sends notifications for other programs: post one with the ids of the people who should get it.

* A path may go without its last slash.
* Times are UTC, ISO 8601 with milliseconds. Ids are UUIDs, with or without dashes where you send them.
* Errors are `application/problem+json` (RFC 9457), with the field and the reason where a field is wrong.
* Lists are read page by page: `next` of an answer is the `cursor` of the next request, null at the end.
* Fields that are not known are ignored, unless a schema says otherwise. Answers may get further fields.
* Every answer has an `X-Request-Id`: name it when something is wrong.
"""

TAGS = {
    "notifications": "Say something to people, and see what became of it.",
    "users notifications": "What a user has been sent, for that user.",
    "unsubscribes": "What users refuse: everything, or a channel.",
    "templates": "What is said again and again: files, in each language and for each channel.",
    "audiences": "Users who are sent to more than once, or who are too many for one request.",
    "notification frequencies": "What is sent again and again.",
    "contacts": "The embedded user directory: where people are reached.",
    "webhooks": "By what receivers check what is posted to them.",
    "suppressions": "Addresses that nothing is sent to any more, and how they are sent to again.",
    "users": "All that is kept about one user, exported or erased.",
    "telegram": "The bot of Telegram: chats are connected with users.",
    "tokens": "Administrators log in.",
    "applications": "The programs that may use the API, and what each may do.",
    "administrators": "The people who may use the API and its panel, and their roles.",
    "audit": "Who changed what, when, and from what to what.",
    "system": "Whether it lives.",
}

PATH_PARAMETERS = {
    "notification_id": ("The id of a notification, as it was answered when it was made", BY_FORMAT["uuid"]),
    "user_id": ("The id of a user: a UUID, with or without dashes", USER),
    "slug": ("Its name", "shop"),
    "login": ("The login of an administrator", "olga"),
    "suppression_id": ("The id of a suppression, as a list has it", "5f1d3c2b7a9e4d6c8b0a1f2e3d4c5b6a"),
    "audience_id": ("The id of an audience, as it was answered when it was made", BY_FORMAT["uuid"]),
    "name": ("The name of a template", "order_shipped"),
    "number": ("The number of a part: 1, 2, …", 1),
    "token": (
        "The signed part of a link that stood in a mail",
        "7_vVf1qDZZu4ZWqpNuoPKA4cmguNYkWZhHmVPGAwjXhtYWls",
    ),
}
"""Of each: what it is, and an example."""

UPLOADS: dict[str, dict[str, str]] = {
    "put_audience_part": {"text/csv": f"user_id\n{USER}\n", "text/plain": f"{USER}\n"},
    "import_contacts": {
        "text/csv": f"user_id,email,name,locale\n{USER},anna@example.com,Anna,en\n",
        "application/x-ndjson": f'{{"user_id": "{USER}", "email": "anna@example.com", "name": "Anna"}}\n',
    },
}
"""An example of each body that is not JSON, by the name of its operation."""

_ADMINISTRATOR: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}]
_USER: list[dict[str, list[str]]] = [{"user": []}]


def _application(scope: Scope) -> list[dict[str, list[str]]]:
    return [*_ADMINISTRATOR, {"application": [scope.value]}]


SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.ANYONE: [],
    Access.SEND: _application(Scope.SEND),
    Access.READ: _application(Scope.READ),
    Access.MANAGE: _application(Scope.MANAGE),
    Access.ADMINISTRATOR: _ADMINISTRATOR,
    Access.USER: _USER,
    Access.USER_OR_MANAGER: [*_application(Scope.MANAGE), *_USER],
}

SECURITY_SCHEMES = {
    "basic": {"type": "http", "scheme": "basic", "description": "An administrator's login and password"},
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An administrator's access token, as `POST /api/v1/user_token/` gives it",
    },
    "application": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "An application's name and password, with a space between them: `shop PASSWORD`",
    },
    "user": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A user's token of the users service, alone: without a scheme before it",
    },
}

_LIMITS = "https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/"


def _header(description: str, kind: str, example: object, *, required: bool = False) -> dict[str, Any]:
    return {
        "description": description,
        "required": required,
        "schema": {"type": kind},
        "example": example,
    }


HEADERS = {
    "X-Request-Id": _header(
        "Under which the request was logged", "string", "f0c1b2d6-8f0e-4e43-9d5d-0a1f3a0c8d7e", required=True
    ),
    "X-Correlation-Id": _header(
        "The notification that the request was about, else the request's own id; all is logged under it",
        "string", "0190b3c4-5d6e-7f80-9a1b-2c3d4e5f6a7b", required=True,
    ),
    "RateLimit-Policy": _header(
        f"To an application: how many requests it may make in how many seconds ({_LIMITS})",
        "string",
        '"application";q=600;w=60',
    ),
    "RateLimit": _header(
        "To an application: how many of them are left, and for how many seconds", "string",
        '"application";r=599;t=42',
    ),
    "Retry-After": _header(
        "After how many seconds to come again", "integer", RETRY_AFTER_SECONDS, required=True
    ),
    "WWW-Authenticate": _header(
        "How to say who you are", "string", 'Basic realm="vestnik", Bearer realm="vestnik"', required=True
    ),
}  # fmt: skip

PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "The body is not JSON: EOF while parsing an object at line 1 column 1",
    HTTPStatus.UNAUTHORIZED: "unknown application or wrong password",
    HTTPStatus.FORBIDDEN: f"this is for {Access.SEND.value}",
    HTTPStatus.NOT_FOUND: "there is no such notification",
    HTTPStatus.CONFLICT: "there is an application 'shop' already",
    HTTPStatus.PRECONDITION_FAILED: "the frequency has the version 5 by now",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body has 5000000 bytes; at most 4400000 are taken.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body must be application/json, not 'text/plain'.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The body was not accepted.",
    HTTPStatus.TOO_MANY_REQUESTS: "600 requests a minute are used up",
    HTTPStatus.SERVICE_UNAVAILABLE: "A part of the service is out of reach; try again.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "This is our fault; it has been logged.",
}
"""What an answer of each status says, for instance."""

_FIELD_ERRORS = {
    HTTPStatus.UNPROCESSABLE_ENTITY: [{"field": "users.3", "reason": "Input should be a valid UUID"}]
}


def response_name(status: HTTPStatus) -> str:
    """The name of an error's answer among the components."""
    return status.phrase.title().replace(" ", "")


def problem_response(status: HTTPStatus, schema: dict[str, Any]) -> dict[str, Any]:
    """The answer with an error of this status."""
    names = ["X-Request-Id", "X-Correlation-Id"]
    if status is HTTPStatus.UNAUTHORIZED:
        names.append("WWW-Authenticate")
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        names.append("Retry-After")
    example = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": PROBLEMS.get(status, ""),
        "errors": _FIELD_ERRORS.get(status, []),
    }
    return {
        "description": status.phrase,
        "headers": header_references(*names),
        "content": {CONTENT_TYPE: {"schema": schema, "example": example}},
    }


def header_references(*names: str) -> dict[str, Any]:
    """These headers, as an answer refers to them."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
