"""From a request to the panel to its answer: who it is, whether they may, and what came up."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from chalice.app import Chalice, Request, Response
from pydantic import ValidationError

from chalicelib import settings
from chalicelib.admin import cookies, links, words
from chalicelib.admin.bodies import NotTakenError, read_body
from chalicelib.admin.declaring import Section, View
from chalicelib.admin.visits import Visit
from chalicelib.api.problems import REFUSALS, may_pass
from chalicelib.domain.times import utc_now
from chalicelib.observability import SERVER_ERRORS, about, logger, measure
from chalicelib.services import audit
from chalicelib.services.cursors import MAX_CURSOR_LENGTH
from chalicelib.services.errors import (
    ForbiddenError,
    InvalidFieldError,
    NotAuthenticatedError,
    NotFoundError,
    OutsideUnavailableError,
    RefusedError,
    TooManyRequestsError,
)
from chalicelib.services.rights import check
from chalicelib.services.sessions import read_session, renew

MAX_QUERY = {"cursor": MAX_CURSOR_LENGTH, "author": 100}
"""So long may be what becomes a part of a table's keys, as in the API."""
BY_ITSELF_HEADER = "x-by-itself"
ONE_YEAR = 365 * 86_400


def register(app: Chalice, section: Section, view: View) -> None:
    """Put a view on the app."""

    def answer_view(**path: str) -> Response:
        assert app.current_request is not None
        return answer(section, view, app.current_request, path)

    route = app.route(
        f"/{links.PANEL}{view.path}", methods=[view.method], content_types=["*/*"], name=view.name
    )
    route(answer_view)


def answer(section: Section, view: View, request: Request, path: dict[str, str]) -> Response:
    """Work a request; whatever comes of it is a page."""
    context = request.context or {}
    request_id = str(context.get("requestId") or uuid4())
    # (What is followed within, a notification that is made, is no longer named after it.)
    with about(request_id=request_id, notification=None):
        visit = _visit(section, view, request)
        response = _answer(view, visit, request, path, request_id)
        status = int(response.status_code)
        errors = {SERVER_ERRORS: 1} if status >= HTTPStatus.INTERNAL_SERVER_ERROR else {}
        measure("request", errors, endpoint=view.name, status=status)
    headers: dict[str, Any] = {**response.headers, "X-Request-Id": request_id}
    if cookies.is_secure():
        headers["Strict-Transport-Security"] = f"max-age={ONE_YEAR}"
    if visit.cookies:
        headers["Set-Cookie"] = visit.cookies
    response.headers = headers
    return response


def errors_by_field(visit: Visit, error: RefusedError | ValidationError) -> dict[str, str]:
    """What is wrong with a form, in the visitor's language; the field "" is the whole of it."""
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return {
            ".".join(map(str, each["loc"])): words.reason_in(
                visit.language, each["msg"].removeprefix("Value error, ")
            )
            for each in found
        }
    if isinstance(error, InvalidFieldError):
        return {error.field: words.reason_in(visit.language, error.reason)}
    return {"": words.reason_in(visit.language, str(error))}


def _visit(section: Section, view: View, request: Request) -> Visit:
    context = request.context or {}
    sent = cookies.read_cookies(request)
    asked = _asked_path(request)
    path = section.page_of(view)
    for name, value in (request.uri_params or {}).items():
        path = path and path.replace(f"{{{name}}}", value)
    login_csrf = sent.get(cookies.login_form_cookie_name(), "")
    around = request.headers.get("hx-current-url")
    root = links.root_of_part(request.path, asked, around) if around else None
    return Visit(
        now=utc_now(),
        root=root or links.root_from(request.path, asked),
        path=None if path is None else f"/{links.PANEL}{path}",
        is_answer=view.method == "POST",
        language=words.chosen(
            sent.get(cookies.LANGUAGE),
            request.headers.get("accept-language"),
            settings.current().default_locale,
        ),
        zone=_zone(sent.get(cookies.ZONE)),
        section=section.name,
        source=str((context.get("identity") or {}).get("sourceIp") or "unknown"),
        query=dict(request.query_params or {}),
        is_fragment=request.headers.get("hx-request") == "true",
        login_csrf=login_csrf,
    )


def _asked_path(request: Request) -> str:
    """What was asked for, with whatever stands before the route."""
    return str((request.context or {}).get("path") or request.path)


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(unquote(name or "UTC"))
    except (ValueError, OSError, LookupError):
        return ZoneInfo("UTC")


