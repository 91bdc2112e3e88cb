"""From a request to the panel to its answer: who it is, whether they may, and what came up."""

import hmac
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from chalice.app import Chalice, Request, Response
from pydantic import ValidationError

from chalicelib import settings
from chalicelib.admin import links, words
from chalicelib.admin.declaring import Section, View
from chalicelib.admin.forms import Form
from chalicelib.admin.visits import Visit
from chalicelib.api.endpoints import MAX_BODY_BYTES
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

FORM = "application/x-www-form-urlencoded"
TEXTS = ("text/csv", "text/plain")
MAX_LOGIN_BYTES = 4_096
LANGUAGE, ZONE, LOGIN_FORM = "vestnik-language", "vestnik-zone", "vestnik-login"
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
MAX_QUERY = {"cursor": MAX_CURSOR_LENGTH, "author": 100}
"""So long may be what becomes a part of a table's keys, as in the API."""
BY_ITSELF_HEADER = "x-by-itself"
ONE_YEAR = 365 * 86_400


class _ProblemError(Exception):
    """What the form of a request is refused with."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


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
        visit = _visit(section, request)
        response = _answer(view, visit, request, path, request_id)
        status = int(response.status_code)
        errors = {SERVER_ERRORS: 1} if status >= HTTPStatus.INTERNAL_SERVER_ERROR else {}
        measure("request", errors, endpoint=view.name, status=status)
    headers: dict[str, Any] = {**response.headers, "X-Request-Id": request_id}
    if is_secure():
        headers["Strict-Transport-Security"] = f"max-age={ONE_YEAR}"
    if visit.cookies:
        headers["Set-Cookie"] = visit.cookies
    response.headers = headers
    return response


def cookie(name: str, value: str, *, lasts: int | None = None, is_ours: bool = True) -> str:
    """A cookie of the panel. One that is ours alone no script can read; with TLS it is sent by nothing else.

    Args:
        lasts: Seconds; None until the browser is closed, 0 takes it away.
    """
    parts = [f"{name}={value}", "Path=/", "SameSite=Lax"]
    if is_ours:
        parts.append("HttpOnly")
    if is_secure():
        parts.append("Secure")
    if lasts is not None:
        parts.append(f"Max-Age={lasts}")
    return "; ".join(parts)


def is_secure() -> bool:
    """Whether the panel is reached by TLS, as the deployment's public address has it."""
    return settings.current().public_url.startswith("https:")


def session_cookie_name() -> str:
    """With TLS a name that browsers give no other host, no other path and no plain connection."""
    return "__Host-vestnik-session" if is_secure() else "vestnik-session"


def login_form_cookie_name() -> str:
    """The same for the token of the form to log in with: a sister domain cannot set it either."""
    return f"__Host-{LOGIN_FORM}" if is_secure() else LOGIN_FORM


def set_session(visit: Visit, token: str) -> None:
    """Have the browser keep a session's token; "" takes it away."""
    lasts = settings.panel().session_hours * 3600 if token else 0
    visit.cookies.append(cookie(session_cookie_name(), token, lasts=lasts))


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


def _visit(section: Section, request: Request) -> Visit:
    context = request.context or {}
    sent = _cookies(request)
    asked = str(context.get("path") or request.path)
    filled = request.path
    for name, value in (request.uri_params or {}).items():
        filled = filled.replace(f"{{{name}}}", value)
    login_csrf = sent.get(login_form_cookie_name(), "")
    page = request.headers.get("hx-current-url")
    root = links.root_of_part(request.path, asked, page) if page else None
    return Visit(
        now=utc_now(),
        root=root or links.root_from(request.path, asked),
        path=filled,
        language=words.chosen(
            sent.get(LANGUAGE), request.headers.get("accept-language"), settings.current().default_locale
        ),
        zone=_zone(sent.get(ZONE)),
        section=section.name,
        source=str((context.get("identity") or {}).get("sourceIp") or "unknown"),
        query=dict(request.query_params or {}),
        is_fragment=request.headers.get("hx-request") == "true",
        login_csrf=login_csrf,
    )


