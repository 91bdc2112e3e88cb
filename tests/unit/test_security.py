"""Passwords, tokens and signed links."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import security
from chalicelib.security import (
    InvalidTokenError,
    read_unsubscribe_link,
    sign_unsubscribe_link,
)
from tests.support.factories import user_id

SECRET = {"kid": "1", "key": "k" * 64}
OTHER = {"kid": "2", "key": "o" * 64}
NOW = datetime.now(UTC)


class Store:
    """A secret store that is asked by the name of a secret."""

    def __init__(self, secret: Any) -> None:
        self.secret = secret
        self.kept: Any = None
        """What is remembered, if it is not what is stored."""
        self.asked = 0
        self.asked_anew: list[str] = []
        self.is_down = False

    def get(self, name: str, max_age: int, force_fetch: bool) -> str:
        self.asked += 1
        if force_fetch:
            self.asked_anew.append(name)
            if self.is_down:
                raise GetParameterError("down")
        return json.dumps(self.secret if force_fetch or self.kept is None else self.kept)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store(SECRET)
    monkeypatch.setattr(security, "_provider", store)
    monkeypatch.setattr(security, "_read_at", {})
    return store


def read(text: str, now: datetime = NOW, use: str = "access") -> security.Claims:
    return security.read_token("token", text, use, now)


CLAIMS = security.Claims("root", "fingerprint")


def token(key: str = SECRET["key"], algorithm: str = "HS256", kid: str = "1", **changes: Any) -> str:
    claims = {
        "sub": "root", "aud": "vestnik", "use": "access", "pwd": "fingerprint", "iat": int(NOW.timestamp()),
        "exp": int((NOW + timedelta(minutes=5)).timestamp()),
    }  # fmt: skip
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})


def test_passwords_of_administrators() -> None:
    password_hash = security.hash_administrator_password("correct horse")
    assert password_hash.startswith("$argon2id$")
    assert security.is_administrator_password("correct horse", password_hash)
    assert not security.is_administrator_password("Correct horse", password_hash)
    assert not security.is_administrator_password("correct horse", None)
    assert security.hash_administrator_password("correct horse") != password_hash


def test_passwords_of_applications() -> None:
    password = security.generate_password()
    assert len(base64.urlsafe_b64decode(password)) == 24
    assert security.is_application_password(password, security.hash_application_password(password))
    assert not security.is_application_password(password + "x", security.hash_application_password(password))
    assert not security.is_application_password(password, None)
    assert not security.is_application_password("", None)


def test_an_issued_token_names_its_login_and_key(store: Store) -> None:
    issued = security.issue_token("token", CLAIMS, "access", 60, NOW)
    assert read(issued) == CLAIMS
    assert jwt.get_unverified_header(issued) == {"alg": "HS256", "kid": "1", "typ": "JWT"}


def test_an_expired_token_says_so(store: Store) -> None:
    issued = security.issue_token("token", CLAIMS, "access", 60, NOW)
    assert read(issued, NOW + timedelta(seconds=58))
    with pytest.raises(InvalidTokenError, match="expired"):
        read(issued, NOW + timedelta(seconds=60))


def test_a_token_is_for_one_use(store: Store) -> None:
    issued = security.issue_token("token", CLAIMS, "refresh", 60, NOW)
    assert read(issued, use="refresh") == CLAIMS
    with pytest.raises(InvalidTokenError, match="no access token"):
        read(issued)


def test_a_new_key_is_known_at_once_and_the_old_one_while_it_is_kept(store: Store) -> None:
    before = security.issue_token("token", CLAIMS, "access", 60, NOW)
    store.secret = {**OTHER, "previous": [SECRET]}
    assert read(security.issue_token("token", CLAIMS, "access", 60, NOW)) == CLAIMS
    assert read(before) == CLAIMS
    store.secret = OTHER
    with pytest.raises(InvalidTokenError, match="not signed by a key"):
        read(before)


@pytest.mark.parametrize("is_down", [False, True])
def test_a_key_that_is_not_known_has_the_secret_read_again_but_not_each_time(
    store: Store, is_down: bool
) -> None:
    store.is_down = is_down
    for _ in range(5):
        with pytest.raises(InvalidTokenError, match="not signed by a key"):
            read(token(OTHER["key"], kid="2"))
    assert store.asked_anew == ["token"]
    assert read(token()) == CLAIMS
    assert security.read_secret("link") == SECRET  # what is known of others is not forgotten either


def unsigned() -> str:
    return token(key="", algorithm="none")


def _without(claim: str) -> str:
    changes: dict[str, Any] = {claim: None}
    return token(**changes)


BAD = {
    "unsigned": unsigned(),
    "unsigned, with the signature of another": unsigned() + token().rpartition(".")[2],
    "another key": token(OTHER["key"]),
    "another algorithm": token(algorithm="HS512"),
    "another audience": token(aud="elsewhere"),
    "another key's name": token(kid="2"),
    "a time that is text": token(exp="tomorrow"),
    "a refresh token": token(use="refresh"),
    "not valid yet": token(iat=int((NOW + timedelta(hours=1)).timestamp())),
    "cut": token()[:-1],
    "not a token": "abc",
    "nothing": "",
    "far too long": token(sub="x" * 5000),
    **{f"no {claim}": _without(claim) for claim in ("exp", "iat", "sub", "aud", "use", "pwd")},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_no_other_token_is_taken(store: Store, bad: str) -> None:
    assert read(token()) == CLAIMS
    with pytest.raises(InvalidTokenError):
        read(bad)


@given(st.uuids().map(str), st.sampled_from(["*", "mail", "telegram"]))
def test_a_link_is_read_back(user: str, scope: str) -> None:
    signed = sign_unsubscribe_link(SECRET, user, scope)
    assert read_unsubscribe_link(SECRET, signed) == (user, scope)
    assert len(signed) <= 56
    assert set(signed) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def raw(signed: str) -> bytes:
    return base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4))


def test_a_link_changed_in_any_bit_is_refused() -> None:
    original = raw(sign_unsubscribe_link(SECRET, user_id(1), "mail"))
    for position in range(len(original)):
        for bit in range(8):
            changed = bytearray(original)
            changed[position] ^= 1 << bit
            with pytest.raises(InvalidTokenError):
                read_unsubscribe_link(SECRET, base64.urlsafe_b64encode(changed).decode().rstrip("="))


def test_a_link_of_another_key_is_refused_and_of_a_previous_one_taken() -> None:
    signed = sign_unsubscribe_link(OTHER, user_id(1), "mail")
    with pytest.raises(InvalidTokenError):
        read_unsubscribe_link(SECRET, signed)
    rotated = {**SECRET, "previous": [{"kid": "0", "key": "z"}, OTHER]}
    assert read_unsubscribe_link(rotated, signed) == (user_id(1), "mail")


def test_a_link_of_a_key_that_is_newer_than_what_is_remembered_is_taken(store: Store) -> None:
    remembered, store.secret = store.secret, {**OTHER, "previous": [SECRET]}
    signed = sign_unsubscribe_link(OTHER, user_id(1), "mail")
    store.kept = remembered
    assert security.read_link("link", signed) == (user_id(1), "mail")
    assert store.asked_anew == ["link"]


def test_a_link_of_nobody_has_the_secret_read_again_now_and_then_only(store: Store) -> None:
    forged = sign_unsubscribe_link(OTHER, user_id(1), "mail")
    for _ in range(3):
        with pytest.raises(InvalidTokenError, match="not signed by this service"):
            security.read_link("link", forged)
    assert store.asked_anew == ["link"]


@given(st.text(max_size=80))
def test_any_other_text_is_no_link(text: str) -> None:
    with pytest.raises(InvalidTokenError):
        read_unsubscribe_link(SECRET, text)


def test_a_secret_that_cannot_be_read_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    security.forget_secrets()
    with pytest.raises(security.SecretUnavailableError, match="link"):
        security.read_secret("link")
    security.forget_secrets()


def test_a_secret_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Provider:
        def get(self, name: str, max_age: int, force_fetch: bool) -> str:
            asked.append(name)
            assert max_age == security.SECRET_KEPT_SECONDS
            return json.dumps(SECRET)

    monkeypatch.setattr(security, "_provider", Provider())
    assert security.read_secret("link") == SECRET
    assert asked == ["link"]


# Links to the bot.

LATER = int(NOW.timestamp()) + 60
ONE = st.characters(codec="ascii", categories=("L", "N"))


def test_a_link_to_the_bot_fits_and_is_good_until_it_expires(store: Store) -> None:
    token = security.sign_telegram_link(SECRET, user_id(1), LATER)
    assert len(token) == 48  # Telegram takes 64
    assert re.fullmatch("[A-Za-z0-9_-]+", token)
    assert security.read_telegram_link("link", token, NOW) == user_id(1)
    for late in (LATER, LATER + 1):
        with pytest.raises(InvalidTokenError, match="expired"):
            security.read_telegram_link("link", token, datetime.fromtimestamp(late, UTC))


@given(place=st.integers(0, 47), other=ONE)
def test_a_link_to_the_bot_that_was_changed_is_none(place: int, other: str) -> None:
    token = security.sign_telegram_link(SECRET, user_id(1), LATER)
    changed = token[:place] + other + token[place + 1 :]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(security, "_provider", Store(SECRET))
        if changed == token:
            assert security.read_telegram_link("link", changed, NOW) == user_id(1)
        else:
            with pytest.raises(InvalidTokenError):
                security.read_telegram_link("link", changed, NOW)


@given(token=st.text(max_size=80))
def test_what_is_no_link_to_the_bot_is_none(token: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(security, "_provider", Store(SECRET))
        with pytest.raises(InvalidTokenError):
            security.read_telegram_link("link", token, NOW)


@pytest.mark.parametrize("scope", ["mail", "*", "abcd"])
def test_one_kind_of_link_is_not_taken_for_the_other(store: Store, scope: str) -> None:
    """Not even where what they say has the same length."""
    with pytest.raises(InvalidTokenError):
        security.read_telegram_link("link", sign_unsubscribe_link(SECRET, user_id(1), scope), NOW)
    with pytest.raises(InvalidTokenError):
        read_unsubscribe_link(SECRET, security.sign_telegram_link(SECRET, user_id(1), LATER))


def test_a_link_to_the_bot_of_a_key_that_is_new_is_read(store: Store) -> None:
    store.kept = SECRET
    store.secret = {**OTHER, "previous": [SECRET]}
    token = security.sign_telegram_link(OTHER, user_id(1), LATER)
    assert security.read_telegram_link("link", token, NOW) == user_id(1)
    assert store.asked_anew == ["link"]
