"""Users' tokens: asked of the users service, and what the API makes of the answer."""

import time

import jwt
import pytest

from chalicelib import kept
from chalicelib.directory import (
    InvalidUserTokenError,
    UsersServiceUnavailableError,
    tokens,
)
from chalicelib.directory.tokens import user_id_of
from chalicelib.domain.times import later, utc_now
from chalicelib.services.administrators import create_administrator, issue_token
from chalicelib.services.authentication import authenticate
from chalicelib.services.errors import NotAuthenticatedError, OutsideUnavailableError
from tests.support.aws import World
from tests.support.factories import user_id
from tests.support.users_service import (
    Behaviour,
    Close,
    Dribble,
    Hold,
    Raw,
    Status,
    UsersService,
    check_tokens_by,
)

ANNA = user_id(0xABCDEF)


@pytest.fixture
def host(users_service: UsersService, world: World) -> UsersService:
    check_tokens_by(world, users_service, "host")
    users_service.tokens["anna"] = ANNA
    return users_service


@pytest.mark.parametrize("written", [ANNA, ANNA.upper(), ANNA.replace("-", "")])
def test_the_users_service_says_whose_a_token_is(host: UsersService, written: str) -> None:
    host.tokens["anna"] = written
    assert user_id_of("anna") == ANNA
    (asked,) = host.asked
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("GET", "/auth/me/", "Bearer anna")


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_a_refused_token_is_invalid_and_asked_about_again_in_a_few_seconds(
    host: UsersService, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    now = utc_now()
    monkeypatch.setattr(tokens, "utc_now", lambda: now)
    host.misbehave("token", Status(status), times=1)
    for _ in range(3):
        with pytest.raises(InvalidUserTokenError):
            user_id_of("anna")
    assert host.count("token") == 1
    assert "anna" not in str(vars(tokens._refused))
    now = later(now, tokens.REFUSAL_KEPT_SECONDS)
    assert user_id_of("anna") == ANNA
    assert host.count("token") == 2


def test_an_administrators_token_never_leaves_the_house(host: UsersService) -> None:
    create_administrator("root", utc_now())
    with pytest.raises(NotAuthenticatedError, match="Bearer"):
        authenticate(issue_token("root", utc_now()), "test", utc_now())
    assert host.asked == []
    # The users service's own tokens may well be for this service.
    theirs = jwt.encode({"sub": ANNA, "aud": "vestnik"}, "k" * 64)
    host.tokens[theirs] = ANNA
    assert user_id_of(theirs) == ANNA


@pytest.mark.parametrize("header", ["Basic", "Bearer", "basic ", "BEARER  "])
def test_a_scheme_without_credentials_is_no_token(host: UsersService, header: str) -> None:
    with pytest.raises(NotAuthenticatedError, match="needs credentials"):
        authenticate(header, "test", utc_now())
    assert host.asked == []


DOWN: list[Behaviour] = [
    *(Status(status) for status in (204, 302, 404, 429, 500, 503)),
    Raw(b"<html>"),
    Raw(b"[]"),
    Raw(b"{}"),
    Raw(b'{"id": null}'),
    Raw(b'{"id": 7}'),
    Raw(b'{"id": "anna"}'),
    Close(),
]


@pytest.mark.parametrize("behaviour", DOWN, ids=str)
def test_whatever_else_is_said_the_token_is_not_called_invalid(
    host: UsersService, behaviour: Behaviour
) -> None:
    host.misbehave("token", behaviour)
    with pytest.raises(UsersServiceUnavailableError) as failure:
        user_id_of("anna")
    assert host.url.rpartition(":")[2] not in str(failure.value)


@pytest.mark.parametrize("behaviour", [Hold(), Dribble(), Dribble(in_head=True)], ids=str)
def test_the_check_has_an_end(
    host: UsersService, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour
) -> None:
    monkeypatch.setattr(tokens, "OUTSIDE_SECONDS", 0.4)
    host.misbehave("token", behaviour)
    started = time.monotonic()
    with pytest.raises(UsersServiceUnavailableError):
        user_id_of("anna")
    with pytest.raises(UsersServiceUnavailableError, match="left alone"):
        user_id_of("anna")
    assert time.monotonic() - started < 1.5


def test_a_known_token_is_not_asked_about_for_half_a_minute(
    host: UsersService, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = utc_now()
    monkeypatch.setattr(tokens, "utc_now", lambda: now)
    assert [user_id_of("anna") for _ in range(3)] == [ANNA] * 3
    assert host.count("token") == 1
    del host.tokens["anna"]  # taken back
    now = later(now, kept.KEPT_SECONDS)
    with pytest.raises(InvalidUserTokenError):
        user_id_of("anna")
    assert "anna" not in str(vars(tokens._known))


@pytest.mark.parametrize("token", ["", "two words", "a\r\nX-Evil: 1", "токен", "x" * 4097, "a\0"])
def test_what_cannot_be_a_token_is_sent_nowhere(host: UsersService, token: str) -> None:
    with pytest.raises(InvalidUserTokenError):
        user_id_of(token)
    assert host.asked == []


def test_a_bare_token_is_a_users(host: UsersService) -> None:
    principal = authenticate("anna", "test", utc_now()).principal
    assert (principal.kind, principal.name) == ("user", ANNA)
    with pytest.raises(NotAuthenticatedError):
        authenticate("boris", "test", utc_now())
    host.misbehave("token", Status(500))
    with pytest.raises(OutsideUnavailableError):
        authenticate("carla", "test", utc_now())
