"""Puts the API's resources, and their schema, on the Chalice app."""

import json
from functools import cache

from chalice.app import Chalice, Response

from chalicelib.api import openapi
from chalicelib.api.cors import register_preflights
from chalicelib.api.requests import register
from chalicelib.api.resources import ENDPOINTS


def register_routes(app: Chalice) -> None:
    """Put every resource of the HTTP API on the app."""
    for endpoint in ENDPOINTS:
        register(app, endpoint)
    register_preflights(app, ENDPOINTS)

    @app.route("/api/schema")
    def read_schema() -> Response:
        return Response(_schema(), {"Content-Type": "application/vnd.oai.openapi+json;version=3.1"})


@cache
def _schema() -> str:
    return json.dumps(openapi.document(ENDPOINTS), ensure_ascii=False)
