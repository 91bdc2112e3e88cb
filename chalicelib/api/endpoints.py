"""Endpoints: one declaration from which come the route, the validation, the answers and the OpenAPI schema.

A handler names what it needs, and the types say the rest:

    @resource.get("/api/v1/things/{thing_id}", access=Access.READ, refuses=(404,))
    def read_thing(principal: Principal, thing_id: UUID, query: ThingQuery) -> Thing: ...

`principal` is who acts; `body`, `query` and `headers` are pydantic models; `upload` is a body of another
type, which `takes` names; `caller` is where the request came from; other parameters are of the path. It
returns a pydantic model, a Page, or None where there is nothing to say.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel

from chalicelib.services.rights import Access, Principal

MAX_BODY_BYTES = 4_400_000
"""100,000 user ids and a long text fit; a Lambda function takes 6 MB."""

JSON = "application/json"


@dataclass(frozen=True)
class Page:
    """An answer for people."""

    html: str


@dataclass(frozen=True)
class Upload:
    """A body that is not JSON."""

    content_type: str
    data: bytes


@dataclass(frozen=True)
class Caller:
    """Where a request came from: the network address, and the id under which it is logged."""

    source: str
    request_id: str


_MODEL_PARAMETERS = ("body", "query", "headers")
_OTHER_PARAMETERS = {"principal": Principal, "upload": Upload, "caller": Caller}


@dataclass(frozen=True)
class Endpoint:
    """What is known of one endpoint."""

    method: str
    path: str
    handler: Callable[..., Any]
    tag: str
    access: Access
    status: HTTPStatus
    further_refusals: tuple[HTTPStatus, ...]
    takes: tuple[str, ...]
    parameters: dict[str, Any]
    answer: Any

    @property
    def name(self) -> str:
        return self.handler.__name__

    def model(self, parameter: str) -> type[BaseModel] | None:
        """The model of the body, the query or the headers, if the endpoint has one."""
        return self.parameters.get(parameter)

    def wants(self, parameter: str) -> bool:
        """Whether the handler has this parameter."""
        return parameter in self.parameters

    @property
    def path_parameters(self) -> dict[str, Any]:
        taken = (*_MODEL_PARAMETERS, *_OTHER_PARAMETERS)
        return {name: hint for name, hint in self.parameters.items() if name not in taken}

    @property
    def content_types(self) -> tuple[str, ...]:
        """What its body may be."""
        return (*((JSON,) if self.wants("body") else ()), *self.takes)

    @property
    def refuses(self) -> tuple[HTTPStatus, ...]:
        """With what a request may be refused: the statuses that follow from its needs, and further ones."""
        statuses = set(self.further_refusals)
        if self.access is not Access.ANYONE:
            statuses |= {HTTPStatus(each) for each in (401, 403, 429, 503)}
        if self.content_types:
            statuses |= {HTTPStatus(each) for each in (413, 415, 422)}
        if self.wants("body"):
            statuses.add(HTTPStatus.BAD_REQUEST)
        if self.wants("query") or self.wants("headers"):
            statuses.add(HTTPStatus.UNPROCESSABLE_ENTITY)
        if self.path_parameters:
            statuses.add(HTTPStatus.NOT_FOUND)
        return (*sorted(statuses), HTTPStatus.INTERNAL_SERVER_ERROR)


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

    def put(self, path: str, **declared: Any) -> Callable[..., Any]:
        """Declare a PUT endpoint."""
        return self._declare("PUT", path, **declared)

    def patch(self, path: str, **declared: Any) -> Callable[..., Any]:
        """Declare a PATCH endpoint."""
        return self._declare("PATCH", path, **declared)

    def delete(self, path: str, **declared: Any) -> Callable[..., Any]:
        """Declare a DELETE endpoint."""
        return self._declare("DELETE", path, **declared)

    def _declare(
        self,
        method: str,
        path: str,
        *,
        access: Access,
        status: int | None = None,
        refuses: tuple[int, ...] = (),
        takes: tuple[str, ...] = (),
    ) -> Callable[..., Any]:
        def register(handler: Callable[..., Any]) -> Callable[..., Any]:
            hints = get_type_hints(handler, include_extras=True)
            answer = hints.pop("return")
            usual = HTTPStatus.NO_CONTENT if answer is NoneType else HTTPStatus.OK
            self.endpoints.append(
                Endpoint(
                    method=method,
                    path=path,
                    handler=handler,
                    tag=self.tag,
                    access=access,
                    status=HTTPStatus(status or usual),
                    further_refusals=tuple(map(HTTPStatus, refuses)),
                    takes=takes,
                    parameters={
                        name: _without_none(hints[name]) for name in inspect.signature(handler).parameters
                    },
                    answer=answer,
                )
            )
            return handler

        return register


def _without_none(hint: Any) -> Any:
    """A body that may be of several types is None in all but one form."""
    if isinstance(hint, UnionType) and NoneType in get_args(hint):
        return next(each for each in get_args(hint) if each is not NoneType)
    return hint
