"""The signed link: looking changes nothing, a POST unsubscribes."""

import uuid

import pytest

from chalicelib import security, settings
from chalicelib.tables.unsubscribes import Unsubscribe
from tests.support.api import PROBLEM, Api
from tests.support.aws import World

USER = str(uuid.uuid4())


@pytest.fixture
def path(world: World) -> str:
    secret = security.read_secret(settings.current().link_secret)
    return f"/api/v1/unsubscribes/link/{security.sign_unsubscribe_link(secret, USER, 'mail')}/"


def scopes() -> set[str]:
    found = Unsubscribe.one(USER, consistent=True)
    return set(found.scopes) if found else set()


@pytest.mark.parametrize(
    ("language", "button"),
    [("ru-RU,ru;q=0.9,en;q=0.8", "Отписаться"), ("de, en", "Unsubscribe"), ("", "Unsubscribe")],
)
def test_looking_shows_a_button_and_changes_nothing(
    world: World, path: str, language: str, button: str
) -> None:
    answer = Api().get(path, {"Accept-Language": language})
    page = answer.body.decode()
    assert answer.status == 200
    assert f'<button type="submit">{button}</button>' in page
    assert '<form method="post">' in page
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert scopes() == set()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
        ),
    ],
)
def test_a_post_unsubscribes_from_the_channel_however_often(
    world: World, path: str, content_type: str, body: bytes
) -> None:
    for _ in range(2):
        assert Api().post(path, body, {"Content-Type": content_type}).status == 200
    assert scopes() == {"mail"}


def test_a_link_that_was_not_signed_here_is_not_found(world: World, path: str) -> None:
    for wrong in (
        path[:-3] + "xx/",
        "/api/v1/unsubscribes/link/x/",
        "/api/v1/unsubscribes/link/" + "a" * 300 + "/",
    ):
        for answer in (Api().get(wrong), Api().post(wrong, b"")):
            assert (answer.status, answer.content_type) == (404, PROBLEM)
    assert len(world.table("UNSUBSCRIBES_TABLE")) == 0
