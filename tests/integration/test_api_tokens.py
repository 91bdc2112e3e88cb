"""Log in, get further tokens, change the password; and how often somebody may guess."""

import json
from typing import Any

import boto3
import pytest

from chalicelib import security, settings
from chalicelib.services import authentication, login_attempts
from chalicelib.services.administrators import change_password, create_administrator
from chalicelib.services.errors import NotAuthenticatedError, TooManyRequestsError
from chalicelib.tables.principals import Administrator
from tests.support.api import Answer, Api, basic, set_api_clock
from tests.support.aws import World
from tests.support.factories import START

PASSWORD = "correct horse battery staple"
OTHER = "battery staple correct horse"
MINUTE = 60
DAY = 86_400


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    create_administrator("anna", START, PASSWORD)
    set_api_clock(monkeypatch, world.clock)
    return Api()


def log_in(api: Api, password: str = PASSWORD, login: str = "anna") -> Answer:
    return api.post("/api/v1/user_token/", {"username": login, "password": password})


def refresh(api: Api, token: str) -> Answer:
    return api.post("/api/v1/user_token/refresh/", {"refresh": token})


def may_read(api: Api, authorization: str) -> int:
    return api.get("/api/v1/notifications/", {"Authorization": authorization}).status


def test_a_log_in_gives_a_short_and_a_long_token(world: World, api: Api) -> None:
    tokens = log_in(api).json
    assert may_read(api, f"Bearer {tokens['access']}") == 200
    world.clock.advance(15 * MINUTE)
    assert may_read(api, f"Bearer {tokens['access']}") == 401
    further = refresh(api, tokens["refresh"])
    assert (further.status, further.json.keys()) == (200, {"access"})
    assert may_read(api, f"Bearer {further.json['access']}") == 200
    world.clock.advance(7 * DAY)
    assert refresh(api, tokens["refresh"]).status == 401


def test_each_token_is_for_its_own_use(api: Api) -> None:
    tokens = log_in(api).json
    assert may_read(api, f"Bearer {tokens['refresh']}") == 401
    assert refresh(api, tokens["access"]).status == 401


def test_times_are_settings(world: World, api: Api) -> None:
    world.configure("ACCESS_TOKEN_MINUTES", "60")
    world.configure("REFRESH_TOKEN_DAYS", "30")
    tokens = log_in(api).json
    world.clock.advance(59 * MINUTE)
    assert may_read(api, f"Bearer {tokens['access']}") == 200
    world.clock.advance(29 * DAY)
    assert refresh(api, tokens["refresh"]).status == 200


@pytest.mark.parametrize(("login", "password"), [("anna", OTHER), ("boris", PASSWORD), ("../x", PASSWORD)])
def test_a_wrong_log_in_does_not_say_what_was_wrong(api: Api, login: str, password: str) -> None:
    answer = log_in(api, password, login)
    assert (answer.status, answer.json["detail"]) == (401, "unknown login or wrong password")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "anna"}, "password"),
        ({"password": "x"}, "username"),
        ({"username": 7, "password": "x"}, "username"),
        ({"username": "a" * 65, "password": "x"}, "username"),
        ({"username": "anna", "password": "x" * 257}, "password"),
    ],
)
def test_a_log_in_without_its_form_is_refused(world: World, api: Api, body: Any, field: str) -> None:
    answer = api.post("/api/v1/user_token/", body)
    assert (answer.status, list(answer.fields())) == (422, [field])
    assert not world.table("ATTEMPTS_TABLE")


def test_a_new_password_ends_every_token(world: World, api: Api) -> None:
    tokens = log_in(api).json
    body = {"username": "anna", "password": PASSWORD, "new_password": OTHER}
    assert api.post("/api/v1/user_password/", body).status == 204
    assert may_read(api, f"Bearer {tokens['access']}") == 401
    assert refresh(api, tokens["refresh"]).status == 401
    assert log_in(api).status == 401
    assert may_read(api, f"Bearer {log_in(api, OTHER).json['access']}") == 200


def test_another_function_learns_of_a_new_password_within_half_a_minute(world: World, api: Api) -> None:
    token = log_in(api).json["access"]
    assert may_read(api, f"Bearer {token}") == may_read(api, basic("anna", PASSWORD)) == 200
    change_password("anna", OTHER)  # elsewhere
    world.clock.advance(29)
    assert may_read(api, f"Bearer {token}") == may_read(api, basic("anna", PASSWORD)) == 200
    world.clock.advance(1)
    assert may_read(api, f"Bearer {token}") == may_read(api, basic("anna", PASSWORD)) == 401


@pytest.mark.parametrize("wrong", ["short", "x" * 257])
def test_a_new_password_has_a_length(world: World, api: Api, wrong: str) -> None:
    body = {"username": "anna", "password": PASSWORD, "new_password": wrong}
    answer = api.post("/api/v1/user_password/", body)
    assert (answer.status, list(answer.fields())) == (422, ["new_password"])
    assert log_in(api).status == 200


def test_a_password_is_changed_by_who_knows_it(api: Api) -> None:
    body = {"username": "anna", "password": OTHER, "new_password": OTHER}
    assert api.post("/api/v1/user_password/", body).status == 401
    assert log_in(api).status == 200


def outcome(login: str, password: str, source: str) -> int:
    """The status of a log-in from an address."""
    try:
        authentication.log_in(login, password, source, START)
    except NotAuthenticatedError:
        return 401
    except TooManyRequestsError:
        return 429
    return 200


