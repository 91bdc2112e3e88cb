"""The OpenAPI schema: valid, served, and the one in docs."""

import json
from pathlib import Path

from openapi_spec_validator import validate

from chalicelib.api import openapi
from chalicelib.api.resources import ENDPOINTS
from tests.support.api import Api
from tests.support.aws import World

GOLDEN = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_is_valid() -> None:
    validate(openapi.document(ENDPOINTS))


def test_is_the_documented_one() -> None:
    """A change of the public contract is seen: `make openapi` writes it anew."""
    assert json.loads(GOLDEN.read_text()) == json.loads(json.dumps(openapi.document(ENDPOINTS)))


def test_is_served() -> None:
    answer = Api().get("/api/schema/")
    assert (answer.status, answer.json["openapi"]) == (200, "3.1.0")


def test_every_route_is_in_it() -> None:
    from app import app

    routes = {(method.lower(), f"{path}/") for path, methods in app.routes.items() for method in methods} - {
        ("get", "/api/schema/")
    }
    routes = {(method, path) for method, path in routes if method != "options"}
    documented = {
        (method, path) for path, methods in openapi.document(ENDPOINTS)["paths"].items() for method in methods
    }
    assert routes == documented


def test_every_field_that_a_client_sends_says_its_limit() -> None:
    fields = openapi.document(ENDPOINTS)["components"]["schemas"]["NewNotification"]["properties"]
    assert fields["title"]["maxLength"] == 200
    assert fields["text"]["maxLength"] == 50_000
    assert fields["users"]["maxItems"] == 100_000
    assert fields["type"]["enum"] == ["mail"]


def test_health_needs_no_rights(world: World) -> None:
    assert Api().get("/api/v1/health/").json == {"status": "ok"}
