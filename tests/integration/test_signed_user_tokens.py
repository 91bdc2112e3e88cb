"""Users' tokens that are JWTs: checked by the key of the secret, or by published keys."""

import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from chalicelib import security
from chalicelib.directory import (
    InvalidUserTokenError,
    UsersServiceUnavailableError,
    signed_tokens,
)
from chalicelib.directory.tokens import user_id_of
from chalicelib.domain.times import utc_now
from tests.support.aws import SECRETS, World, _clients
from tests.support.factories import user_id
from tests.support.users_service import (
    Behaviour,
    Close,
    Raw,
    Status,
    UsersService,
    check_tokens_by,
)

ANNA = user_id(0xABCDEF)


def put_secret(secret: dict[str, Any]) -> None:
    _clients()[2].put_secret_value(SecretId="user-token", SecretString=json.dumps(secret))
    security.forget_secrets()


def claims(**changes: Any) -> dict[str, Any]:
    now = utc_now()
    usual = {"sub": ANNA, "iat": int(now.timestamp()), "exp": int((now + timedelta(hours=1)).timestamp())}
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


# key


def test_a_token_of_the_operators_command_is_good(world: World) -> None:
    assert user_id_of(signed_tokens.issue(ANNA, utc_now())) == ANNA


def signed(key: Any = SECRETS["user-token"]["key"], algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (lambda: "nonsense", "not valid"),
        (lambda: "a.b.c", "not valid"),
        (lambda: signed("x" * 64), "signature"),
        (lambda: signed(algorithm="HS512"), "signature"),
        (lambda: jwt.encode(claims(), "", algorithm="none"), "signature"),
        (lambda: signed(exp=int(time.time()) - 60), "expired"),
        (lambda: signed(exp=None), "exp"),
        (lambda: signed(nbf=int(time.time()) + 60), "not yet valid"),
        (lambda: signed(sub=None), "sub"),
        (lambda: signed(sub="anna"), "not a user's id"),
        (lambda: signed(sub="{" + ANNA + "}"), "not a user's id"),
    ],
)
def test_a_token_that_is_not_good_says_why(world: World, token: Callable[[], str], reason: str) -> None:
    with pytest.raises(InvalidUserTokenError, match=reason):
        user_id_of(token())


def test_an_administrators_token_is_no_users_token(world: World) -> None:
    with pytest.raises(InvalidUserTokenError):
        user_id_of(signed(SECRETS["token"]["key"]))


def test_clocks_may_differ_a_little(world: World) -> None:
    assert user_id_of(signed(exp=int(time.time()) - 5)) == ANNA


def test_keys_can_be_rotated(world: World) -> None:
    old = signed_tokens.issue(ANNA, utc_now())
    expired = signed_tokens.issue(ANNA, utc_now() - timedelta(hours=2))
    put_secret({"kid": "2", "key": "n" * 64, "algorithm": "HS256", "previous": [SECRETS["user-token"]]})
    assert user_id_of(old) == ANNA
    assert user_id_of(signed_tokens.issue(ANNA, utc_now())) == ANNA
    with pytest.raises(InvalidUserTokenError, match="expired"):
        user_id_of(expired)
    put_secret({"kid": "2", "key": "n" * 64})
    with pytest.raises(InvalidUserTokenError, match="signature"):
        user_id_of(old)


def test_audience_and_issuer_are_checked_where_they_are_named(world: World) -> None:
    secret = {**SECRETS["user-token"], "audience": "vestnik", "issuer": "https://users.example"}
    put_secret(secret)
    assert user_id_of(signed_tokens.issue(ANNA, utc_now())) == ANNA
    for wrong in (
        {},
        {"aud": "vestnik"},
        {"iss": "https://users.example"},
        {"aud": "shop", "iss": "https://users.example"},
        {"aud": "vestnik", "iss": "https://evil.example"},
    ):
        with pytest.raises(InvalidUserTokenError):
            user_id_of(signed(**wrong))
    put_secret(SECRETS["user-token"])
    assert user_id_of(signed(aud="anybody", iss="anybody")) == ANNA


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
PRIVATE: dict[str, Any] = {"RS256": RSA_KEY, "ES256": EC_KEY, "EdDSA": ED_KEY}


def pem(algorithm: str) -> str:
    public = PRIVATE[algorithm].public_key()
    return str(
        public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()
    )


@pytest.mark.parametrize("algorithm", list(PRIVATE))
def test_a_public_key_may_stand_in_the_secret(world: World, algorithm: str) -> None:
    put_secret({"kid": "1", "key": pem(algorithm), "algorithm": algorithm})
    assert user_id_of(signed(PRIVATE[algorithm], algorithm)) == ANNA
    # Whoever knows a public key must not be able to sign with it.
    header = json.dumps({"alg": "HS256", "typ": "JWT"}).encode()
    forged = b".".join(jwt.utils.base64url_encode(part) for part in (header, json.dumps(claims()).encode()))
    tag = jwt.utils.base64url_encode(hmac.digest(pem(algorithm).encode(), forged, "sha256"))
    with pytest.raises(InvalidUserTokenError):
        user_id_of((forged + b"." + tag).decode())
    with pytest.raises(ValueError, match="public"):
        signed_tokens.issue(ANNA, utc_now())


