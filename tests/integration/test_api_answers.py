"""What every answer has: a request id that the logs have too, and what a web page of another origin needs."""

import io
import json
import uuid
from typing import Any

import pytest

from chalicelib.observability import logger
from chalicelib.services.applications import register_application
from tests.support.api import Api, set_api_clock
from tests.support.aws import World
from tests.support.factories import START

NOTIFICATIONS = "/api/v1/notifications/"
SHOP_PAGE = "https://shop.example"


@pytest.fixture
def shop(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    set_api_clock(monkeypatch, world.clock)
    return Api(f"shop {register_application('shop', START).password}")


def test_every_answer_has_a_request_id_of_its_own(world: World, shop: Api) -> None:
    answers = [
        shop.get(NOTIFICATIONS),
        shop.get(f"{NOTIFICATIONS}nonsense/"),
        Api().get(NOTIFICATIONS),
        shop.post(NOTIFICATIONS, b"{"),
        Api().get("/api/v1/health/"),
    ]
    assert [answer.status for answer in answers] == [200, 404, 401, 400, 200]
    ids = {uuid.UUID(answer.headers["X-Request-Id"]) for answer in answers}
    assert len(ids) == len(answers)


def test_the_logs_have_it_too(world: World, shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    body = {"type": "mail", "title": "Hello", "text": "Text", "users": [str(uuid.uuid4())]}
    answer = shop.post(NOTIFICATIONS, body)
    logged: list[dict[str, Any]] = [json.loads(line) for line in log.getvalue().splitlines()]
    accepted = [line for line in logged if line["message"] == "accepted"]
    assert [line["request_id"] for line in accepted] == [answer.headers["X-Request-Id"]]


HALF = b'"half \\ud800"'
"""Half a character, as JSON can write it. Neither DynamoDB nor an answer can."""


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (NOTIFICATIONS, b'{"type": "mail", "text": "x", "users": [], "title": %b}'),
        (NOTIFICATIONS, b'{"type": "mail", "title": "x", "users": [], "text": %b}'),
        (NOTIFICATIONS, b'{"type": "mail", "title": "x", "text": "x", "users": [], "content_id": %b}'),
        (NOTIFICATIONS, b'{"type": "mail", "title": "x", "text": "x", "users": [], %b: 1}'),
        ("/api/v1/audiences/", b'{"name": %b}'),
        ("/api/v1/user_token/", b'{"username": %b, "password": "x"}'),
        ("/api/v1/user_token/", b'{"username": "anna", "password": %b}'),
    ],
)
def test_half_a_character_is_refused(world: World, shop: Api, path: str, body: bytes) -> None:
    assert shop.post(path, body % HALF).status == 400
    assert not world.table("ATTEMPTS_TABLE")


class TestCors:
    def asked(self, path: str, origin: str | None = SHOP_PAGE) -> tuple[int, dict[str, str]]:
        headers: dict[str, str | None] = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = Api().request("OPTIONS", path, headers=headers)
        return answer.status, {
            name: value
            for name, value in answer.headers.items()
            if name.startswith("Access-Control") or name in ("Vary", "Allow")
        }

    def test_by_default_there_is_none(self, world: World) -> None:
        assert self.asked(NOTIFICATIONS) == (204, {"Allow": "GET, POST, OPTIONS"})

    def test_a_page_that_is_named_may_call(self, world: World, shop: Api) -> None:
        world.configure("CORS_ORIGINS", f"https://panel.example, {SHOP_PAGE}")
        status, headers = self.asked(NOTIFICATIONS)
        assert (status, headers["Access-Control-Allow-Origin"]) == (204, SHOP_PAGE)
        assert headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
        assert "Authorization" in headers["Access-Control-Allow-Headers"]
        assert headers["Vary"] == "Origin"
        for status, answer in [
            (200, shop.get(NOTIFICATIONS, {"Origin": SHOP_PAGE})),
            (401, Api().get(NOTIFICATIONS, {"Origin": SHOP_PAGE})),
        ]:
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, SHOP_PAGE)
            assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]

    def test_another_page_may_not(self, world: World, shop: Api) -> None:
        world.configure("CORS_ORIGINS", "https://panel.example")
        assert self.asked(NOTIFICATIONS) == (204, {"Allow": "GET, POST, OPTIONS", "Vary": "Origin"})
        answer = shop.get(NOTIFICATIONS, {"Origin": SHOP_PAGE})
        assert "Access-Control-Allow-Origin" not in answer.headers

    def test_all_may(self, world: World) -> None:
        world.configure("CORS_ORIGINS", "*")
        for origin in (SHOP_PAGE, None):
            assert self.asked(NOTIFICATIONS, origin)[1]["Access-Control-Allow-Origin"] == "*"

    def test_a_path_with_parameters_has_a_preflight(self, world: World) -> None:
        world.configure("CORS_ORIGINS", "*")
        path = f"/api/v1/unsubscribes/{uuid.uuid4()}/"
        assert self.asked(path)[1]["Access-Control-Allow-Methods"] == "DELETE, GET, OPTIONS"
