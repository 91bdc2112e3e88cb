"""Unsubscribe by the API, and by the signed link: looking changes nothing, a POST unsubscribes."""

import uuid
from typing import Any

import pytest

from chalicelib import security, settings
from chalicelib.domain.times import later, utc_now
from chalicelib.services.applications import register_application
from chalicelib.services.rights import Scope
from chalicelib.tables.unsubscribes import (
    Unsubscribe,
    add_scope,
    end_erasure,
    find,
    remove_scope,
    set_tombstone,
)
from tests.support.api import PROBLEM, Api
from tests.support.aws import World

USER = str(uuid.uuid4())


@pytest.fixture
def path(world: World) -> str:
    secret = security.read_secret(settings.current().link_secret)
    return f"/api/v1/unsubscribes/link/{security.sign_unsubscribe_link(secret, USER, 'mail')}/"


def scopes() -> set[str]:
    found = Unsubscribe.one(USER, consistent=True)
    return set(found.scopes or ()) if found else set()


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


class TestApi:
    PATH = "/api/v1/unsubscribes/"

    @pytest.fixture
    def manager(self, world: World) -> Api:
        return Api(f"crm {register_application('crm', utc_now(), [Scope.MANAGE]).password}")

    def test_of_everything_and_back(self, manager: Api) -> None:
        for _ in range(2):
            answer = manager.post(self.PATH, {"user_id": USER})
            assert (answer.status, answer.json["channels"]) == (201, ["*"])
        assert manager.get(f"{self.PATH}{USER}/").json["channels"] == ["*"]
        for _ in range(2):
            assert manager.delete(f"{self.PATH}{USER}/").status == 204
        assert manager.get(f"{self.PATH}{USER}/").status == 404
        assert scopes() == set()

    def test_of_one_channel_and_back(self, manager: Api) -> None:
        assert manager.post(self.PATH, {"user_id": USER, "channel": "mail"}).json["channels"] == ["mail"]
        assert manager.post(self.PATH, {"user_id": USER}).json["channels"] == ["*", "mail"]
        assert manager.delete(f"{self.PATH}{USER}/?channel=mail").status == 204
        assert scopes() == {"*"}

    def test_a_user_in_another_spelling_is_the_same(self, manager: Api) -> None:
        manager.post(self.PATH, {"user_id": uuid.UUID(USER).hex.upper()})
        assert manager.get(f"{self.PATH}{uuid.UUID(USER).hex}/").json["user_id"] == USER

    def test_nothing_is_sent_to_who_has_unsubscribed(self, world: World, manager: Api) -> None:
        world.knows([USER])
        manager.post(self.PATH, {"user_id": USER})
        dispatch = world.submit([USER])
        world.settle()
        assert world.counts(dispatch) == {"unsubscribed": 1}
        manager.delete(f"{self.PATH}{USER}/")
        dispatch = world.submit([USER])
        world.settle()
        assert world.counts(dispatch) == {"sent": 1}

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "user_id"),
            ({"user_id": "nobody"}, "user_id"),
            ({"user_id": USER, "channel": "pigeon"}, "channel"),
            ({"user_id": USER, "channel": "x" * 33}, "channel"),
        ],
    )
    def test_a_wrong_refusal_is_refused(self, world: World, manager: Api, body: Any, field: str) -> None:
        answer = manager.post(self.PATH, body)
        assert (answer.status, list(answer.fields())) == (422, [field])
        assert not world.table("UNSUBSCRIBES_TABLE")

    def test_they_are_listed_the_last_changed_first(self, world: World, manager: Api) -> None:
        users = [str(uuid.uuid4()) for _ in range(25)]
        for number, user in enumerate(users):
            add_scope(user, "mail", later(utc_now(), number))
        remove_scope(users[3], None, utc_now())
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = manager.get(f"{self.PATH}?limit=10{cursor and '&cursor=' + cursor}").json
            found += [each["user_id"] for each in page["results"]]
            cursor = page["next"]
        assert found == [user for user in reversed(users) if user != users[3]]

    @pytest.mark.parametrize("everything", ["", "?channel=*"])
    def test_who_is_erased_comes_back_when_the_erasure_has_ended(
        self, world: World, manager: Api, everything: str
    ) -> None:
        set_tombstone(USER, utc_now())
        assert manager.get(f"{self.PATH}{USER}/").json["is_erased"] is True
        assert manager.delete(f"{self.PATH}{USER}/{everything}").status == 409
        tombstone = find(USER)
        assert tombstone
        end_erasure(tombstone)
        assert manager.delete(f"{self.PATH}{USER}/?channel=mail").status == 204
        assert scopes() == {"*"}  # one channel is not everything
        assert manager.delete(f"{self.PATH}{USER}/{everything}").status == 204
        assert manager.get(f"{self.PATH}{USER}/").status == 404
