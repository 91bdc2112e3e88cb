"""CORS: which web pages may call the API.

Declared in code: emulators have none of the mock integrations by which API Gateway answers a preflight.
"""

from collections.abc import Iterable

from chalice.app import Chalice, Request, Response

from chalicelib import settings
from chalicelib.api.endpoints import Endpoint

ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match"
EXPOSED_HEADERS = "RateLimit, RateLimit-Policy, Retry-After, X-Correlation-Id, X-Request-Id"
MAX_AGE_SECONDS = 600


def headers(origin: str | None) -> dict[str, str | list[str]]:
    """What an answer to a page of this origin carries. No cookie is ever asked for."""
    allowed = settings.current().cors_origins
    if not allowed:
        return {}
    if "*" in allowed:
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED_HEADERS}
    if origin not in allowed:
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": str(origin),
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        "Vary": "Origin",
    }


def register_preflights(app: Chalice, endpoints: Iterable[Endpoint]) -> None:
    """Put an OPTIONS route beside those of every path."""
    methods: dict[str, list[str]] = {}
    for endpoint in endpoints:
        methods.setdefault(endpoint.path, []).append(endpoint.method)
    for path, of_path in methods.items():
        _register(app, path, ", ".join([*sorted(of_path), "OPTIONS"]))


def _register(app: Chalice, path: str, methods: str) -> None:
    def preflight(**_: str) -> Response:
        assert app.current_request is not None
        return _preflight(app.current_request, methods)

    app.route(path, methods=["OPTIONS"], content_types=["*/*"], name=f"preflight {path}")(preflight)


def _preflight(request: Request, methods: str) -> Response:
    allowed = headers(request.headers.get("origin"))
    if "Access-Control-Allow-Origin" in allowed:
        allowed |= {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
        }
    return Response("", {"Allow": methods, **allowed}, 204)
