"""Applications: registered, rotated, disabled, limited to scopes; and how much they may ask for."""

import re
from typing import Any

import pytest

from chalicelib.domain.times import later
from chalicelib.services import applications, authentication
from chalicelib.services.administrators import create_administrator
from chalicelib.services.applications import change_rights, register_application
from chalicelib.services.rights import Scope
from tests.support.api import Api, basic, set_api_clock
from tests.support.aws import World
from tests.support.factories import START, user_id

PATH = "/api/v1/applications/"
NOTIFICATIONS = "/api/v1/notifications/"
HOUR = 3600


@pytest.fixture
def admin(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    set_api_clock(monkeypatch, world.clock)
    return Api(basic("anna", create_administrator("anna", START)))


def status(slug: str, password: str) -> int:
    return Api(f"{slug} {password}").get(NOTIFICATIONS).status


def test_a_password_is_shown_once(world: World, admin: Api) -> None:
    made = admin.post(PATH, {"slug": "shop"})
    assert made.status == 201
    password = made.json["password"]
    assert status("shop", password) == 200
    shown = admin.get(f"{PATH}shop/").json
    assert shown == {
        "slug": "shop",
        "scopes": ["read", "send"],
        "is_active": True,
        "created_at": "2026-11-23T10:00:00.000Z",
        "created_by": "administrator:anna",
        "last_used_at": "2026-11-23T10:00:00.000Z",
        "old_password_until": None,
    }
    assert password not in str(world.table("APPLICATIONS_TABLE"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "slug"),
        ({"slug": "Shop"}, "slug"),
        ({"slug": "a" * 65}, "slug"),
        ({"slug": "shop\n"}, "slug"),
        ({"slug": "bearer"}, "slug"),
        ({"slug": "shop", "scopes": []}, "scopes"),
        ({"slug": "shop", "scopes": ["everything"]}, "scopes.0"),
    ],
)
def test_a_wrong_application_is_refused(world: World, admin: Api, body: Any, field: str) -> None:
    answer = admin.post(PATH, body)
    assert (answer.status, list(answer.fields())) == (422, [field])
    assert not world.table("APPLICATIONS_TABLE")


def test_a_taken_slug_is_a_conflict(admin: Api) -> None:
    assert [admin.post(PATH, {"slug": "shop"}).status for _ in range(2)] == [201, 409]


def test_they_are_listed_by_slug_page_by_page(admin: Api) -> None:
    slugs = sorted(f"application-{number:02}" for number in range(25))
    for slug in reversed(slugs):
        register_application(slug, START)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = admin.get(f"{PATH}?limit=10{cursor and '&cursor=' + cursor}").json
        assert len(page["results"]) <= 10
        found += [each["slug"] for each in page["results"]]
        cursor = page["next"]
    assert found == slugs


@pytest.mark.parametrize("path", [f"{PATH}nobody/", f"{PATH}Not-A-Slug/"])
def test_who_is_not_there_is_not_found(admin: Api, path: str) -> None:
    assert admin.get(path).status == 404
    assert admin.patch(path, {"is_active": False}).status == 404
    assert admin.post(f"{path}rotate/", {}).status == 404