class TestAttempts:
    def test_a_login_has_so_many_in_a_quarter_of_an_hour(self, world: World, api: Api) -> None:
        world.clock.advance(5 * MINUTE)
        assert [log_in(api, OTHER).status for _ in range(11)] == [401] * 10 + [429]
        answer = log_in(api)  # the right password is not even looked at
        assert (answer.status, answer.headers["Retry-After"]) == (429, str(10 * MINUTE))
        assert may_read(api, basic("anna", PASSWORD)) == 429
        world.clock.advance(10 * MINUTE)
        assert log_in(api).status == 200

    def test_a_source_has_so_many_over_all_logins(self, world: World, api: Api) -> None:
        world.configure("LOGIN_ATTEMPTS_PER_SOURCE", "3")
        assert [log_in(api, OTHER, f"login-{n}").status for n in range(4)] == [401] * 3 + [429]
        assert log_in(api).status == 429

    def test_a_stranger_does_not_lock_the_owner_out(self, world: World, api: Api) -> None:
        for _ in range(10):
            assert outcome("anna", OTHER, "198.51.100.7") == 401
        assert outcome("anna", PASSWORD, "198.51.100.7") == 429
        assert log_in(api).status == 200

    def test_a_login_has_ten_times_as_many_over_all_sources(self, world: World, api: Api) -> None:
        world.configure("LOGIN_ATTEMPTS_PER_LOGIN", "1")
        tried = [outcome("anna", OTHER, f"198.51.100.{number}") for number in range(12)]
        assert tried == [401] * 10 + [429] * 2
        assert log_in(api).status == 429

    def test_a_refused_one_is_not_counted(self, world: World, api: Api) -> None:
        world.configure("LOGIN_ATTEMPTS_PER_SOURCE", "3")
        for number in range(20):
            outcome(f"login-{number}", OTHER, "198.51.100.7")
        before = world.table("ATTEMPTS_TABLE")
        assert outcome("anna", OTHER, "198.51.100.7") == 429
        counted = [(row["tries"], row.get("failed", 0)) for row in world.table("ATTEMPTS_TABLE")]
        assert counted.count((0, 0)) == len(counted) - 3 * 2 - 1  # what was taken back
        assert counted.count((3, 3)) == 1
        assert len(counted) == len(before) + 1

    def test_right_ones_at_once_do_not_lock_each_other_out(self, world: World, api: Api) -> None:
        under_way = [login_attempts.begin("anna", "192.0.2.1", START) for _ in range(20)]
        with pytest.raises(TooManyRequestsError):  # so many guesses at once are too many
            login_attempts.begin("anna", "192.0.2.1", START)
        for each in under_way:
            each.take_back()
        assert {row["tries"] for row in world.table("ATTEMPTS_TABLE")} == {0}
        assert outcome("anna", PASSWORD, "192.0.2.1") == 200

    def test_who_knows_the_password_uses_none_up(self, world: World, api: Api) -> None:
        world.configure("LOGIN_ATTEMPTS_PER_LOGIN", "2")
        assert [log_in(api).status for _ in range(5)] == [200] * 5
        assert {row["tries"] for row in world.table("ATTEMPTS_TABLE")} == {0}

    def test_what_is_counted_goes_away_by_itself_and_says_no_login(self, world: World, api: Api) -> None:
        log_in(api, OTHER)
        rows = world.table("ATTEMPTS_TABLE")
        assert {float(row["expires_at"]) - START.timestamp() for row in rows} == {30 * MINUTE}
        assert "anna" not in str(rows)

    def test_basic_is_a_log_in_too(self, world: World, api: Api) -> None:
        wrong = [may_read(api, basic("anna", OTHER)) for _ in range(11)]
        assert wrong == [401] * 10 + [429]


def test_a_caller_who_was_checked_a_moment_ago_costs_no_request(world: World, api: Api) -> None:
    token = log_in(api).json["access"]
    authorizations = [basic("anna", PASSWORD), f"Bearer {token}"]
    for each in authorizations:
        assert may_read(api, each) == 200
    before = world.database.requests["GetItem"] + world.database.requests["UpdateItem"]
    for each in authorizations:
        assert may_read(api, each) == 200
    assert world.database.requests["GetItem"] + world.database.requests["UpdateItem"] == before


def test_a_key_is_rotated_without_throwing_anybody_out(world: World, api: Api) -> None:
    before = log_in(api).json
    old = security.read_secret(settings.current().token_secret)
    put_secret({"kid": "2", "key": "n" * 64, "previous": [{"kid": old["kid"], "key": old["key"]}]})
    security.forget_secrets()
    after = log_in(api).json
    for tokens in (before, after):
        assert may_read(api, f"Bearer {tokens['access']}") == 200
        assert refresh(api, tokens["refresh"]).status == 200


def put_secret(secret: dict[str, Any]) -> None:
    boto3.client("secretsmanager").put_secret_value(
        SecretId=settings.current().token_secret, SecretString=json.dumps(secret)
    )


def test_who_is_disabled_is_known_no_more(world: World, api: Api) -> None:
    token = log_in(api).json["access"]
    Administrator.change("anna", actions=[Administrator.is_active.set(False)])
    authentication.forget()
    assert may_read(api, f"Bearer {token}") == may_read(api, basic("anna", PASSWORD)) == 401