def _cookies(request: Request) -> dict[str, str]:
    """What was sent, whatever cookies of other kinds are among it."""
    pairs = (each.partition("=") for each in request.headers.get("cookie", "").split(";"))
    return {name.strip(): value.strip().strip('"') for name, equals, value in pairs if equals}


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
                _read_body(view, visit, request)
                return _act(view, visit, arguments)
            return view.handler(visit, **arguments)
    except NotAuthenticatedError:
        return _to_log_in(visit, view)
    except _ProblemError as error:
        return problem(visit, error.status, error.text)
    except tuple(REFUSALS) as error:
        return _refused(visit, error)
    except OutsideUnavailableError as error:
        logger.exception("outside service unavailable", extra={"endpoint": view.name})
        return problem(visit, HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except Exception as error:
        if may_pass(error):
            logger.exception("outage", extra={"endpoint": view.name})
            said = visit.say("A part of the service is out of reach. Please try again in a moment.")
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
    token = _cookies(request).get(session_cookie_name())
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
        set_session(visit, renewed)


def _read_body(view: View, visit: Visit, request: Request) -> None:
    data = cast(bytes, request.raw_body)
    limit = MAX_BODY_BYTES if visit.session is not None else MAX_LOGIN_BYTES
    if len(data) > limit:
        raise _ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, visit.say("That is more than is taken at once.")
        )
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in (TEXTS if view.takes_text else (FORM,)):
        raise _ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, visit.say("This is not a form of this panel."))
    if view.takes_text:
        visit.text = data
    else:
        try:
            visit.form = Form.read(data)
        except ValueError as error:
            said = visit.say("The form cannot be read.")
            raise _ProblemError(HTTPStatus.BAD_REQUEST, said) from error
    _check_csrf(visit, request)


def _check_csrf(visit: Visit, request: Request) -> None:
    """Only a form of the visitor's own session counts, and none that another site has sent."""
    site = request.headers.get("sec-fetch-site") or _site_of_origin(request)
    sent = request.headers.get(CSRF_HEADER) or visit.form.text(CSRF_FIELD)
    if site != "same-origin" or not visit.csrf or not hmac.compare_digest(sent.encode(), visit.csrf.encode()):
        said = visit.say("This form was not sent from a page of your session. Please load the page again.")
        raise _ProblemError(HTTPStatus.FORBIDDEN, said)


def _site_of_origin(request: Request) -> str:
    """The same where there is no Sec-Fetch-Site, by the origin that browsers send with a POST."""
    origin = request.headers.get("origin")
    ours = {request.headers.get("host"), urlsplit(settings.current().public_url).netloc}
    return "same-origin" if origin is None or urlsplit(origin).netloc in ours - {None, ""} else "cross-site"


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


def _to_log_in(visit: Visit, view: View) -> Response:
    """Somebody has to log in first; then they go on where they wanted to."""
    wanted = links.here(visit.path, visit.query) if view.method == "GET" and not visit.is_fragment else None
    response = visit.go("login", next=wanted)
    if visit.is_fragment:
        response.status_code = HTTPStatus.UNAUTHORIZED
    return response


def _path_arguments(view: View, path: Mapping[str, str]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, hint in view.path_parameters.items():
        try:
            arguments[name] = UUID(path[name]) if hint is UUID else path[name]
        except ValueError as error:
            raise NotFoundError("there is no such page") from error
    return arguments


def new_login_csrf(visit: Visit) -> None:
    """A form for somebody who is not logged in has a token too: nobody logs them in as somebody else."""
    if not visit.login_csrf:
        visit.login_csrf = secrets.token_urlsafe(24)
        visit.cookies.append(cookie(login_form_cookie_name(), visit.login_csrf))