class TestRotation:
    def test_old_and_new_are_good_for_a_time(self, world: World, admin: Api) -> None:
        old = admin.post(PATH, {"slug": "shop"}).json["password"]
        rotated = admin.post(f"{PATH}shop/rotate/", {"keep_old_hours": 2}).json
        assert rotated["old_password_until"] == "2026-11-23T12:00:00.000Z"
        assert status("shop", old) == status("shop", rotated["password"]) == 200
        world.clock.advance(2 * HOUR - 1)
        assert status("shop", old) == 200
        world.clock.advance(1)
        assert (status("shop", old), status("shop", rotated["password"])) == (401, 200)

    def test_the_old_one_can_end_at_once(self, world: World, admin: Api) -> None:
        old = admin.post(PATH, {"slug": "shop"}).json["password"]
        new = admin.post(f"{PATH}shop/rotate/", {"keep_old_hours": 0}).json["password"]
        assert (status("shop", new), status("shop", old)) == (200, 401)

    def rotated_after(self, world: World, admin: Api, seconds: int) -> list[int]:
        """Who is let in by the first, the second and the third password."""
        passwords = [admin.post(PATH, {"slug": "shop"}).json["password"]]
        passwords.append(admin.post(f"{PATH}shop/rotate/", {}).json["password"])
        world.clock.advance(seconds)
        passwords.append(admin.post(f"{PATH}shop/rotate/", {}).json["password"])
        authentication.forget()
        return [status("shop", each) for each in passwords]

    def test_only_the_last_two_are_good(self, world: World, admin: Api) -> None:
        assert self.rotated_after(world, admin, 600) == [401, 200, 200]

    def test_repeated_after_a_lost_answer_the_one_in_use_stays_good(self, world: World, admin: Api) -> None:
        assert self.rotated_after(world, admin, 599) == [200, 401, 200]

    def test_repeated_when_the_old_one_was_ended_nothing_comes_back(self, world: World, admin: Api) -> None:
        first = admin.post(PATH, {"slug": "shop"}).json["password"]
        second = admin.post(f"{PATH}shop/rotate/", {"keep_old_hours": 0}).json["password"]
        third = admin.post(f"{PATH}shop/rotate/", {}).json["password"]
        assert [status("shop", each) for each in (first, second, third)] == [401, 200, 200]

    def test_of_two_at_once_one_is_refused(
        self, world: World, admin: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = admin.post(PATH, {"slug": "shop"}).json["password"]
        before = applications.find_application("shop")
        other = admin.post(f"{PATH}shop/rotate/", {}).json["password"]
        monkeypatch.setattr(applications, "find_application", lambda slug: before)  # it was read before
        assert admin.post(f"{PATH}shop/rotate/", {}).status == 409
        assert [status("shop", each) for each in (first, other)] == [200, 200]

    def test_a_lost_answer_gives_the_password_that_is_kept(self, world: World, admin: Api) -> None:
        admin.post(PATH, {"slug": "shop"})
        lost = world.database.lose_answers("UpdateItem", "applications")
        new = admin.post(f"{PATH}shop/rotate/", {}).json["password"]
        assert status("shop", new) == 200
        assert lost

    @pytest.mark.parametrize("hours", [-1, 169, "x", 1.5])
    def test_hours_have_limits(self, admin: Api, hours: Any) -> None:
        register_application("shop", START)
        answer = admin.post(f"{PATH}shop/rotate/", {"keep_old_hours": hours})
        assert list(answer.fields()) == ["keep_old_hours"]


class TestRights:
    def test_scopes_can_be_changed(self, world: World, admin: Api) -> None:
        password = admin.post(PATH, {"slug": "shop", "scopes": ["manage"]}).json["password"]
        assert status("shop", password) == 403
        assert admin.patch(f"{PATH}shop/", {"scopes": ["read"]}).json["scopes"] == ["read"]
        world.clock.advance(30)
        assert status("shop", password) == 200

    def test_who_is_disabled_stops_within_half_a_minute_everywhere(self, world: World, admin: Api) -> None:
        password = admin.post(PATH, {"slug": "shop"}).json["password"]
        assert status("shop", password) == 200
        assert admin.patch(f"{PATH}shop/", {"is_active": False}).json["is_active"] is False
        assert status("shop", password) == 200  # this function remembers
        world.clock.advance(30)
        assert status("shop", password) == 401
        admin.patch(f"{PATH}shop/", {"is_active": True})
        assert status("shop", password) == 200

    def test_what_is_left_out_stays(self, admin: Api) -> None:
        register_application("shop", START, [Scope.MANAGE])
        assert admin.patch(f"{PATH}shop/", {}).json["scopes"] == ["manage"]

    def test_a_change_of_who_is_not_there_makes_nobody(self, world: World) -> None:
        with pytest.raises(Exception, match="no such application"):
            change_rights("nobody", [Scope.SEND], False)
        assert not world.table("APPLICATIONS_TABLE")


class TestRateLimit:
    @pytest.fixture
    def shop(self, world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
        set_api_clock(monkeypatch, world.clock)
        world.configure("RATE_LIMIT_PER_MINUTE", "40")
        return Api(f"shop {register_application('shop', START).password}")

    def test_so_many_in_a_minute_and_then_429(self, world: World, shop: Api) -> None:
        world.clock.advance(15)
        answers = [shop.get(NOTIFICATIONS) for _ in range(42)]
        assert [answer.status for answer in answers] == [200] * 40 + [429] * 2
        assert answers[0].headers["RateLimit-Policy"] == '"application";q=40;w=60'
        left = [re.fullmatch(r'"application";r=(\d+);t=45', a.headers["RateLimit"]) for a in answers[:40]]
        assert [int(match[1]) for match in left if match] == list(range(39, -1, -1))
        assert answers[40].headers["Retry-After"] == "45"
        assert answers[40].headers["RateLimit"] == '"application";r=0;t=45'
        world.clock.advance(45)
        assert shop.get(NOTIFICATIONS).status == 200

    def test_two_functions_have_one_limit(self, world: World, shop: Api) -> None:
        from chalicelib.services import rate_limits

        served = 0
        for _ in range(12):  # each a function of its own, with five requests
            rate_limits.forget()
            served += [shop.get(NOTIFICATIONS).status for _ in range(5)].count(200)
        assert 34 <= served <= 40  # what a function took and did not use is lost

    def test_many_functions_that_are_asked_a_few_times_each_lose_little(
        self, world: World, shop: Api
    ) -> None:
        from chalicelib.services import rate_limits

        world.configure("RATE_LIMIT_PER_MINUTE", "600")
        served = []
        for _ in range(100):
            rate_limits.forget()
            served += [shop.get(NOTIFICATIONS).status for _ in range(2)]
        assert served == [200] * 200

    def test_a_function_that_is_asked_now_and_then_keeps_what_it_took(self, world: World, shop: Api) -> None:
        world.configure("RATE_LIMIT_PER_MINUTE", "80")
        world.database.requests.clear()
        for _ in range(4):
            assert shop.get(NOTIFICATIONS).status == 200
            world.clock.advance(14)
        assert world.database.requests["UpdateItem"] == 2  # one block, and the first finds a new minute

    def test_a_function_whose_clock_is_behind_has_the_limit_too(self, world: World, shop: Api) -> None:
        from chalicelib.services import rate_limits

        now = later(world.clock(), 60)
        rate_limits.take("shop", now)  # another function, already in the next minute
        rate_limits.forget()
        assert [shop.get(NOTIFICATIONS).status for _ in range(60)].count(200) <= 40

    def test_a_refused_one_costs_nothing(self, world: World, shop: Api) -> None:
        for _ in range(41):
            shop.get(NOTIFICATIONS)
        before = world.database.requests.total()
        assert [shop.get(NOTIFICATIONS).status for _ in range(5)] == [429] * 5
        assert world.database.requests.total() == before

    def test_it_costs_a_twentieth_of_a_request(self, world: World, shop: Api) -> None:
        for _ in range(40):
            shop.get(NOTIFICATIONS)
        assert world.database.requests["UpdateItem"] == 20 + 1  # the first finds that the minute is new
        assert world.database.requests["GetItem"] == 1

    def test_a_wrong_password_uses_none_up(self, world: World, shop: Api) -> None:
        for _ in range(41):
            assert status("shop", "wrong") == 401
        assert shop.get(NOTIFICATIONS).status == 200

    def test_without_a_limit_there_is_none(self, world: World, shop: Api) -> None:
        world.configure("RATE_LIMIT_PER_MINUTE", "0")
        answers = [shop.get(NOTIFICATIONS) for _ in range(50)]
        assert {answer.status for answer in answers} == {200}
        assert "RateLimit" not in answers[0].headers

    def test_what_cannot_be_counted_is_let_through(self, world: World, shop: Api) -> None:
        world.database.fail("UpdateItem", times=10)
        assert shop.get(NOTIFICATIONS).status == 200

    def test_an_administrator_has_none(self, world: World, shop: Api) -> None:
        admin = Api(basic("anna", create_administrator("anna", START)))
        assert {admin.get(NOTIFICATIONS).status for _ in range(45)} == {200}


def test_a_caller_who_was_checked_a_moment_ago_costs_no_request(world: World, admin: Api) -> None:
    shop = Api(f"shop {register_application('shop', START).password}")
    body = {"type": "mail", "title": "Hello", "text": "Text", "users": [user_id(1)]}
    seen = []
    for _ in range(2):
        world.database.requests.clear()
        assert shop.post(NOTIFICATIONS, body).status == 201
        seen.append(dict(world.database.requests))
    first, second = seen
    # The row of the application, and its requests of this minute: a new one is begun by a second write.
    assert first["GetItem"] - second.get("GetItem", 0) == 1
    assert first["UpdateItem"] - second["UpdateItem"] == 2
