"""The OpenAPI 3.1 schema, made from the same declarations as the routes.

`python -m chalicelib.api.openapi` prints it.
"""

import inspect
import json
from collections.abc import Sequence
from types import NoneType
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from chalicelib.api.endpoints import Endpoint, Page
from chalicelib.api.problems import CONTENT_TYPE, Problem
from chalicelib.services.rights import Access

VERSION = "1.0.0"
_REF = "#/components/schemas/{model}"

_ADMINISTRATOR: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}]
_SENDER: list[dict[str, list[str]]] = [*_ADMINISTRATOR, {"application": []}]
_USER: list[dict[str, list[str]]] = [{"user": []}]
_SECURITY = {
    Access.SEND: _SENDER,
    Access.READ: _SENDER,
    Access.MANAGE: _SENDER,
    Access.ADMINISTRATOR: _ADMINISTRATOR,
    Access.USER: _USER,
    Access.USER_OR_MANAGER: [*_USER, *_SENDER],
}
_SCHEMES = {
    "basic": {"type": "http", "scheme": "basic", "description": "An administrator's login and password"},
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An administrator's access token",
    },
    "application": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`slug password` of a registered application",
    },
    "user": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A user's token of the outside users service, alone, without a scheme",
    },
}


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole schema."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(f"{endpoint.path}/", {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Vestnik",
            "version": VERSION,
            "description": "Sends notifications for other programs. A path may go without its last slash.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": _schemas(endpoints), "securitySchemes": _SCHEMES},
    }


def _schemas(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    models: dict[tuple[type[BaseModel], str], None] = {(Problem, "serialization"): None}
    for endpoint in endpoints:
        if body := endpoint.model("body"):
            models[(body, "validation")] = None
        if endpoint.answer not in (Page, NoneType):
            models[(endpoint.answer, "serialization")] = None
    _, definitions = models_json_schema(list(models), ref_template=_REF)  # type: ignore[arg-type]
    schemas: dict[str, Any] = definitions["$defs"]
    return dict(sorted(schemas.items()))


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        **_texts(endpoint),
        "responses": _responses(endpoint),
    }
    if parameters := _parameters(endpoint):
        operation["parameters"] = parameters
    if endpoint.content_types:
        operation["requestBody"] = {"required": True, "content": _body(endpoint)}
    if endpoint.access is not Access.ANYONE:
        operation["security"] = _SECURITY[endpoint.access]
    return operation


def _texts(endpoint: Endpoint) -> dict[str, str]:
    summary, _, further = inspect.cleandoc(endpoint.handler.__doc__ or "").partition("\n")
    said = f"For {endpoint.access.value}."
    return {"summary": summary, "description": "\n\n".join(each for each in (further.strip(), said) if each)}


def _body(endpoint: Endpoint) -> dict[str, Any]:
    body = endpoint.model("body")
    content = _content("application/json", body.__name__) if body else {}
    return content | {each: {"schema": {"type": "string", "minLength": 1}} for each in endpoint.takes}


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    done: dict[str, Any] = {"description": endpoint.status.phrase}
    if endpoint.answer is Page:
        done["content"] = {"text/html": {"schema": {"type": "string"}}}
    elif endpoint.answer is not NoneType:
        done["content"] = _content("application/json", endpoint.answer.__name__)
    responses = {str(int(endpoint.status)): done}
    for status in endpoint.refuses:
        responses[str(int(status))] = {
            "description": status.phrase,
            "content": _content(CONTENT_TYPE, Problem.__name__),
        }
    return responses


def _content(content_type: str, model: str) -> dict[str, Any]:
    return {content_type: {"schema": {"$ref": _REF.format(model=model)}}}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": TypeAdapter(hint).json_schema()}
        for name, hint in endpoint.path_parameters.items()
    ]
    for place, parameter in (("query", "query"), ("header", "headers")):
        if model := endpoint.model(parameter):
            parameters += _of_model(model, place)
    return parameters


def _of_model(model: type[BaseModel], place: str) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    return [
        {
            "name": name.title() if place == "header" else name,
            "in": place,
            "required": name in schema.get("required", []),
            "description": field.pop("description", ""),
            "schema": field,
        }
        for name, field in schema["properties"].items()
    ]


if __name__ == "__main__":
    from chalicelib.api.resources import ENDPOINTS

    print(json.dumps(document(ENDPOINTS), indent=2, ensure_ascii=False))  # noqa: T201
