"""Users' tokens that are JWTs, checked here: by the key in the secret, or by keys published elsewhere.

The algorithm is that of the key, never the token's own word. Loads PyJWT: only what checks tokens imports it.
"""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

import jwt

from chalicelib import security, settings
from chalicelib.directory import InvalidUserTokenError, UsersServiceUnavailableError
from chalicelib.directory.ids import user_id_in
from chalicelib.observability import logger
from chalicelib.outside import Limits, OutsideError, Request, Service
from chalicelib.settings import OUTSIDE_SECONDS

JWKS = Service("the published keys", silence_seconds=5)
KEYS_KEPT_SECONDS = 300
"""How long published keys are used; an unknown one has them read again, at most each 30 s."""

KEY_ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
PUBLISHED_ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Never one whose key would be secret: whoever reads a published key could sign with it."""

CLOCK_SKEW_SECONDS = 10
TOKEN_SECONDS = 3600


def by_key(token: str) -> str:
    """The user id of a token that a key of the secret has signed; previous keys count, too.

    A token of no key that is known here may be of a new one: the secret is read again, now and then.
    """
    secret = _secret()
    try:
        return _by_keys_of(secret, token)
    except InvalidUserTokenError:
        anew = security.read_anew(settings.current().user_auth.key_secret)
        if anew is None or anew == secret:
            raise
        return _by_keys_of(anew, token)


def _by_keys_of(secret: Mapping[str, Any], token: str) -> str:
    """The same by the keys of a secret; one that cannot be used is passed over if there is another."""
    failure: InvalidUserTokenError | None = None
    for key in (secret, *secret.get("previous", [])):
        try:
            return _read(token, key["key"], _algorithm(key), secret)
        except InvalidUserTokenError as error:
            # Of several keys the one that did sign it has the better reason: that it has expired.
            failure = error if failure is None or "signature" in str(failure) else failure
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            logger.error("a key of users' tokens cannot be used", extra={"error": type(error).__name__})
    raise failure or UsersServiceUnavailableError("no key of users' tokens can be used")


def by_published_key(token: str) -> str:
    """The user id of a token that one of the published keys has signed."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise InvalidUserTokenError("not a JWT") from error
    kid, algorithm = header.get("kid"), header.get("alg")
    if algorithm not in PUBLISHED_ALGORITHMS or not isinstance(kid, str):
        raise InvalidUserTokenError(f"needs a kid, and one of {', '.join(PUBLISHED_ALGORITHMS)}")
    keys = _published_keys(settings.current().user_auth.jwks_url)
    try:
        keys.get_signing_keys()
    except (OutsideError, jwt.PyJWTError) as error:
        raise UsersServiceUnavailableError(f"no published keys: {error}") from error
    try:
        key = keys.get_signing_key(kid)
    except OutsideError as error:
        raise UsersServiceUnavailableError(f"no published keys: {error}") from error
    except jwt.PyJWTError as error:
        raise InvalidUserTokenError("signed by an unknown key") from error
    try:
        return _read(token, key, algorithm, _secret())
    except jwt.PyJWTError as error:
        raise UsersServiceUnavailableError("the published key cannot be used") from error


def issue(user_id: str, now: datetime) -> str:
    """A token for a user, by the secret's own key; ValueError when that is one which cannot sign."""
    secret = _secret()
    if _algorithm(secret) != "HS256":
        raise ValueError(
            "the key of users' tokens is a public one: tokens are issued where its other half is"
        )
    claims: dict[str, Any] = {
        "sub": user_id,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=TOKEN_SECONDS)).timestamp()),
        **({"aud": secret["audience"]} if secret.get("audience") else {}),
        **({"iss": secret["issuer"]} if secret.get("issuer") else {}),
    }
    return jwt.encode(claims, secret["key"], algorithm="HS256", headers={"kid": secret["kid"]})


def forget() -> None:
    """Begin anew: no published keys, and nobody was silent."""
    _published_keys.cache_clear()
    JWKS.forget()


def _secret() -> dict[str, Any]:
    try:
        return security.read_secret(settings.current().user_auth.key_secret)
    except security.SecretUnavailableError as error:
        raise UsersServiceUnavailableError("the key of users' tokens cannot be read") from error


def _algorithm(key: Mapping[str, Any]) -> str:
    algorithm = key.get("algorithm", "HS256")
    if algorithm not in KEY_ALGORITHMS:
        raise ValueError(f"the algorithm of a key is none of {', '.join(KEY_ALGORITHMS)}")
    return cast(str, algorithm)


def _read(token: str, key: Any, algorithm: str, expected: Mapping[str, Any]) -> str:
    audience, issuer = expected.get("audience"), expected.get("issuer")
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=audience or None,
            issuer=issuer or None,
            leeway=CLOCK_SKEW_SECONDS,
            options={
                "require": ["exp", "sub", *(["aud"] if audience else []), *(["iss"] if issuer else [])],
                "verify_aud": bool(audience),
                "enforce_minimum_key_length": True,
            },
        )
    except jwt.ExpiredSignatureError as error:
        raise InvalidUserTokenError("the token has expired") from error
    except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
        raise InvalidUserTokenError("the token's signature is not valid here") from error
    except jwt.InvalidTokenError as error:
        raise InvalidUserTokenError(f"the token is not valid here: {error}") from error
    user_id = user_id_in(claims["sub"])
    if user_id is None:
        raise InvalidUserTokenError("the token's subject is not a user's id")
    return user_id


class _PublishedKeys(jwt.PyJWKClient):
    """PyJWT's cache of published keys, read with this service's limits."""

    def fetch_data(self) -> Any:
        configured = settings.current().users_service
        limits = Limits(configured.tries, configured.timeout_seconds, OUTSIDE_SECONDS)
        found = JWKS.ask_one(Request("GET", self.uri), limits).object()
        self._last_successful_fetch = time.monotonic()
        return found


@cache
def _published_keys(url: str) -> _PublishedKeys:
    return _PublishedKeys(url, lifespan=KEYS_KEPT_SECONDS)