@pytest.mark.parametrize(
    "secret",
    [
        {},
        {"key": "too short"},
        {"key": "u" * 64, "algorithm": "none"},
        {"key": "u" * 64, "algorithm": "RS256"},
        {"key": pem("RS256"), "algorithm": "HS256"},
        {"key": pem("RS256"), "algorithm": "ES256"},
    ],
    ids=["none", "too short", "no algorithm", "no key pair", "a public key as a secret", "another curve"],
)
def test_a_key_that_cannot_be_used_calls_no_token_invalid(world: World, secret: dict[str, Any]) -> None:
    put_secret(secret)
    algorithm = str(secret.get("algorithm", "HS256"))
    token = signed(PRIVATE.get(algorithm, "u" * 64), algorithm if algorithm in PRIVATE else "HS256")
    with pytest.raises(UsersServiceUnavailableError):
        user_id_of(token)


def test_a_key_that_cannot_be_used_is_passed_over(world: World) -> None:
    unusable = {"kid": "2", "key": pem("RS256"), "algorithm": "HS256"}
    put_secret({**unusable, "previous": [SECRETS["user-token"]]})
    assert user_id_of(signed()) == ANNA
    put_secret({**SECRETS["user-token"], "previous": [unusable]})
    assert user_id_of(signed()) == ANNA
    with pytest.raises(InvalidUserTokenError):
        user_id_of(signed("x" * 64))


def test_a_secret_that_cannot_be_read_calls_no_token_invalid(world: World) -> None:
    world.configure("USER_TOKEN_SECRET_ARN", "nothing")
    with pytest.raises(UsersServiceUnavailableError):
        user_id_of(signed())


# jwks

PUBLISHED: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


def published(algorithm: str, kid: str) -> dict[str, Any]:
    key = PUBLISHED[algorithm].to_jwk(PRIVATE[algorithm].public_key(), as_dict=True)
    return {**key, "kid": kid, "use": "sig", "alg": algorithm}


def by_kid(kid: str | None, algorithm: str = "RS256", key: Any = None, **changes: Any) -> str:
    headers = {"kid": kid} if kid else None
    return jwt.encode(claims(**changes), key or PRIVATE[algorithm], algorithm=algorithm, headers=headers)


@pytest.fixture
def jwks(users_service: UsersService, world: World) -> UsersService:
    check_tokens_by(world, users_service, "jwks")
    users_service.published_keys += [published(algorithm, algorithm) for algorithm in PRIVATE]
    return users_service


@pytest.mark.parametrize("algorithm", list(PRIVATE))
def test_published_keys_are_read_once(jwks: UsersService, algorithm: str) -> None:
    assert [user_id_of(by_kid(algorithm, algorithm)) for _ in range(3)] == [ANNA] * 3
    assert jwks.count("keys") == 1


@pytest.mark.parametrize(
    "token",
    [
        lambda: "nonsense",
        lambda: by_kid(None),
        lambda: by_kid("RS256", exp=int(time.time()) - 60),
        lambda: by_kid("RS256", sub="anna"),
        lambda: by_kid("RS256", key=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        lambda: by_kid("ES256", "RS256"),
        lambda: jwt.encode(claims(), "s" * 64, algorithm="HS256", headers={"kid": "RS256"}),
        lambda: jwt.encode(claims(), "", algorithm="none", headers={"kid": "RS256"}),
    ],
)
def test_what_the_published_keys_have_not_signed_is_invalid(
    jwks: UsersService, token: Callable[[], str]
) -> None:
    with pytest.raises(InvalidUserTokenError):
        user_id_of(token())


def test_a_published_secret_key_is_not_used(jwks: UsersService) -> None:
    jwks.published_keys.append(
        {"kty": "oct", "k": jwt.utils.base64url_encode(b"s" * 64).decode(), "kid": "oct", "alg": "HS256"}
    )
    with pytest.raises(InvalidUserTokenError):
        user_id_of(jwt.encode(claims(), "s" * 64, algorithm="HS256", headers={"kid": "oct"}))


def test_unknown_keys_have_them_read_again_but_not_each_time(
    jwks: UsersService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert user_id_of(by_kid("RS256")) == ANNA
    jwks.published_keys.append(published("ES256", "new"))
    for number in range(20):
        with pytest.raises(InvalidUserTokenError):
            user_id_of(by_kid(f"unknown-{number}"))
    assert jwks.count("keys") == 1  # within half a minute of the last reading
    keys = signed_tokens._published_keys(jwks.settings["AUTH_JWKS_URL"])
    assert keys._last_successful_fetch is not None
    keys._last_successful_fetch -= 31
    assert user_id_of(by_kid("new", "ES256")) == ANNA
    assert jwks.count("keys") == 2


@pytest.mark.parametrize(
    "behaviour",
    [
        Status(500),
        Status(404),
        Status(302),
        Raw(b"nonsense"),
        Raw(b"[]"),
        Raw(b"{}"),
        Raw(b'{"keys": []}'),
        Close(),
    ],
    ids=str,
)
def test_without_published_keys_no_token_is_invalid(jwks: UsersService, behaviour: Behaviour) -> None:
    jwks.misbehave("keys", behaviour)
    with pytest.raises(UsersServiceUnavailableError):
        user_id_of(by_kid("RS256"))


def test_audience_and_issuer_are_those_of_the_secret(jwks: UsersService) -> None:
    put_secret({"audience": "vestnik", "issuer": "https://users.example"})
    assert user_id_of(by_kid("RS256", aud=["shop", "vestnik"], iss="https://users.example")) == ANNA
    for wrong in ({}, {"aud": "shop", "iss": "https://users.example"}, {"aud": "vestnik", "iss": "x"}):
        with pytest.raises(InvalidUserTokenError):
            user_id_of(by_kid("RS256", **wrong))
