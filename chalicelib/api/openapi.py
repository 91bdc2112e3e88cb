"""The OpenAPI 3.1 schema, made from the same declarations as the routes.

`python -m chalicelib.api.openapi` prints it.
"""

import inspect
import json
from collections.abc import Iterator, Sequence
from types import NoneType
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from chalicelib.api import openapi_parts as parts
from chalicelib.api.endpoints import JSON, MAX_BODY_BYTES, Endpoint, Page
from chalicelib.api.examples import NOT_SAID, example_of
from chalicelib.api.problems import Problem

VERSION = "1.0.0"
_REF = "#/components/schemas/{model}"

_Models = list[tuple[type[BaseModel], str]]


class _WithoutTitles(GenerateJsonSchema):
    """Pydantic gives each field its own name, in words, as a title: that says nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def document(endpoints: Sequence[Endpoint], server: str = "/") -> dict[str, Any]:
    """The whole schema of an API that is at this address."""
    return _Document(endpoints).build(server)


class _Document:
    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints
        models: _Models = list(dict.fromkeys(_models(endpoints)))
        by_model, definitions = models_json_schema(
            models, ref_template=_REF, schema_generator=_WithoutTitles  # type: ignore[arg-type]
        )  # fmt: skip
        self._by_model = by_model
        self._schemas: dict[str, Any] = definitions["$defs"]

    def build(self, server: str) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for endpoint in self._endpoints:
            paths.setdefault(f"{endpoint.path}/", {})[endpoint.method.lower()] = self._operation(endpoint)
        used = dict.fromkeys(endpoint.tag for endpoint in self._endpoints)
        tags = dict.fromkeys([*(tag for tag in parts.TAGS if tag in used), *used])
        return {
            "openapi": "3.1.0",
            "info": {"title": "Vestnik", "version": VERSION, "description": parts.DESCRIPTION},
            "servers": [{"url": server}],
            "tags": [{"name": tag, "description": parts.TAGS.get(tag, "")} for tag in tags],
            "paths": paths,
            "components": {
                "schemas": self._used_schemas(),
                "responses": self._problems(),
                "headers": parts.HEADERS,
                "securitySchemes": parts.SECURITY_SCHEMES,
            },
        }

    def _used_schemas(self) -> dict[str, Any]:
        # Those of queries and headers stand with their parameters.
        inlined = {
            self._reference(model, "validation")["$ref"].rpartition("/")[2]
            for endpoint in self._endpoints
            for name in ("query", "headers")
            if (model := endpoint.model(name))
        }
        return {name: schema for name, schema in sorted(self._schemas.items()) if name not in inlined}

    def _problems(self) -> dict[str, Any]:
        statuses = sorted({status for endpoint in self._endpoints for status in endpoint.refuses})
        schema = self._reference(Problem, "serialization")
        return {parts.response_name(each): parts.problem_response(each, schema) for each in statuses}

    def _reference(self, model: type[BaseModel], mode: str) -> dict[str, Any]:
        return self._by_model[(model, mode)]  # type: ignore[index]

    def _operation(self, endpoint: Endpoint) -> dict[str, Any]:
        operation: dict[str, Any] = {
            "operationId": endpoint.name,
            "tags": [endpoint.tag],
            **_texts(endpoint),
            "security": parts.SECURITY[endpoint.access],
        }
        if parameters := [*self._path_parameters(endpoint), *self._other_parameters(endpoint)]:
            operation["parameters"] = parameters
        if endpoint.content_types:
            operation["requestBody"] = {"required": True, "content": self._body(endpoint)}
        return operation | {"responses": self._responses(endpoint)}

    def _path_parameters(self, endpoint: Endpoint) -> Iterator[dict[str, Any]]:
        for name, hint in endpoint.path_parameters.items():
            description, example = parts.PATH_PARAMETERS.get(name, ("", NOT_SAID))
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "description": description,
                "schema": TypeAdapter(hint).json_schema(),
                "example": example,
            }

    def _other_parameters(self, endpoint: Endpoint) -> Iterator[dict[str, Any]]:
        for place, parameter in (("query", "query"), ("header", "headers")):
            if (model := endpoint.model(parameter)) is None:
                continue
            schema = self._schemas[self._reference(model, "validation")["$ref"].rpartition("/")[2]]
            for name, field in schema["properties"].items():
                yield {
                    "name": name.title() if place == "header" else name,
                    "in": place,
                    "required": name in schema.get("required", []),
                    "description": field.get("description", ""),
                    "schema": _of_parameter(field),
                }

    def _body(self, endpoint: Endpoint) -> dict[str, Any]:
        text = {"type": "string", "maxLength": MAX_BODY_BYTES}
        examples = parts.UPLOADS.get(endpoint.name, {})
        content: dict[str, Any] = {
            each: {"schema": text, "example": examples.get(each, NOT_SAID)} for each in endpoint.takes
        }
        if body := endpoint.model("body"):
            content = {JSON: self._content(body, "validation"), **content}
        return content

    def _content(self, model: type[BaseModel], mode: str) -> dict[str, Any]:
        schema = self._reference(model, mode)
        return {"schema": schema, "example": example_of(schema, self._schemas)}

    def _responses(self, endpoint: Endpoint) -> dict[str, Any]:
        names = ["X-Request-Id", "X-Correlation-Id"]
        if any("application" in way for way in parts.SECURITY[endpoint.access]):
            names += ["RateLimit-Policy", "RateLimit"]
        done: dict[str, Any] = {
            "description": endpoint.status.phrase,
            "headers": parts.header_references(*names),
        }
        if endpoint.answer is Page:
            done["content"] = {"text/html": {"schema": {"type": "string"}}}
        elif endpoint.answer is not NoneType:
            done["content"] = {JSON: self._content(endpoint.answer, "serialization")}
        if links := dict(self._links(endpoint)):
            done["links"] = links
        problems = {
            str(int(status)): {"$ref": f"#/components/responses/{parts.response_name(status)}"}
            for status in endpoint.refuses
        }
        return {str(int(endpoint.status)): done, **problems}

    def _links(self, endpoint: Endpoint) -> Iterator[tuple[str, Any]]:
        """From what was made to what can be done with it: to every path that goes on from this one."""
        if endpoint.method != "POST" or endpoint.answer in (Page, NoneType):
            return
        for other in self._endpoints:
            steps = other.path.removeprefix(f"{endpoint.path}/").split("/")
            names = list(other.path_parameters)
            if len(names) == 1 and steps[0] == f"{{{names[0]}}}" and other.path != endpoint.path:
                fields = endpoint.answer.model_fields
                field = names[0] if names[0] in fields else "id"
                if field in fields:
                    yield (
                        other.name,
                        {
                            "operationId": other.name,
                            "parameters": {names[0]: f"$response.body#/{field}"},
                        },
                    )


def _models(endpoints: Sequence[Endpoint]) -> Iterator[tuple[type[BaseModel], str]]:
    yield Problem, "serialization"
    for endpoint in endpoints:
        for name in ("body", "query", "headers"):
            if model := endpoint.model(name):
                yield model, "validation"
        if endpoint.answer not in (Page, NoneType):
            yield endpoint.answer, "serialization"


def _texts(endpoint: Endpoint) -> dict[str, str]:
    summary, _, further = inspect.cleandoc(endpoint.handler.__doc__ or "").partition("\n")
    said = f"For {endpoint.access.value}."
    return {
        "summary": summary.rstrip("."),
        "description": "\n\n".join(each for each in (further.strip(), said) if each),
    }


def _of_parameter(field: dict[str, Any]) -> dict[str, Any]:
    """The schema of a query's or a header's field: it is there or not, and never null."""
    schema = {name: value for name, value in field.items() if name != "description"}
    if schema.get("default", ...) is None:
        del schema["default"]
    alternatives = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if len(alternatives) == 1:
        del schema["anyOf"]
        schema = {**alternatives[0], **schema}
    return schema


if __name__ == "__main__":
    from chalicelib.api.resources import ENDPOINTS

    print(json.dumps(document(ENDPOINTS), indent=2, ensure_ascii=False))  # noqa: T201
