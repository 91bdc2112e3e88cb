"""Secrets, passwords, tokens and signed links."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config

from chalicelib import sdk
from chalicelib.observability import logger

T = TypeVar("T")

SECRET_KEPT_SECONDS = 300
"""How long a function goes on with a secret that it has read: a rotation takes effect within this time."""

TOKEN_ALGORITHM = "HS256"  # noqa: S105
TOKEN_AUDIENCE = "vestnik"  # noqa: S105
UNKNOWN_KEY_SECONDS = 10
"""A key that is not in a secret as it is remembered has it read again, once in this time."""
MAX_TOKEN_LENGTH = 4096
CLOCKS_DIFFER_SECONDS = 60
_CLAIMS = ("exp", "iat", "sub", "aud", "use", "pwd")

TELEGRAM_LINK_SECONDS = 24 * 3600
"""How long a link to the bot is good: who follows it later asks for another."""

LINK_TAG_BYTES = 16
"""A signature of 128 bits: a link must fit into a mail's line."""

_provider: SecretsProvider | None = None


class InvalidTokenError(Exception):
    """A token or a signed link that this deployment did not issue, or that has expired; says why."""


class SecretUnavailableError(Exception):
    """A secret cannot be read at present."""


def read_secret(secret_id: str, anew: bool = False) -> dict[str, Any]:
    """A secret's JSON object, remembered for five minutes; SecretUnavailableError when it can't be had.

    What is remembered stays when it cannot be read `anew`.
    """
    global _provider
    if _provider is None:
        _provider = SecretsProvider(
            boto3_session=sdk.session(),
            boto_config=Config(
                connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2}
            ),
        )
    try:
        text = _provider.get(secret_id, max_age=SECRET_KEPT_SECONDS, force_fetch=anew)
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


@dataclass(frozen=True)
class Claims:
    """Whose token it is, and of which password: another password ends it."""

    login: str
    fingerprint: str
    session: Mapping[str, Any] | None = None
    """Of the panel's: what belongs to the session beside who it is."""


def fingerprint(password_hash: str, sessions: int = 0) -> str:
    """What a token remembers of a password, and of how often everything issued was ended.

    The hash is salted, so that it tells nothing.
    """
    ended = f"#{sessions}" if sessions else ""
    return hashlib.sha256(f"{password_hash}{ended}".encode()).hexdigest()[:32]


def issue_token(secret_id: str, claims: Claims, use: str, seconds: int, now: datetime) -> str:
    """A JWT for one use, signed with the present key of a secret, whose id it names."""
    import jwt

    secret = read_secret(secret_id)
    issued = int(now.timestamp())
    payload = {
        "sub": claims.login,
        "pwd": claims.fingerprint,
        "aud": TOKEN_AUDIENCE,
        "use": use,
        "iat": issued,
        "exp": issued + seconds,
        **({"session": dict(claims.session)} if claims.session is not None else {}),
    }
    return jwt.encode(payload, secret["key"], algorithm=TOKEN_ALGORITHM, headers={"kid": secret["kid"]})


def is_own_token(token: str) -> bool:
    """Whether it has the form of an administrator's token, whoever signed it: that goes to nobody else."""
    import jwt

    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return False
    return claims.get("aud") == TOKEN_AUDIENCE and {"use", "pwd"} <= claims.keys()


