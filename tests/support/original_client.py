"""A client of the original service, written from its paths, bodies and headers alone.

Nothing here knows Vestnik: what it sends is what programs sent before there was one.
"""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Said:
    """A status, and the JSON that came with it."""

    status: int
    json: Any


class OriginalClient:
    """Speaks to the API at an address."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")

    def user_token(self, username: str, password: str) -> Said:
        return self._call("POST", "/api/v1/user_token/", {"username": username, "password": password})

    def refresh_token(self, refresh: str) -> Said:
        return self._call("POST", "/api/v1/user_token/refresh/", {"refresh": refresh})

    def register_application(self, access: str, slug: str) -> Said:
        return self._call("POST", "/api/v1/applications/", {"slug": slug}, f"Bearer {access}")

    def create_notification(self, slug: str, password: str, **notification: Any) -> Said:
        return self._call("POST", "/api/v1/notifications/", notification, f"{slug} {password}")

    def users_notifications(self, user_id: str, token: str, page: int | None = None) -> Said:
        query = f"?page={page}" if page else ""
        return self._call("GET", f"/api/v1/users_notifications/user/{user_id}/{query}", None, token)

    def follow(self, url: str, token: str) -> Said:
        """The next or previous page, by the address that an answer gave."""
        return self._call("GET", url, None, token)

    def unsubscribe(self, user_id: str, token: str) -> Said:
        return self._call("POST", "/api/v1/unsubscribes/", {"user_id": user_id}, token)

    def subscribe(self, user_id: str, token: str) -> Said:
        return self._call("DELETE", f"/api/v1/unsubscribes/{user_id}/", None, token)

    def _call(self, method: str, path: str, body: Any = None, authorization: str | None = None) -> Said:
        request = urllib.request.Request(
            path if path.startswith("http") else self._address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if authorization is not None:
            request.add_header("Authorization", authorization)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return _said(answer.status, answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return _said(refused.code, refused.read())


def _said(status: int, body: bytes) -> Said:
    return Said(status, json.loads(body) if body else None)
