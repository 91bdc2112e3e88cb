"""Requests: from their form to the handler's answer, or to the problem that came up."""

import uuid
from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from http import HTTPStatus
from typing import Any, cast

from chalice.app import Chalice, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from chalicelib.api import cors
from chalicelib.api.endpoints import JSON, MAX_BODY_BYTES, Caller, Endpoint, Page, Upload
from chalicelib.api.problems import REFUSALS, HttpError, invalid, may_pass, problem, refusal
from chalicelib.domain.times import utc_now
from chalicelib.observability import SERVER_ERRORS, about, correlated, logger, measure
from chalicelib.services import audit
from chalicelib.services.authentication import Authenticated, authenticate
from chalicelib.services.errors import OutsideUnavailableError, TooManyRequestsError
from chalicelib.services.rate_limits import WINDOW_SECONDS, Allowance
from chalicelib.services.rights import Access, check

PAGE_HEADERS: dict[str, str | list[str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

Headers = dict[str, str | list[str]]

NOBODY = "nobody"
"""Who acts by an endpoint that is open to everybody, as far as it does not say itself."""

NOTIFICATION = "notification_id"
"""The part of a path that names a notification."""


def register(app: Chalice, endpoint: Endpoint) -> None:
    """Put an endpoint on the app."""

    def view(**path: str) -> Response:
        assert app.current_request is not None
        return answer(endpoint, app.current_request, path)

    # We look at the content type ourselves: Chalice's own 415 is not a problem+json.
    route = app.route(endpoint.path, methods=[endpoint.method], content_types=["*/*"], name=endpoint.name)
    route(view)


def answer(endpoint: Endpoint, request: Request, path: dict[str, str]) -> Response:
    """Work a request; whatever comes of it, the answer has the ids under which it was logged.

    Its correlation id is the notification that it is about, else the request's own.
    """
    caller = caller_of(request)
    headers: Headers = {"X-Request-Id": caller.request_id, **cors.headers(request.headers.get("origin"))}
    with about(request_id=caller.request_id, notification=_notification_in(path)):
        response = _answer(endpoint, request, path, caller, headers)
        status, correlation_id = int(response.status_code), correlated() or caller.request_id
        # Each request leaves a line, by whose id a client can ask. (And the emulator holds back the answer of
        # an invocation that says nothing.)
        errors = {SERVER_ERRORS: 1} if status >= HTTPStatus.INTERNAL_SERVER_ERROR else {}
        measure("request", errors, endpoint=endpoint.name, status=status)
    response.headers = {**headers, "X-Correlation-Id": correlation_id, **response.headers}
    return response


def _notification_in(path: dict[str, str]) -> str | None:
    """The notification that a path names, in the form of ids; what is none is not logged as one."""
    try:
        return str(uuid.UUID(path[NOTIFICATION]))
    except (KeyError, ValueError):
        return None


def caller_of(request: Request) -> Caller:
    """Where a request came from. What a client says of itself in a header is not believed."""
    context = request.context or {}
    source = (context.get("identity") or {}).get("sourceIp") or "unknown"
    return Caller(str(source), str(context.get("requestId") or uuid.uuid4()))


def _answer(
    endpoint: Endpoint, request: Request, path: dict[str, str], caller: Caller, headers: Headers
) -> Response:
    try:
        arguments: dict[str, Any] = {}
        # First who it is, then what they want: a stranger learns nothing about the form of a body.
        if endpoint.access is not Access.ANYONE:
            known = _authenticated(request, caller, utc_now(), headers)
            check(endpoint.access, known.principal)
            arguments["principal"] = known.principal
        arguments |= {"caller": caller, **_path_arguments(endpoint, path), **_arguments(endpoint, request)}
        wanted = {name: arguments[name] for name in endpoint.parameters}
        who = arguments["principal"].author if "principal" in arguments else NOBODY
        with audit.acting(who, audit.Via.API, caller.request_id):
            return _response(endpoint, endpoint.handler(**wanted))
    except HttpError as error:
        return problem(error.status, error.detail)
    except tuple(REFUSALS) as error:
        return refusal(error)
    except OutsideUnavailableError as error:
        logger.exception("outside service unavailable", extra={"endpoint": endpoint.name})
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except _InvalidError as error:
        return invalid(error.error, error.what)
    except Exception as error:
        if may_pass(error):
            logger.exception("outage", extra={"endpoint": endpoint.name})
            return problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "A part of the service is out of reach; try again."
            )
        logger.exception("internal error", extra={"endpoint": endpoint.name})
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is our fault; it has been logged.")


def _authenticated(request: Request, caller: Caller, now: datetime, headers: Headers) -> Authenticated:
    try:
        known = authenticate(request.headers.get("authorization"), caller.source, now)
    except TooManyRequestsError as error:
        if error.limit:
            headers |= _limit_headers(Allowance(error.limit, 0, error.retry_after_seconds))
        raise
    if known.allowance:
        headers |= _limit_headers(known.allowance)
    return known


def _limit_headers(allowance: Allowance) -> Headers:
    """As draft-ietf-httpapi-ratelimit-headers has them: the policy, and what is left of it."""
    return {
        "RateLimit-Policy": f'"application";q={allowance.limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"application";r={allowance.remaining};t={allowance.reset_seconds}',
    }


class _InvalidError(Exception):
    def __init__(self, error: ValidationError, what: str) -> None:
        super().__init__(str(error))
        self.error, self.what = error, what


def _arguments(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if query := endpoint.model("query"):
        arguments["query"] = _validated("query", query.model_validate, dict(request.query_params or {}))
    if headers := endpoint.model("headers"):
        arguments["headers"] = _validated("header", headers.model_validate, dict(request.headers))
    if endpoint.content_types:
        arguments |= _body_arguments(endpoint, request)
    return arguments


def _body_arguments(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in endpoint.content_types:
        said = f"not {content_type!r}" if content_type else "and say so in Content-Type"
        takes = " or ".join(endpoint.content_types)
        raise HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The body must be {takes}, {said}.")
    data = cast(bytes, request.raw_body)
    if len(data) > MAX_BODY_BYTES:
        raise HttpError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body has {len(data)} bytes; at most {MAX_BODY_BYTES} are taken.",
        )
    body = endpoint.model("body")
    if body and content_type == JSON:
        # Strictly, as the schema says: 0 is no false, and "1" no number.
        return {
            "body": _validated("body", partial(body.model_validate_json, strict=True), data),
            "upload": None,
        }
    return {"body": None, "upload": Upload(content_type, data)}


def _path_arguments(endpoint: Endpoint, path: dict[str, str]) -> dict[str, Any]:
    arguments = {}
    for name, hint in endpoint.path_parameters.items():
        try:
            arguments[name] = _adapter(hint).validate_python(path[name])
        except ValidationError as error:
            raise HttpError(
                HTTPStatus.NOT_FOUND, f"There is no {name.replace('_', ' ')} {path[name]!r}"
            ) from error
    return arguments


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


def _validated(what: str, validate: Callable[[Any], BaseModel], value: Any) -> BaseModel:
    try:
        return validate(value)
    except ValidationError as error:
        raise _InvalidError(error, what) from error


def _response(endpoint: Endpoint, answered: Any) -> Response:
    if isinstance(answered, Page):
        return Response(answered.html, dict(PAGE_HEADERS), endpoint.status)
    headers: Headers = {"Content-Type": JSON, "Cache-Control": "no-store"}
    if answered is None:
        return Response("", {"Cache-Control": "no-store"}, endpoint.status)
    return Response(answered.model_dump_json(), headers, endpoint.status)
