"""Who may create notifications: administrators and applications, and how they prove it."""

import base64
import re
from dataclasses import dataclass
from datetime import datetime

from pynamodb.expressions.condition import Condition

from chalicelib import security, settings
from chalicelib.domain.times import iso
from chalicelib.services.errors import AlreadyThereError, InvalidFieldError, NotAuthenticatedError
from chalicelib.tables.base import ConditionFailedError
from chalicelib.tables.principals import Administrator, Application

RESERVED_SLUGS = frozenset({"basic", "bearer"})
"""The schemes of the Authorization header, which an application's slug stands in the place of."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 256


@dataclass(frozen=True)
class Principal:
    """Who acts: an administrator (who sees everything) or an application (which sees its own)."""

    kind: str
    name: str

    @property
    def author(self) -> str:
        """How the principal stands in a notification, and which tenant it is in the queues."""
        return f"{self.kind}:{self.name}"

    @property
    def is_administrator(self) -> bool:
        return self.kind == "administrator"

    def may_see(self, author: str) -> bool:
        """Whether what this author made is shown to the principal."""
        return self.is_administrator or self.author == author


def authenticate(authorization: str | None) -> Principal:
    """The principal of an Authorization header: Basic or Bearer of an administrator, or `slug password`."""
    if not authorization:
        raise NotAuthenticatedError("an Authorization header is needed")
    scheme, _, credentials = authorization.strip().partition(" ")
    credentials = credentials.strip()
    if not credentials:
        raise NotAuthenticatedError(
            "the Authorization header must be 'Basic …', 'Bearer …' or 'slug password'"
        )
    match scheme.lower():
        case "basic":
            return _by_basic(credentials)
        case "bearer":
            return _by_token(credentials)
    return _by_application(scheme, credentials)


def _by_basic(credentials: str) -> Principal:
    try:
        login, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError as error:
        raise NotAuthenticatedError("Basic credentials must be base64 of 'login:password'") from error
    if not colon:
        raise NotAuthenticatedError("Basic credentials must be base64 of 'login:password'")
    found = Administrator.one(login) if _NAME.fullmatch(login) else None
    known = found.password_hash if found and found.is_active else None
    # A password of any length would be hashed at the attacker's leisure.
    if not security.is_administrator_password(password[: MAX_PASSWORD_LENGTH + 1], known):
        raise NotAuthenticatedError("unknown login or wrong password")
    return Principal("administrator", login)


def _by_token(token: str) -> Principal:
    try:
        login = security.login_of_token(security.read_secret(settings.current().token_secret), token)
    except security.InvalidTokenError as error:
        raise NotAuthenticatedError(str(error)) from error
    found = Administrator.one(login)
    if found is None or not found.is_active:
        raise NotAuthenticatedError("the token's administrator is not known any more")
    return Principal("administrator", login)


def _by_application(slug: str, password: str) -> Principal:
    found = Application.one(slug) if _NAME.fullmatch(slug) else None
    known = found.password_hash if found and found.is_active else None
    if not security.is_application_password(password, known):
        raise NotAuthenticatedError("unknown application or wrong password")
    return Principal("application", slug)


def create_administrator(login: str, now: datetime, password: str | None = None) -> str:
    """Make an administrator; the password, generated where none is given."""
    _check_name("login", login)
    password = password or security.generate_password()
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidFieldError(
            "password", f"must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters"
        )
    row = Administrator(
        login, password_hash=security.hash_administrator_password(password), created_at=iso(now)
    )
    _add(row, Administrator.login.does_not_exist(), f"administrator {login!r}")
    return password


def register_application(slug: str, now: datetime) -> str:
    """Register an application; its generated password, of which only a hash is kept."""
    _check_name("slug", slug)
    if slug in RESERVED_SLUGS:
        raise InvalidFieldError("slug", f"{slug!r} is the name of an authorization scheme")
    password = security.generate_password()
    row = Application(slug, password_hash=security.hash_application_password(password), created_at=iso(now))
    _add(row, Application.slug.does_not_exist(), f"application {slug!r}")
    return password


def issue_token(login: str, now: datetime) -> str:
    """An access token for an administrator, as the log-in gives it."""
    if Administrator.one(login) is None:
        raise InvalidFieldError("login", f"there is no administrator {login!r}")
    return security.issue_token(security.read_secret(settings.current().token_secret), login, now)


def _add(row: Administrator | Application, is_absent: Condition, what: str) -> None:
    try:
        row.put(condition=is_absent)
    except ConditionFailedError as failure:
        # The echo of our own write carries our own hash, which nobody else has.
        if failure.found["password_hash"]["S"] != row.password_hash:
            raise AlreadyThereError(f"there is an {what} already") from failure


def _check_name(field: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidFieldError(
            field, "must be 1 to 64 of a-z, 0-9, dot, dash and underscore, and begin with a letter or digit"
        )
