"""Which resources the API has."""

from chalice.app import Chalice


def register_routes(app: Chalice) -> None:
    """Put every resource of the HTTP API on the app."""

    @app.route("/api/v1/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}
