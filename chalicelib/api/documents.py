"""/api/schema/…: the OpenAPI schema, and two pages that show it.

Nothing of the pages comes from elsewhere, and they work wherever the API is: their addresses are relative to
their own, with and without its last slash, and their scripts take the API's address from it.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from chalice.app import Chalice, Response

from chalicelib import settings
from chalicelib.api import cors, openapi
from chalicelib.api.endpoints import Endpoint
from chalicelib.api.problems import problem

PATH = "/api/schema"
STATIC = Path(__file__).with_name("static")
FOR_EVER = "public, max-age=31536000, immutable"

_Headers = dict[str, str | list[str]]


class Show(NamedTuple):
    """A page that shows the schema."""

    title: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...]
    policy: str


_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

PAGES = {
    "swagger-ui": Show(
        "Vestnik: Swagger UI",
        ("page.css", "libraries/swagger-ui.css"),
        ("libraries/swagger-ui.js", "schema.js", "swagger-ui.page.js"),
        f"{_POLICY}; style-src 'self'",
    ),
    "redoc": Show(
        "Vestnik: Redoc",
        ("page.css",),
        ("libraries/redoc.js", "schema.js", "redoc.page.js"),
        # It writes its styles into the page as it runs, and searches in a worker that its script makes.
        f"{_POLICY}; style-src 'self' 'unsafe-inline'; worker-src blob:",
    ),
}

_CONTENT_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


def register_documents(app: Chalice, endpoints: Sequence[Endpoint]) -> None:
    """Put the schema and its pages on the app."""

    @cache
    def schema(server: str) -> str:
        return json.dumps(openapi.document(endpoints, server), ensure_ascii=False)

    @app.route(PATH, name="read_schema")
    def read_schema() -> Response:
        assert app.current_request is not None
        return _answer(
            schema(settings.current().public_url),
            "application/vnd.oai.openapi+json;version=3.1",
            "no-cache",
            cors.headers(app.current_request.headers.get("origin")),
        )

    for name in PAGES:
        _register_page(app, name)


def _register_page(app: Chalice, name: str) -> None:
    @app.route(f"{PATH}/{name}", name=f"show_{name}")
    def show_page() -> Response:
        headers: _Headers = {
            "Content-Security-Policy": PAGES[name].policy,
            "Referrer-Policy": "no-referrer",
        }
        return _answer(_html(name), "text/html; charset=utf-8", "no-cache", headers)

    # The page names "<its name>.files/…": that is beside it without its last slash, and below it with one.
    for path in (f"{PATH}/{name}.files/{{file}}", f"{PATH}/{name}/{name}.files/{{file}}"):

        @app.route(path, name=f"read_file_of_{name}")
        def read_file(file: str) -> Response:
            if (found := _files(name).get(file)) is None:
                return problem(HTTPStatus.NOT_FOUND, f"There is no file {file!r}")
            return _answer(found.read_text("utf-8"), _CONTENT_TYPES[found.suffix], FOR_EVER)


def _answer(text: str, content_type: str, kept: str, more: _Headers | None = None) -> Response:
    headers: _Headers = {"Content-Type": content_type, "Cache-Control": kept}
    return Response(text, headers | {"X-Content-Type-Options": "nosniff"} | (more or {}))


@cache
def _files(name: str) -> dict[str, Path]:
    """The files of a page by their names in its addresses, which change with their content."""
    page = PAGES[name]
    return {_address(STATIC / file): STATIC / file for file in (*page.styles, *page.scripts)}


def _address(file: Path) -> str:
    return f"{file.stem}.{hashlib.sha256(file.read_bytes()).hexdigest()[:16]}{file.suffix}"


@cache
def _html(name: str) -> str:
    page = PAGES[name]
    addresses = [f"{name}.files/{address}" for address in _files(name)]
    styles = [
        f'<link rel="stylesheet" href="{address}">' for address in addresses if address.endswith(".css")
    ]
    scripts = [f'<script defer src="{address}"></script>' for address in addresses if address.endswith(".js")]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(page.title)}</title>",
            '<link rel="icon" href="data:,">',
            *styles,
            *scripts,
            '<body><main id="page"></main><noscript>This page needs JavaScript.</noscript></body>',
            "</html>",
            "",
        ]
    )
