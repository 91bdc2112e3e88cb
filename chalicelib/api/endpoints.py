"""Endpoints: one declaration from which come the route, the validation, the answer and the OpenAPI schema.

A handler names what it needs, and the types say the rest:

    @resource.get("/api/v1/things/{thing_id}", access=Access.SENDER, refuses=(404,))
    def read_thing(principal: Principal, thing_id: UUID, query: ThingQuery) -> Thing: ...

`principal` is who acts; `body`, `query` and `headers` are pydantic models; other parameters are of the path.
It returns a pydantic model, or a Page.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, cast, get_type_hints

from chalice.app import Chalice, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from chalicelib.api.problems import OUTAGES, REFUSALS, HttpError, invalid, problem, refusal
from chalicelib.observability import logger
from chalicelib.services.accounts import authenticate

MAX_BODY_BYTES = 4_400_000
"""100,000 user ids and a long text fit; a Lambda function takes 6 MB."""

MODEL_PARAMETERS = ("body", "query", "headers")


class Access(Enum):
    """Who may call an endpoint."""

    ANYONE = "anyone"
    SENDER = "an administrator or an application"


@dataclass(frozen=True)
class Page:
    """An answer for people."""

    html: str


@dataclass(frozen=True)
class Endpoint:
    """What is known of one endpoint."""

    method: str
    path: str
    handler: Callable[..., Any]
    tag: str
    access: Access
    status: HTTPStatus
    refuses: tuple[HTTPStatus, ...]
    parameters: dict[str, Any]
    answer: Any

    @property
    def name(self) -> str:
        return self.handler.__name__

    def model(self, parameter: str) -> type[BaseModel] | None:
        """The model of the body, the query or the headers, if the endpoint has one."""
        return self.parameters.get(parameter)

    @property
    def path_parameters(self) -> dict[str, Any]:
        taken = (*MODEL_PARAMETERS, "principal")
        return {name: hint for name, hint in self.parameters.items() if name not in taken}


class Resource:
    """The endpoints of one resource."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.endpoints: list[Endpoint] = []

    def get(self, path: str, **declared: Any) -> Callable[..., Any]:
        """Declare a GET endpoint."""
        return self._declare("GET", path, **declared)

    def post(self, path: str, **declared: Any) -> Callable[..., Any]:
        """Declare a POST endpoint."""
        return self._declare("POST", path, **declared)

    def _declare(
        self,
        method: str,
        path: str,
        *,
        access: Access,
        status: int = HTTPStatus.OK,
        refuses: tuple[int, ...] = (),
    ) -> Callable[..., Any]:
        def register(handler: Callable[..., Any]) -> Callable[..., Any]:
            hints = get_type_hints(handler)
            answer = hints.pop("return")
            parameters = {name: hints[name] for name in inspect.signature(handler).parameters}
            self.endpoints.append(
                Endpoint(
                    method=method,
                    path=path,
                    handler=handler,
                    tag=self.tag,
                    access=access,
                    status=HTTPStatus(status),
                    refuses=tuple(map(HTTPStatus, refuses)),
                    parameters=parameters,
                    answer=answer,
                )
            )
            return handler

        return register


def register(app: Chalice, endpoint: Endpoint) -> None:
    """Put an endpoint on the app."""

    def view(**path: str) -> Response:
        assert app.current_request is not None
        return answer(endpoint, app.current_request, path)

    # We look at the content type ourselves: Chalice's own 415 is not a problem+json.
    route = app.route(endpoint.path, methods=[endpoint.method], content_types=["*/*"], name=endpoint.name)
    route(view)


def answer(endpoint: Endpoint, request: Request, path: dict[str, str]) -> Response:
    """Work a request: from its form to the handler's answer, or to the problem that came up."""
    try:
        return _response(endpoint, endpoint.handler(**_arguments(endpoint, request, path)))
    except HttpError as error:
        return problem(error.status, error.detail)
    except tuple(REFUSALS) as error:
        return refusal(error)
    except OUTAGES:
        logger.exception("outage", extra={"endpoint": endpoint.name})
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "A part of the service is out of reach; try again.")
    except _InvalidError as error:
        return invalid(error.error, error.what)
    except Exception:
        logger.exception("internal error", extra={"endpoint": endpoint.name})
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is our fault; it has been logged.")


class _InvalidError(Exception):
    def __init__(self, error: ValidationError, what: str) -> None:
        super().__init__(str(error))
        self.error, self.what = error, what


def _arguments(endpoint: Endpoint, request: Request, path: dict[str, str]) -> dict[str, Any]:
    # First who it is, then what they want: a stranger learns nothing about the form of a body.
    arguments: dict[str, Any] = {}
    if endpoint.access is Access.SENDER:
        arguments["principal"] = authenticate(request.headers.get("authorization"))
    arguments |= _path_arguments(endpoint, path)
    if query := endpoint.model("query"):
        arguments["query"] = _validated("query", query.model_validate, dict(request.query_params or {}))
    if headers := endpoint.model("headers"):
        arguments["headers"] = _validated("header", headers.model_validate, dict(request.headers))
    if body := endpoint.model("body"):
        arguments["body"] = _validated("body", body.model_validate_json, _json_body(request))
    return arguments


def _path_arguments(endpoint: Endpoint, path: dict[str, str]) -> dict[str, Any]:
    arguments = {}
    for name, hint in endpoint.path_parameters.items():
        try:
            arguments[name] = TypeAdapter(hint).validate_python(path[name])
        except ValidationError as error:
            raise HttpError(
                HTTPStatus.NOT_FOUND, f"There is no {name.replace('_', ' ')} {path[name]!r}"
            ) from error
    return arguments


def _validated(what: str, validate: Callable[[Any], BaseModel], value: Any) -> BaseModel:
    try:
        return validate(value)
    except ValidationError as error:
        raise _InvalidError(error, what) from error


def _json_body(request: Request) -> bytes:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        said = f"not {content_type!r}" if content_type else "and say so in Content-Type"
        raise HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The body must be application/json, {said}.")
    body = cast(bytes, request.raw_body)
    if len(body) > MAX_BODY_BYTES:
        raise HttpError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body has {len(body)} bytes; at most {MAX_BODY_BYTES} are taken.",
        )
    return body


PAGE_HEADERS: dict[str, str | list[str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def _response(endpoint: Endpoint, answered: Any) -> Response:
    if isinstance(answered, Page):
        return Response(answered.html, dict(PAGE_HEADERS), endpoint.status)
    headers: dict[str, str | list[str]] = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Response(answered.model_dump_json(), headers, endpoint.status)
