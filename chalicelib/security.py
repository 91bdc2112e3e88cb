"""Secrets, passwords, tokens and signed links."""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config

from chalicelib import sdk

SECRET_KEPT_SECONDS = 300
"""How long a function goes on with a secret that it has read: a rotation takes effect within this time."""

TOKEN_ALGORITHM = "HS256"  # noqa: S105
TOKEN_AUDIENCE = "vestnik"  # noqa: S105
ACCESS_TOKEN_SECONDS = 15 * 60
MAX_TOKEN_LENGTH = 4096

LINK_TAG_BYTES = 16
"""A signature of 128 bits: a link must fit into a mail's line."""

_provider: SecretsProvider | None = None


class InvalidTokenError(Exception):
    """A token or a signed link that this deployment did not issue, or that has expired; says why."""


class SecretUnavailableError(Exception):
    """A secret cannot be read at present."""


def read_secret(secret_id: str) -> dict[str, Any]:
    """A secret's JSON object, remembered for five minutes; SecretUnavailableError when it can't be had."""
    global _provider
    if _provider is None:
        _provider = SecretsProvider(
            boto3_session=sdk.session(),
            boto_config=Config(
                connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2}
            ),
        )
    try:
        text = _provider.get(secret_id, max_age=SECRET_KEPT_SECONDS)
    except GetParameterError as error:
        raise SecretUnavailableError(secret_id) from error
    return cast(dict[str, Any], json.loads(cast(str, text)))


def forget_secrets() -> None:
    """Read every secret anew when it is next needed."""
    global _provider
    _provider = None


def generate_password() -> str:
    """A password of 192 random bits."""
    return secrets.token_urlsafe(24)


def hash_administrator_password(password: str) -> str:
    """Argon2id, with the library's parameters (those of RFC 9106 for limited memory)."""
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


def is_administrator_password(password: str, password_hash: str | None) -> bool:
    """Whether the password is the hash's. With no hash it takes as long, and is False."""
    from argon2 import PasswordHasher
    from argon2.exceptions import VerificationError

    try:
        PasswordHasher().verify(password_hash or _nobodys_hash(), password)
    except VerificationError:
        return False
    return password_hash is not None


def _nobodys_hash() -> str:
    global _nobody
    if _nobody is None:
        _nobody = hash_administrator_password(generate_password())
    return _nobody


_nobody: str | None = None


def hash_application_password(password: str) -> str:
    """SHA-256: an application's password is generated, of 192 bits, so that a slow hash would add nothing."""
    return hashlib.sha256(password.encode()).hexdigest()


def is_application_password(password: str, password_hash: str | None) -> bool:
    """Whether the password is the hash's, compared in constant time."""
    return hmac.compare_digest(hash_application_password(password), password_hash or "")


def issue_token(secret: dict[str, Any], login: str, now: datetime) -> str:
    """An administrator's access token: a JWT signed with the key of the token secret."""
    import jwt

    claims = {
        "sub": login,
        "aud": TOKEN_AUDIENCE,
        "use": "access",
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=ACCESS_TOKEN_SECONDS)).timestamp()),
    }
    return jwt.encode(claims, secret["key"], algorithm=TOKEN_ALGORITHM, headers={"kid": secret["kid"]})


def login_of_token(secret: dict[str, Any], token: str) -> str:
    """The login that an access token was issued to; InvalidTokenError says what is wrong with it."""
    import jwt

    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidTokenError("the token is too long")
    try:
        claims = jwt.decode(
            token,
            secret["key"],
            algorithms=[TOKEN_ALGORITHM],
            audience=TOKEN_AUDIENCE,
            options={"require": ["exp", "iat", "sub", "aud", "use"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise InvalidTokenError("the token has expired") from error
    except jwt.InvalidTokenError as error:
        raise InvalidTokenError("the token is not valid here") from error
    if claims["use"] != "access":
        raise InvalidTokenError("not an access token")
    return cast(str, claims["sub"])


def sign_unsubscribe_link(secret: dict[str, Any], user_id: str, scope: str) -> str:
    """A token that proves the right to unsubscribe one user from one scope: id, scope and tag, base64url.

    It does not expire: it stands in mails that are kept, and all it can do is to unsubscribe.
    """
    payload = UUID(user_id).bytes + scope.encode()
    return base64.urlsafe_b64encode(_tag(secret, payload) + payload).decode().rstrip("=")


def read_unsubscribe_link(secret: dict[str, Any], token: str) -> tuple[str, str]:
    """(user id, scope) of a link that was signed here; else InvalidTokenError."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InvalidTokenError("the link is damaged") from error
    tag, payload = raw[:LINK_TAG_BYTES], raw[LINK_TAG_BYTES:]
    keys = [secret, *secret.get("previous", [])]
    if len(payload) <= 16 or not any(hmac.compare_digest(_tag(key, payload), tag) for key in keys):
        raise InvalidTokenError("the link is not signed by this service")
    return str(UUID(bytes=payload[:16])), payload[16:].decode()


def _tag(secret: dict[str, Any], payload: bytes) -> bytes:
    return hmac.digest(secret["key"].encode(), b"unsubscribe\0" + payload, "sha256")[:LINK_TAG_BYTES]
