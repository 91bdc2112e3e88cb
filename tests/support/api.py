"""The real Chalice app, asked as API Gateway would ask it, without a network."""

import base64
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from chalice.test import Client

from chalicelib.domain.times import Clock
from chalicelib.services.authentication import authenticate
from chalicelib.services.rights import Principal
from tests.support.factories import START

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "")

    def fields(self) -> dict[str, str]:
        """The field errors of a problem: field -> reason."""
        assert self.content_type == PROBLEM, self.content_type
        assert self.json["status"] == self.status
        return {each["field"]: each["reason"] for each in self.json["errors"]}


class Api:
    """A client of the app; `authorization` is sent with each request unless it is overridden."""

    def __init__(self, authorization: str | None = None) -> None:
        from app import app

        self._app = app
        self.authorization = authorization

    def request(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        sent: dict[str, str | None] = {
            "Content-Type": "application/json",
            "Authorization": self.authorization,
        }
        sent |= dict(headers or {})
        with Client(self._app) as client:
            response = client.http.request(
                method,
                path,
                headers={name: value for name, value in sent.items() if value is not None},
                body=body,
            )
        return Answer(response.status_code, response.headers, response.body)

    def post(self, path: str, body: Any, headers: Mapping[str, str | None] | None = None) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, body=raw, headers=headers)

    def put(self, path: str, body: Any, headers: Mapping[str, str | None] | None = None) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("PUT", path, body=raw, headers=headers)

    def patch(self, path: str, body: Any, headers: Mapping[str, str | None] | None = None) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("PATCH", path, body=raw, headers=headers)

    def delete(self, path: str, headers: Mapping[str, str | None] | None = None) -> Answer:
        return self.request("DELETE", path, headers=headers)

    def get(self, path: str, headers: Mapping[str, str | None] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)


def basic(login: str, password: str) -> str:
    """An Authorization header of an administrator."""
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


def principal(authorization: str, now: datetime = START) -> Principal:
    """Whom the service takes somebody for."""
    return authenticate(authorization, "192.0.2.1", now).principal


def set_api_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Have the whole API go by a clock that a test moves."""
    Api()  # so that all of it is loaded
    for name, module in list(sys.modules.items()):
        if name.startswith(("chalicelib.api.", "chalicelib.admin.")) and hasattr(module, "utc_now"):
            monkeypatch.setattr(module, "utc_now", clock)
