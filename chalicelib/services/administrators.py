"""Administrators: made by a command, known by a password or a token, which a new password revokes."""

from dataclasses import dataclass
from datetime import datetime

from chalicelib import security, settings
from chalicelib.domain.times import iso
from chalicelib.services.errors import AlreadyThereError, InvalidFieldError
from chalicelib.services.names import check_name
from chalicelib.tables.base import ConditionFailedError
from chalicelib.tables.principals import Administrator

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 256


@dataclass(frozen=True)
class Tokens:
    """A short token for requests, and a longer one that gives further ones."""

    access: str
    refresh: str


def create_administrator(login: str, now: datetime, password: str | None = None) -> str:
    """Make an administrator; the password, generated where none is given."""
    check_name("login", login)
    password = password or security.generate_password()
    _check_password("password", password)
    row = Administrator(
        login, password_hash=security.hash_administrator_password(password), created_at=iso(now)
    )
    try:
        row.put(condition=Administrator.login.does_not_exist())
    except ConditionFailedError as failure:
        # The echo of our own write carries our own hash, which nobody else has.
        if failure.found["password_hash"]["S"] != row.password_hash:
            raise AlreadyThereError(f"there is an administrator {login!r} already") from failure
    return password


def change_password(login: str, password: str | None = None) -> str:
    """Give an administrator another password, generated where none is given; all their tokens end."""
    password = password or security.generate_password()
    _check_password("new_password", password)
    try:
        Administrator.change(
            login,
            actions=[Administrator.password_hash.set(security.hash_administrator_password(password))],
            condition=Administrator.login.exists(),
        )
    except ConditionFailedError as error:
        raise InvalidFieldError("login", f"there is no administrator {login!r}") from error
    return password


def issue_tokens(administrator: Administrator, now: datetime) -> Tokens:
    """Tokens for somebody whose password was right."""
    configured = settings.current()
    return Tokens(
        access=issue_access_token(administrator, now),
        refresh=_issue(administrator, "refresh", configured.refresh_token_days * 86_400, now),
    )


def issue_access_token(administrator: Administrator, now: datetime) -> str:
    """A token for requests."""
    return _issue(administrator, "access", settings.current().access_token_minutes * 60, now)


def issue_token(login: str, now: datetime) -> str:
    """An access token for an administrator, as an operator's command gives it."""
    found = Administrator.one(login, consistent=True)
    if found is None:
        raise InvalidFieldError("login", f"there is no administrator {login!r}")
    return issue_access_token(found, now)


def _issue(administrator: Administrator, use: str, seconds: int, now: datetime) -> str:
    claims = security.Claims(administrator.login, security.fingerprint(administrator.password_hash))
    return security.issue_token(settings.current().token_secret, claims, use, seconds, now)


def _check_password(field: str, password: str) -> None:
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidFieldError(field, f"must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters")