def read_token(secret_id: str, token: str, use: str, now: datetime) -> Claims:
    """The claims of a token that was issued here for this use; else InvalidTokenError, which says why."""
    import jwt

    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidTokenError("the token is too long")
    try:
        key = _key_of(secret_id, str(jwt.get_unverified_header(token).get("kid")))
        payload = jwt.decode(
            token,
            key,
            algorithms=[TOKEN_ALGORITHM],
            audience=TOKEN_AUDIENCE,
            # The time is compared below, by the clock that everything else goes by.
            options={"require": [*_CLAIMS], "verify_exp": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError as error:
        raise InvalidTokenError("the token is not valid here") from error
    if not isinstance(payload["exp"], int) or payload["exp"] <= now.timestamp():
        raise InvalidTokenError("the token has expired")
    if not isinstance(payload["iat"], int) or payload["iat"] > now.timestamp() + CLOCKS_DIFFER_SECONDS:
        raise InvalidTokenError("the token is not valid yet")
    if payload["use"] != use:
        raise InvalidTokenError(f"this is no {use} token")
    return Claims(str(payload["sub"]), str(payload["pwd"]), payload.get("session"))


def _key_of(secret_id: str, kid: str) -> str:
    """The key that a token names: the present one, or one before it that is still in the secret."""
    secret = read_secret(secret_id)
    key = _find_key(secret, kid) or _find_key(read_anew(secret_id), kid)
    if key is None:
        raise InvalidTokenError("the token is not signed by a key of this service")
    return key


def _find_key(secret: dict[str, Any] | None, kid: str) -> str | None:
    keys = (secret, *secret.get("previous", [])) if secret else ()
    return next((str(each["key"]) for each in keys if each["kid"] == kid), None)


_read_at: dict[str, float] = {}


def read_anew(secret_id: str) -> dict[str, Any] | None:
    """A secret read again: a key that is not known here may be new. None when that is not done, or fails.

    Anybody can make up the name of a key: it is done now and then, and nothing that is known gets lost.
    """
    now = time.monotonic()
    if now - _read_at.get(secret_id, -UNKNOWN_KEY_SECONDS) < UNKNOWN_KEY_SECONDS:
        return None
    _read_at[secret_id] = now
    try:
        return read_secret(secret_id, anew=True)
    except SecretUnavailableError:
        logger.warning("a secret cannot be read anew", extra={"secret": secret_id})
        return None


def sign_unsubscribe_link(secret: dict[str, Any], user_id: str, scope: str) -> str:
    """A token that proves the right to unsubscribe one user from one scope: id, scope and tag, base64url.

    It does not expire: it stands in mails that are kept, and all it can do is to unsubscribe.
    """
    payload = UUID(user_id).bytes + scope.encode()
    return base64.urlsafe_b64encode(_tag(secret, payload, b"unsubscribe") + payload).decode().rstrip("=")


def read_link(secret_id: str, token: str) -> tuple[str, str]:
    """(user id, scope) of a link that was signed by a key of a secret; else InvalidTokenError.

    A link of a key that is not known here may be signed by a new one: the secret is read again, now and then.
    """
    return _read_signed(secret_id, lambda secret: read_unsubscribe_link(secret, token))


def read_unsubscribe_link(secret: dict[str, Any], token: str) -> tuple[str, str]:
    """(user id, scope) of a link that was signed here; else InvalidTokenError."""
    payload = _signed(secret, token, b"unsubscribe")
    if len(payload) <= 16:
        raise InvalidTokenError(_NOT_SIGNED)
    return str(UUID(bytes=payload[:16])), payload[16:].decode()


def sign_telegram_link(secret: dict[str, Any], user_id: str, expires_at: int) -> str:
    """What a link to the bot proves: that a user wants to be reached in the chat where it is followed.

    Id, Unix time and tag, base64url: 48 characters, and Telegram takes 64.
    """
    payload = UUID(user_id).bytes + expires_at.to_bytes(4, "big")
    tag = _tag(secret, payload, b"telegram")
    return base64.urlsafe_b64encode(tag + payload).decode().rstrip("=")


def read_telegram_link(secret_id: str, token: str, now: datetime) -> str:
    """The user of a link to the bot; InvalidTokenError when it was not signed here, or has expired."""
    payload = _read_signed(secret_id, lambda secret: _signed(secret, token, b"telegram"))
    if len(payload) != 20:
        raise InvalidTokenError(_NOT_SIGNED)
    if int.from_bytes(payload[16:], "big") <= now.timestamp():
        raise InvalidTokenError("the link has expired")
    return str(UUID(bytes=payload[:16]))


def _read_signed(secret_id: str, read: Callable[[dict[str, Any]], T]) -> T:
    """What is read by a secret's keys; when that fails, by those that are new there, if any."""
    secret = read_secret(secret_id)
    try:
        return read(secret)
    except InvalidTokenError:
        anew = read_anew(secret_id)
        if anew is None or anew == secret:
            raise
        return read(anew)


_NOT_SIGNED = "the link is not signed by this service"


def _signed(secret: dict[str, Any], token: str, use: bytes) -> bytes:
    """What a link says that was signed for this use by one of the keys."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InvalidTokenError("the link is damaged") from error
    tag, payload = raw[:LINK_TAG_BYTES], raw[LINK_TAG_BYTES:]
    keys = [secret, *secret.get("previous", [])]
    if not any(hmac.compare_digest(_tag(key, payload, use), tag) for key in keys):
        raise InvalidTokenError(_NOT_SIGNED)
    return payload


def _tag(secret: dict[str, Any], payload: bytes, use: bytes) -> bytes:
    return hmac.digest(secret["key"].encode(), use + b"\0" + payload, "sha256")[:LINK_TAG_BYTES]
