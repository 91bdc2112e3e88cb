"""The OpenAPI schema: valid, served, the one in docs, and a document that a client can be written from."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from chalicelib.api import documents, openapi, openapi_parts
from chalicelib.api.examples import NOT_SAID
from chalicelib.api.resources import ENDPOINTS
from tests.support.api import Api
from tests.support.aws import World
from tests.support.compatibility import breaking_changes

DOCS = Path(__file__).parents[2] / "docs"
GOLDEN, RELEASED = DOCS / "openapi.json", DOCS / "openapi.released.json"

SCHEMA = openapi.document(ENDPOINTS)
OPERATIONS: dict[str, Any] = {
    f"{method.upper()} {path}": operation
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
}
every_operation = pytest.mark.parametrize("name", OPERATIONS)


def test_is_valid() -> None:
    validate(SCHEMA)


def test_is_the_documented_one() -> None:
    """A change of the public contract is seen: `make openapi` writes it anew."""
    assert json.loads(GOLDEN.read_text()) == json.loads(json.dumps(SCHEMA))


def test_breaks_no_client_of_the_last_release() -> None:
    """A break on purpose is released by `make openapi-release`, and seen in what it changes."""
    assert breaking_changes(json.loads(RELEASED.read_text()), SCHEMA) == []


def test_is_served_with_the_address_of_the_api(world: World) -> None:
    answer = Api().get("/api/schema/")
    assert (answer.status, answer.json["openapi"]) == (200, "3.1.0")
    assert answer.json["servers"] == [{"url": "https://vestnik.example"}]
    assert {**answer.json, "servers": SCHEMA["servers"]} == json.loads(json.dumps(SCHEMA))


def test_every_route_is_in_it() -> None:
    from app import app

    routes = {
        f"{method} {path}/"
        for path, methods in app.routes.items()
        for method in methods
        if not path.startswith((documents.PATH, "/admin")) and method != "OPTIONS"
    }
    assert routes == set(OPERATIONS)


def test_every_tag_is_described() -> None:
    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} == {
        tag["name"] for tag in SCHEMA["tags"] if tag["description"]
    }


@every_operation
def test_an_operation_says_what_it_does(name: str) -> None:
    operation = OPERATIONS[name]
    assert len(operation["summary"]) > 10
    assert not operation["summary"].endswith(".")
    assert len(operation["summary"]) <= 110, "the rest is for the description"
    assert operation["description"]


@every_operation
def test_an_operation_says_who_may_call_it(name: str) -> None:
    operation = OPERATIONS[name]
    schemes = {scheme for way in operation["security"] for scheme in way}
    assert schemes <= set(SCHEMA["components"]["securitySchemes"])
    assert bool(schemes) == ("403" in operation["responses"])


@every_operation
def test_its_parameters_are_described_and_limited(name: str) -> None:
    for parameter in OPERATIONS[name].get("parameters", []):
        assert parameter["description"], parameter["name"]
        if parameter["in"] == "path":
            assert parameter["name"] in openapi_parts.PATH_PARAMETERS
        # Whatever a browser prefers: nobody is kept from unsubscribing by it.
        if parameter["name"] != "Accept-Language":
            assert unlimited(parameter["schema"], parameter["name"]) == []


@every_operation
def test_its_body_is_limited_and_has_an_example_that_is_taken(name: str) -> None:
    endpoint = next(each for each in ENDPOINTS if f"{each.method} {each.path}/" == name)
    for content_type, content in OPERATIONS[name].get("requestBody", {}).get("content", {}).items():
        assert unlimited(content["schema"], content_type) == []
        assert list(not_said(content["example"])) == [], "examples, or a word in openapi_parts.UPLOADS"
        if content_type == "application/json":
            model = endpoint.model("body")
            assert model is not None
            model.model_validate_json(json.dumps(content["example"]))


@every_operation
def test_its_answers_have_headers_and_examples_of_their_form(name: str) -> None:
    for status, answer in answers(OPERATIONS[name]):
        assert "X-Request-Id" in answer["headers"], status
        assert ("Retry-After" in answer["headers"]) == (status in ("429", "503"))
        for content_type, content in answer.get("content", {}).items():
            if content_type != "text/html":
                root = {**SCHEMA, **content["schema"]}
                assert [str(each) for each in OAS31Validator(root).iter_errors(content["example"])] == []
                assert list(not_said(content["example"])) == [], status
                if not status.startswith("2"):
                    assert content["example"]["status"] == int(status)
                    assert content["example"]["detail"], "a word in openapi_parts.PROBLEMS"


def test_what_was_made_leads_to_what_can_be_done_with_it() -> None:
    links = OPERATIONS["POST /api/v1/notifications/"]["responses"]["201"]["links"]
    assert links["read_notification"]["parameters"] == {"notification_id": "$response.body#/id"}
    links = OPERATIONS["POST /api/v1/applications/"]["responses"]["201"]["links"]
    assert links["read_application"]["parameters"] == {"slug": "$response.body#/slug"}


def test_health_needs_no_rights(world: World) -> None:
    assert Api().get("/api/v1/health/").json == {"status": "ok"}


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        found: Any = SCHEMA
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def answers(operation: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for status, answer in operation["responses"].items():
        yield status, resolved(answer)


def unlimited(schema: Mapping[str, Any], name: str) -> list[str]:
    """The texts and arrays of a schema that may be of any length."""
    schema = resolved(schema)
    found = [
        line
        for several in ("anyOf", "oneOf", "allOf")
        for each in schema.get(several, [])
        for line in unlimited(each, name)
    ]
    for field, inner in schema.get("properties", {}).items():
        found += unlimited(inner, f"{name}.{field}")
    if schema.get("type") == "array":
        found += unlimited(schema["items"], f"{name}[]")
        found += [] if "maxItems" in schema else [name]
    if schema.get("type") == "string":
        is_short = "enum" in schema or "const" in schema or "format" in schema or "maxLength" in schema
        # A pattern may say how long a text can be.
        is_bounded = re.fullmatch(r"\^[^*+]*\$", schema.get("pattern", "+")) is not None
        found += [] if is_short or is_bounded else [name]
    return found


def not_said(example: Any) -> Iterator[Any]:
    if isinstance(example, dict):
        for name, value in example.items():
            yield from (name for _ in not_said(value))
    elif isinstance(example, list):
        for value in example:
            yield from not_said(value)
    elif example == NOT_SAID:
        yield example
