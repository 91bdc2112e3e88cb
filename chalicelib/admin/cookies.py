"""The panel's cookies: the session, the form to log in with, and what a visitor has chosen."""

import secrets

from chalice.app import Request

from chalicelib import settings
from chalicelib.admin.visits import Visit

LANGUAGE, ZONE, LOGIN_FORM = "vestnik-language", "vestnik-zone", "vestnik-login"


def cookie(name: str, value: str, *, lasts: int | None = None, is_ours: bool = True) -> str:
    """A cookie of the panel. One that is ours alone no script can read; with TLS it is sent by nothing else.

    Args:
        lasts: Seconds; None until the browser is closed, 0 takes it away.
    """
    parts = [f"{name}={value}", "Path=/", "SameSite=Lax"]
    if is_ours:
        parts.append("HttpOnly")
    if is_secure():
        parts.append("Secure")
    if lasts is not None:
        parts.append(f"Max-Age={lasts}")
    return "; ".join(parts)


def is_secure() -> bool:
    """Whether the panel is reached by TLS, as the deployment's public address has it."""
    return settings.current().public_url.startswith("https:")


def session_cookie_name() -> str:
    """With TLS a name that browsers give no other host, no other path and no plain connection."""
    return "__Host-vestnik-session" if is_secure() else "vestnik-session"


def login_form_cookie_name() -> str:
    """The same for the token of the form to log in with: a sister domain cannot set it either."""
    return f"__Host-{LOGIN_FORM}" if is_secure() else LOGIN_FORM


def set_session(visit: Visit, token: str) -> None:
    """Have the browser keep a session's token; "" takes it away."""
    lasts = settings.panel().session_hours * 3600 if token else 0
    visit.cookies.append(cookie(session_cookie_name(), token, lasts=lasts))


def new_login_csrf(visit: Visit) -> None:
    """A form for somebody who is not logged in has a token too: nobody logs them in as somebody else."""
    if not visit.login_csrf:
        visit.login_csrf = secrets.token_urlsafe(24)
        visit.cookies.append(cookie(login_form_cookie_name(), visit.login_csrf))


def read_cookies(request: Request) -> dict[str, str]:
    """What was sent, whatever cookies of other kinds are among it."""
    pairs = (each.partition("=") for each in request.headers.get("cookie", "").split(";"))
    return {name.strip(): value.strip().strip('"') for name, equals, value in pairs if equals}
