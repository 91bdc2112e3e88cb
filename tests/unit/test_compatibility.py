"""What the check of the schema finds, and what it lets pass."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.compatibility import breaking_changes

Document = dict[str, Any]
Change = Callable[[Document], object]

OLD: Document = {
    "paths": {
        "/things/{id}/": {
            "get": {
                "security": [{"basic": []}, {"application": ["read", "send"]}],
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {
                        "name": "limit",
                        "in": "query",
                        "required": False,
                        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
                    },
                ],
                "responses": {
                    "200": {
                        "headers": {"X-Request-Id": {"schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                    },
                    "404": {"description": "Not Found"},
                },
            },
            "post": {
                "requestBody": {
                    "required": False,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewThing"}}},
                },
                "responses": {"201": {}},
            },
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["id", "status", "parts"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "status": {"type": "string", "enum": ["new", "old"]},
                    "count": {"type": "integer"},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                    "others": {"type": "object", "additionalProperties": {"type": "integer"}},
                },
            },
            "NewThing": {
                "type": "object",
                "required": ["title"],
                "allOf": [{"oneOf": [{"required": ["users"]}, {"required": ["weight"]}]}],
                "properties": {
                    "title": {"type": "string", "maxLength": 200},
                    "kind": {"enum": ["a", "b"], "type": "string"},
                    "note": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
                    "users": {"type": "array", "items": {"type": "string"}},
                    "weight": {"type": "integer"},
                },
            },
        }
    },
}


def operation(document: Document, method: str = "get") -> Any:
    return document["paths"]["/things/{id}/"][method]


def sent(document: Document) -> Any:
    return document["components"]["schemas"]["NewThing"]


def read(document: Document) -> Any:
    return document["components"]["schemas"]["Thing"]


def field(which: Callable[[Document], Any], name: str, **changes: Any) -> Change:
    return lambda document: which(document)["properties"][name].update(changes)


def put(which: Callable[[Document], Any], name: str, schema: Any) -> Change:
    return lambda document: which(document)["properties"].update({name: schema})


def drop(which: Callable[[Document], Any], name: str) -> Change:
    return lambda document: which(document)["properties"].pop(name)


def limit(**changes: Any) -> Change:
    return lambda document: operation(document)["parameters"][1]["schema"].update(changes)


def parameter(**changes: Any) -> Change:
    new = {"name": "page", "in": "query", "required": False, "schema": {"type": "integer"}, **changes}
    return lambda document: operation(document)["parameters"].append(new)


BREAKING: dict[str, tuple[Change, str]] = {
    "a path": (lambda new: new["paths"].clear(), "is gone"),
    "a method": (lambda new: new["paths"]["/things/{id}/"].pop("get"), "GET /things/{id}/: is gone"),
    "an answer": (lambda new: operation(new)["responses"].pop("200"), "answer 200 is gone"),
    "an answer's content type": (
        lambda new: operation(new)["responses"]["200"].update(content={"text/csv": {"schema": {}}}),
        "application/json is gone",
    ),
    "an answer's header": (
        lambda new: operation(new)["responses"]["200"]["headers"].clear(),
        "header X-Request-Id is gone",
    ),
    "a way to prove oneself": (lambda new: operation(new)["security"].pop(0), "access by {'basic': []}"),
    "a scope that suffices": (
        lambda new: operation(new)["security"][1].update(application=["read", "send", "manage"]),
        "access by {'application'",
    ),
    "access for nobody": (
        lambda new: operation(new, "post").update(security=[{"basic": []}]),
        "access by nobody is gone",
    ),
    "a parameter": (lambda new: operation(new)["parameters"].pop(), "query parameter limit is gone"),
    "a new required parameter": (parameter(required=True), "query parameter page is required now"),
    "a parameter that is required now": (
        lambda new: operation(new)["parameters"][1].update(required=True),
        "query parameter limit is required now",
    ),
    "a lower maximum": (limit(maximum=10), "maximum is 10, was 100"),
    "a higher minimum": (limit(minimum=2), "minimum is 2, was 1"),
    "another default": (limit(default=20), "default is 20, was 50"),
    "another type of a parameter": (limit(type="string"), "integer is not what is sent"),
    "a body that is required now": (
        lambda new: operation(new, "post")["requestBody"].update(required=True),
        "the body is required now",
    ),
    "a body's content type": (
        lambda new: operation(new, "post")["requestBody"].update(content={}),
        "body: application/json is gone",
    ),
    "a new required field": (
        lambda new: sent(new).update(required=["title", "kind"]),
        "body.kind is required now",
    ),
    "a field of the body": (drop(sent, "kind"), "body.kind is gone"),
    "a shorter text": (field(sent, "title", maxLength=100), "maxLength is 100, was 200"),
    "a new limit": (field(sent, "users", maxItems=10), "maxItems is 10, was not there"),
    "a new pattern": (field(sent, "title", pattern="^a"), "pattern is ^a, was None"),
    "a new format": (field(sent, "title", format="date"), "format is date, was None"),
    "fewer values": (field(sent, "kind", enum=["a"]), "body.kind: b is gone"),
    "only some values": (field(sent, "title", enum=["a"]), "only ['a'] are taken now"),
    "one value": (put(sent, "kind", {"type": "string", "const": "a"}), "body.kind: b is gone"),
    "no null": (put(sent, "note", {"type": "string", "minLength": 1}), "body.note: null is not what is sent"),
    "a narrower type of items": (
        field(sent, "users", items={"type": "string", "maxLength": 1}),
        "body.users[]: maxLength is 1",
    ),
    "one choice less": (
        lambda new: sent(new).update(allOf=[{"oneOf": [{"required": ["users"]}]}]),
        "body.users is required now",
    ),
    "unknown fields": (lambda new: sent(new).update(additionalProperties=False), "unknown fields"),
    "a field of an answer": (drop(read, "count"), "answer 200.count is gone"),
    "a field that may be missing": (
        lambda new: read(new).update(required=["id", "parts"]),
        "answer 200.status may be missing now",
    ),
    "a field that may be null": (field(read, "id", type=["string", "null"]), "null is not what is read"),
    "a new value in an answer": (field(read, "status", enum=["new", "old", "lost"]), "lost may come now"),
    "a value that never comes again": (field(read, "status", enum=["new"]), "answer 200.status: old is gone"),
    "any value in an answer": (put(read, "status", {"type": "string"}), "any value may come now"),
    "another type in an answer": (put(read, "count", {"type": "number"}), "number is not what is read"),
    "another form in an answer": (put(read, "id", {"type": "string"}), "format is None, was uuid"),
    "another type of a map's values": (
        field(read, "others", additionalProperties={"type": "string"}),
        "answer 200.others.*: string is not what is read",
    ),
}

HARMLESS: dict[str, Change] = {
    "nothing": lambda new: None,
    "a new path": lambda new: new["paths"].update({"/others/": {}}),
    "a new method": lambda new: new["paths"]["/things/{id}/"].update(delete={}),
    "a new answer": lambda new: operation(new)["responses"].update({"429": {}}),
    "an error less": lambda new: operation(new)["responses"].pop("404"),
    "a new header": lambda new: operation(new)["responses"]["200"]["headers"].update(Link={}),
    "a new way to prove oneself": lambda new: operation(new)["security"].append({"user": []}),
    "access by fewer scopes": lambda new: operation(new)["security"][1].update(application=["read"]),
    "access for everybody": lambda new: operation(new).pop("security"),
    "a new optional parameter": parameter(),
    "wider limits": limit(minimum=0, maximum=1000),
    "a wider type of a parameter": limit(type="number"),
    "a new optional field": put(sent, "colour", {"type": "string", "maxLength": 10}),
    "a field that is not required any more": lambda new: sent(new).update(required=[]),
    "a longer text": field(sent, "title", maxLength=300),
    "no limit any more": put(sent, "title", {"type": "string"}),
    "more values": field(sent, "kind", enum=["a", "b", "c"]),
    "no choice that is to be made": lambda new: sent(new).pop("allOf"),
    "any value": put(sent, "kind", {"type": "string"}),
    "null as well": field(sent, "title", type=["string", "null"]),
    "a new field of an answer": put(read, "colour", {"type": "string"}),
    "a field that always comes": lambda new: read(new).update(required=["id", "status", "parts", "count"]),
    "a limit that an answer keeps": field(read, "id", maxLength=36),
    "words": field(read, "id", description="Its id", title="Id", examples=["x"]),
    "a model in the place of its words": lambda new: new["paths"]["/things/{id}/"]["post"][
        "requestBody"
    ].update(content={"application/json": {"schema": sent(new)}}),
}


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_a_client_is_named(name: str) -> None:
    change, said = BREAKING[name]
    new = copy.deepcopy(OLD)
    change(new)
    found = breaking_changes(OLD, new)
    assert found
    assert any(said in line for line in found), found


@pytest.mark.parametrize("name", HARMLESS)
def test_what_breaks_nobody_passes(name: str) -> None:
    new = copy.deepcopy(OLD)
    HARMLESS[name](new)
    assert breaking_changes(OLD, new) == []


def test_what_is_not_known_does_not_pass_unseen() -> None:
    new = copy.deepcopy(OLD)
    field(sent, "title", prefixItems=[])(new)
    with pytest.raises(NotImplementedError, match="prefixItems"):
        breaking_changes(OLD, new)
