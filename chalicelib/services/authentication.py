"""Authentication: who an Authorization header is from. What was checked a moment ago costs no request."""

import base64
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from chalicelib import security, settings
from chalicelib.directory import tokens
from chalicelib.domain.times import parse
from chalicelib.kept import Kept
from chalicelib.services import login_attempts
from chalicelib.services.administrators import MAX_PASSWORD_LENGTH, fingerprint_of, role_of
from chalicelib.services.applications import RESERVED_SLUGS, scopes_of
from chalicelib.services.errors import NotAuthenticatedError, OutsideUnavailableError
from chalicelib.services.names import is_name
from chalicelib.services.rate_limits import Allowance, take
from chalicelib.services.rights import Principal, administrator
from chalicelib.tables.principals import Administrator, Application

_administrators: Kept[Administrator] = Kept()
_applications: Kept[Application] = Kept()
_passwords: Kept[bytes] = Kept()
"""The proof that a password was right for a hash, without the password."""
_PROCESS_KEY = secrets.token_bytes(32)


def forget() -> None:
    """Begin anew: for tests."""
    for kept in (_administrators, _applications, _passwords):
        kept.forget()


@dataclass(frozen=True)
class Authenticated:
    """Who it is, and what is left of their requests, if those are counted."""

    principal: Principal
    allowance: Allowance | None = None


def authenticate(authorization: str | None, source: str, now: datetime) -> Authenticated:
    """Who a header is from: Basic or Bearer of an administrator, `slug password`, or a user's bare token.

    NotAuthenticatedError, TooManyRequestsError for too many failed log-ins or too many requests, or
    OutsideUnavailableError when nobody can say whose a user's token is.
    """
    if not authorization or not authorization.strip():
        raise NotAuthenticatedError("an Authorization header is needed")
    scheme, _, credentials = authorization.strip().partition(" ")
    credentials = credentials.strip()
    if not credentials:
        if scheme.lower() in RESERVED_SLUGS:
            raise NotAuthenticatedError(f"{scheme} needs credentials")
        return Authenticated(_by_user_token(scheme))
    match scheme.lower():
        case "basic":
            return Authenticated(_by_basic(credentials, source, now))
        case "bearer":
            return Authenticated(_by_token(credentials, now))
    return _by_application(scheme, credentials, now)


def log_in(login: str, password: str, source: str, now: datetime) -> Administrator:
    """The administrator of a login and a password; NotAuthenticatedError or TooManyRequestsError."""
    attempt = login_attempts.begin(login, source, now)
    found = Administrator.one(login, consistent=True) if is_name(login) else None
    known = found.password_hash if found and found.is_active else None
    # A password of any length would be hashed at the attacker's leisure.
    if not security.is_administrator_password(password[: MAX_PASSWORD_LENGTH + 1], known) or found is None:
        attempt.failed()
        raise NotAuthenticatedError("unknown login or wrong password")
    attempt.take_back()
    _administrators.put(login, found, now)
    return found


def administrator_of_token(token: str, use: str, now: datetime) -> Administrator:
    """The administrator to whom a token was issued, if nothing has revoked it since."""
    claims = claims_of(token, use, now)
    found = _administrators.get(claims.login, now)
    return found if found is not None and _is_of(claims, found) else administrator_of(claims, now)


def claims_of(token: str, use: str, now: datetime) -> security.Claims:
    """What a token says that was issued here for this use; else NotAuthenticatedError."""
    try:
        return security.read_token(settings.current().token_secret, token, use, now)
    except security.InvalidTokenError as error:
        raise NotAuthenticatedError(str(error)) from error


def administrator_of(claims: security.Claims, now: datetime) -> Administrator:
    """The administrator of a token as they are this moment; NotAuthenticatedError if it has been revoked."""
    found = Administrator.one(claims.login, consistent=True)
    if found is None or not _is_of(claims, found):
        raise NotAuthenticatedError("the token has been revoked")
    _administrators.put(claims.login, found, now)
    return found


def principal_of(found: Administrator) -> Principal:
    """Who an administrator is when they act."""
    return administrator(found.login, role_of(found))


def _is_of(claims: security.Claims, administrator: Administrator) -> bool:
    return administrator.is_active and hmac.compare_digest(claims.fingerprint, fingerprint_of(administrator))


def _by_basic(credentials: str, source: str, now: datetime) -> Principal:
    try:
        login, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError as error:
        raise NotAuthenticatedError("Basic credentials must be base64 of 'login:password'") from error
    if not colon:
        raise NotAuthenticatedError("Basic credentials must be base64 of 'login:password'")
    proof = hmac.digest(_PROCESS_KEY, f"{login}\0{password}".encode(), "sha256")
    found = _administrators.get(login, now)
    if found is None or not hmac.compare_digest(_passwords.get(login, now) or b"", proof):
        found = log_in(login, password, source, now)
        _passwords.put(login, proof, now)
    return principal_of(found)


def _by_token(token: str, now: datetime) -> Principal:
    return principal_of(administrator_of_token(token, "access", now))


def _by_user_token(token: str) -> Principal:
    try:
        return Principal("user", tokens.user_id_of(token))
    except tokens.InvalidUserTokenError as error:
        raise NotAuthenticatedError(f"not a user's token, nor a scheme and credentials: {error}") from error
    except tokens.UsersServiceUnavailableError as error:
        raise OutsideUnavailableError("users' tokens cannot be checked at present; try again") from error


def _by_application(slug: str, password: str, now: datetime) -> Authenticated:
    found = _applications.get(slug, now)
    if found is None or not _is_password(found, password, now):
        # Read anew: it may have been registered, or its password rotated, a moment ago.
        found = Application.one(slug, consistent=True) if is_name(slug) else None
        if not _is_password(found, password, now) or found is None:
            raise NotAuthenticatedError("unknown application or wrong password")
        _applications.put(slug, found, now)
    allowance, counted = take(slug, now)
    if counted is not None:
        found = counted
        _applications.put(slug, found, now)
        if not _is_password(found, password, now):
            raise NotAuthenticatedError("unknown application or wrong password")
    return Authenticated(Principal("application", slug, scopes_of(found)), allowance)


def _is_password(application: Application | None, password: str, now: datetime) -> bool:
    """Whether a password is the application's, or the one before it in its last hours."""
    known = application.password_hash if application and application.is_active else None
    previous = None
    if application and application.is_active and application.previous_until:
        previous = application.previous_hash if now < parse(application.previous_until) else None
    is_known = security.is_application_password(password, known)
    return security.is_application_password(password, previous) or is_known
