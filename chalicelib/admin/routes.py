"""Puts the panel's views, and its files, on the Chalice app."""

from http import HTTPStatus

from chalice.app import Chalice, Response

from chalicelib.admin import answering, links, static_files
from chalicelib.admin.sections import SECTIONS
from chalicelib.api.problems import problem


def register_panel(app: Chalice) -> None:
    """Put every view of the panel on the app."""
    for section in SECTIONS:
        for view in section.views:
            answering.register(app, section, view)

    @app.route(f"/{links.PANEL}/static/{{file}}", name="panel_file")
    def read_file(file: str) -> Response:
        if (found := static_files.find(file)) is None:
            return problem(HTTPStatus.NOT_FOUND, f"There is no file {file!r}")
        headers: dict[str, str | list[str]] = {
            "Content-Type": static_files.CONTENT_TYPES[found.suffix],
            "Cache-Control": static_files.FOR_EVER,
            "X-Content-Type-Options": "nosniff",
        }
        return Response(found.read_text("utf-8"), headers)