def _answer(view: View, visit: Visit, request: Request, path: dict[str, str], request_id: str) -> Response:
    try:
        _know(view, visit, request)
        if visit.session is not None:
            check(view.access, visit.session.principal)
        who = visit.session.principal.author if visit.session else "nobody"
        for name, most in MAX_QUERY.items():
            if len(visit.query.get(name, "")) > most:
                raise InvalidFieldError(name, f"must have at most {most} characters")
        with audit.acting(who, audit.Via.PANEL, request_id):
            arguments = _path_arguments(view, path)
            if view.method == "POST":
                read_body(view, visit, request)
                return _act(view, visit, arguments)
            return view.handler(visit, **arguments)
    except NotAuthenticatedError:
        return _to_log_in(visit, request)
    except NotTakenError as error:
        return problem(visit, error.status, error.text)
    except tuple(REFUSALS) as error:
        return _refused(visit, error)
    except OutsideUnavailableError as error:
        logger.exception("outside service unavailable", extra={"endpoint": view.name})
        return problem(visit, HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except Exception as error:
        if may_pass(error):
            logger.exception("outage", extra={"endpoint": view.name})
            said = visit.say("Part of the service is unavailable. Please try again in a moment.")
            return problem(visit, HTTPStatus.SERVICE_UNAVAILABLE, said)
        logger.exception("internal error", extra={"endpoint": view.name})
        said = visit.say("This is our fault; it has been logged.")
        return problem(visit, HTTPStatus.INTERNAL_SERVER_ERROR, said)


def problem(visit: Visit, status: HTTPStatus, text: str) -> Response:
    """The page that says what went wrong."""
    visit.errors = {}
    template = "problem_part.html" if visit.is_fragment else "problem.html"
    return visit.show(template, status, problem=text, code=status)


def _know(view: View, visit: Visit, request: Request) -> None:
    """Find out who asks; NotAuthenticatedError where somebody has to be logged in and is not."""
    token = cookies.read_cookies(request).get(cookies.session_cookie_name())
    try:
        if not token:
            raise NotAuthenticatedError("there is no session")
        visit.session = read_session(token, visit.now)
    except NotAuthenticatedError:
        if not view.is_open:
            raise
        return
    # What a page asks for by itself, again and again, is nobody who is there.
    is_by_itself = view.method == "GET" and BY_ITSELF_HEADER in request.headers
    if not is_by_itself and (renewed := renew(visit.session, visit.now)) is not None:
        cookies.set_session(visit, renewed)


def _act(view: View, visit: Visit, arguments: Mapping[str, Any]) -> Response:
    try:
        return view.handler(visit, **arguments)
    except (RefusedError, ValidationError) as error:
        if view.again is None and isinstance(error, ValidationError):
            return _wrong(visit, errors_by_field(visit, error))
        if view.again is None or isinstance(error, NotFoundError | ForbiddenError | NotAuthenticatedError):
            raise
        visit.errors = errors_by_field(visit, error)
        response = view.again(visit, **arguments)
        if response.status_code < HTTPStatus.BAD_REQUEST and not response.body:
            # It leads elsewhere, where nobody would know of it.
            response = _wrong(visit, visit.errors)
        if isinstance(error, RefusedError):
            response.status_code = REFUSALS.get(type(error), HTTPStatus.UNPROCESSABLE_ENTITY)
        if isinstance(error, TooManyRequestsError):
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response


def _wrong(visit: Visit, errors: Mapping[str, str]) -> Response:
    """The page that says what is wrong with a form that no page shows again."""
    said = "; ".join(": ".join(filter(None, pair)) for pair in errors.items())
    return problem(visit, HTTPStatus.UNPROCESSABLE_ENTITY, said)


def _refused(visit: Visit, error: Exception) -> Response:
    reason = error.reason if isinstance(error, InvalidFieldError) else str(error)
    response = problem(visit, REFUSALS[type(error)], words.reason_in(visit.language, reason))
    if isinstance(error, TooManyRequestsError):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _to_log_in(visit: Visit, request: Request) -> Response:
    """Somebody has to log in first; then they go on where they were, or wanted to."""
    had_session = bool(cookies.read_cookies(request).get(cookies.session_cookie_name()))
    response = visit.go("login", next=_page_of(visit, request), done="session-ended" if had_session else None)
    if visit.is_fragment:
        response.status_code = HTTPStatus.UNAUTHORIZED
    return response


def _page_of(visit: Visit, request: Request) -> str | None:
    """What somebody looks at, as an address within the panel."""
    if visit.is_fragment:
        around = request.headers.get("hx-current-url") or ""
        return links.page_around(request.path, _asked_path(request), around)
    return links.here(visit.path, visit.query) if visit.path else None


def _path_arguments(view: View, path: Mapping[str, str]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, hint in view.path_parameters.items():
        try:
            arguments[name] = UUID(path[name]) if hint is UUID else path[name]
        except ValueError as error:
            raise NotFoundError("there is no such page") from error
    return arguments
