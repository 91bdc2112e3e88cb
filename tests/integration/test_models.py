"""The models and the template speak of the same tables."""

from typing import Any

import pytest
from pynamodb.attributes import Attribute

# Each module defines its model, which the base then knows.
from chalicelib.tables import (  # noqa: F401
    activity,
    audience_headers,
    audiences,
    base,
    contacts,
    dispatches,
    frequencies,
    notifications,
    principals,
    progress,
    requests,
    unsubscribes,
    users_notifications,
)
from infra.definitions import table_definitions

DEFINITIONS = table_definitions()
MODELS = [model for model in base.Table.__subclasses__() if model.__module__.startswith("chalicelib")]


def models(variable: str) -> list[type[base.Table]]:
    """The models of a table: audiences have two, of their headers and of their chunks."""
    return [model for model in MODELS if model.table_variable == variable]


def keys(attributes: dict[str, Attribute[Any]]) -> list[dict[str, str]]:
    """The key schema that attributes say."""
    hashes = [name for name, attribute in attributes.items() if attribute.is_hash_key]
    ranges = [name for name, attribute in attributes.items() if attribute.is_range_key]
    return [
        *({"AttributeName": name, "KeyType": "HASH"} for name in hashes),
        *({"AttributeName": name, "KeyType": "RANGE"} for name in ranges),
    ]


def indexes(model: type[base.Table]) -> dict[str, Any]:
    return {str(index.Meta.index_name): index for index in model._indexes.values()}


def test_each_table_has_a_model() -> None:
    assert {model.table_variable for model in MODELS} == DEFINITIONS.keys()


@pytest.mark.parametrize("variable", DEFINITIONS)
def test_keys_are_the_same(variable: str) -> None:
    for model in models(variable):
        assert keys(model.get_attributes()) == DEFINITIONS[variable]["KeySchema"]


@pytest.mark.parametrize("variable", DEFINITIONS)
def test_indexes_are_the_same(variable: str) -> None:
    defined = {each["IndexName"]: each for each in DEFINITIONS[variable].get("GlobalSecondaryIndexes", [])}
    for model in models(variable):
        found = indexes(model)
        assert found.keys() == defined.keys()
        for name, index in found.items():
            assert keys(index.Meta.attributes) == defined[name]["KeySchema"]
            projection = {"ProjectionType": index.Meta.projection.projection_type}
            assert defined[name]["Projection"] == projection == {"ProjectionType": "KEYS_ONLY"}


@pytest.mark.parametrize("variable", DEFINITIONS)
def test_types_are_the_same(variable: str) -> None:
    for defined in DEFINITIONS[variable]["AttributeDefinitions"]:
        name, kind = defined["AttributeName"], defined["AttributeType"]
        having = [model.get_attributes() for model in models(variable)]
        having += [index.Meta.attributes for model in models(variable) for index in indexes(model).values()]
        types = [attributes[name].attr_type for attributes in having if name in attributes]
        assert any(name in model.get_attributes() for model in models(variable))
        assert set(types) == {kind}


@pytest.mark.parametrize("variable", DEFINITIONS)
def test_what_expires_is_a_number_of_the_model(variable: str) -> None:
    expiry = DEFINITIONS[variable].get("TimeToLiveSpecification", {}).get("AttributeName")
    assert expiry in (None, "expires_at")
    for model in models(variable):
        attributes = model.get_attributes()
        assert ("expires_at" in attributes) == (expiry is not None)
        if expiry:
            assert attributes[expiry].attr_type == "N"
