"""Sessions of the admin panel: a signed token that says who it is, and ends when it is not used.

Nothing is kept of a session on our side. A new password, a disabled account and "log out everywhere" end
it at the very next request: whose it is is read anew each time.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from chalicelib import security, settings
from chalicelib.services.administrators import fingerprint_of
from chalicelib.services.authentication import administrator_of, claims_of, principal_of
from chalicelib.services.errors import NotAuthenticatedError
from chalicelib.services.rights import Principal
from chalicelib.tables.principals import Administrator

USE = "panel"
RENEWED_AFTER_SECONDS = 60
"""A session is renewed by a request that comes so long after it was, or later."""


@dataclass(frozen=True)
class Session:
    """Who is logged in. `csrf` is what each of their forms has to carry; times in seconds."""

    administrator: Administrator
    principal: Principal
    csrf: str
    began: int
    renewed: int


def open_session(administrator: Administrator, now: datetime) -> str:
    """A new session's token."""
    at = int(now.timestamp())
    return _issue(administrator, secrets.token_urlsafe(24), at, at)


def read_session(token: str, now: datetime) -> Session:
    """The session of a token; NotAuthenticatedError if it is none, has ended, or was ended."""
    claims = claims_of(token, USE, now)
    session = claims.session or {}
    try:
        csrf, began, renewed = str(session["csrf"]), int(session["began"]), int(session["renewed"])
    except (KeyError, TypeError, ValueError) as error:
        raise NotAuthenticatedError("the session has not its form") from error
    found = administrator_of(claims, now)
    return Session(found, principal_of(found), csrf, began, renewed)


def renew(session: Session, now: datetime) -> str | None:
    """The token with which a session goes on; None while the present one is fresh."""
    at = int(now.timestamp())
    if at < session.renewed + RENEWED_AFTER_SECONDS:
        return None
    return _issue(session.administrator, session.csrf, session.began, at)


def _issue(administrator: Administrator, csrf: str, began: int, at: int) -> str:
    configured = settings.panel()
    ends = min(at + configured.idle_minutes * 60, began + configured.session_hours * 3600)
    claims = security.Claims(
        administrator.login,
        fingerprint_of(administrator),
        {"csrf": csrf, "began": began, "renewed": at},
    )
    now = datetime.fromtimestamp(at).astimezone()
    return security.issue_token(settings.current().token_secret, claims, USE, max(ends - at, 0), now)
