"""The OpenAPI 3.1 schema, made from the same declarations as the routes.

`python -m chalicelib.api.openapi` prints it.
"""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from chalicelib.api.endpoints import Access, Endpoint, Page
from chalicelib.api.problems import CONTENT_TYPE, Problem

VERSION = "1.0.0"
_REF = "#/components/schemas/{model}"

_SECURITY: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}, {"application": []}]
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
        if endpoint.answer is not Page:
            models[(endpoint.answer, "serialization")] = None
    _, definitions = models_json_schema(list(models), ref_template=_REF)  # type: ignore[arg-type]
    schemas: dict[str, Any] = definitions["$defs"]
    return dict(sorted(schemas.items()))


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": (endpoint.handler.__doc__ or "").strip(),
        "responses": _responses(endpoint),
    }
    if parameters := _parameters(endpoint):
        operation["parameters"] = parameters
    if body := endpoint.model("body"):
        operation["requestBody"] = {"required": True, "content": _content("application/json", body.__name__)}
    if endpoint.access is Access.SENDER:
        operation["security"] = _SECURITY
    return operation


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    answer: dict[str, Any] = (
        {"text/html": {"schema": {"type": "string"}}}
        if endpoint.answer is Page
        else _content("application/json", endpoint.answer.__name__)
    )
    responses = {str(int(endpoint.status)): {"description": endpoint.status.phrase, "content": answer}}
    for status in (*endpoint.refuses, HTTPStatus.INTERNAL_SERVER_ERROR):
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
