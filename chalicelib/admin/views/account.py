"""Logging in and out, the own password, and in which language the panel is read."""

from chalice.app import Response

from chalicelib.admin import cookies, links
from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import Visit
from chalicelib.services import administrators
from chalicelib.services.authentication import log_in
from chalicelib.services.errors import InvalidFieldError, NotAuthenticatedError
from chalicelib.services.rights import Access
from chalicelib.services.sessions import open_session
from chalicelib.settings import LOCALES

section = Section("account")

LANGUAGE_SECONDS = 365 * 86_400


@section.page("", access=Access.LOOK)
def begin(visit: Visit) -> Response:
    """The panel's own address leads to its first page."""
    return visit.go_to(visit.root + links.HOME)


@section.page("/login", access=Access.ANYONE, is_open=True)
def show_login(visit: Visit) -> Response:
    """The form to log in with; who is logged in goes on."""
    wanted = links.safe_next(visit.form.text("next") or visit.query.get("next"))
    if visit.session is not None:
        return visit.go_to(visit.root + wanted)
    cookies.new_login_csrf(visit)
    return visit.show("login.html", next=wanted)


@section.action("/login", access=Access.ANYONE, again=show_login, is_open=True)
def enter(visit: Visit) -> Response:
    """Log in."""
    login = visit.form.text("login")
    try:
        found = log_in(login, visit.form.raw("password"), visit.source, visit.now)
    except NotAuthenticatedError as error:
        raise InvalidFieldError("", "Unknown login or wrong password.") from error
    administrators.note_log_in(found, visit.now)
    cookies.set_session(visit, open_session(found, visit.now))
    return visit.go_to(visit.root + links.safe_next(visit.form.text("next")))


@section.action("/logout", access=Access.ANYONE, is_open=True, is_harmless=True)
def leave(visit: Visit) -> Response:
    """Log out here."""
    cookies.set_session(visit, "")
    return visit.go("login", done="logged-out")


@section.page("/account/session", access=Access.LOOK)
def show_session(visit: Visit) -> Response:
    """Whose session it is, for the script of a page on which somebody types; asking keeps it."""
    return visit.tell(who=visit.principal.author, csrf=visit.csrf)


@section.page("/account", access=Access.LOOK)
def show_account(visit: Visit) -> Response:
    """Who I am, what I may do, and my password."""
    assert visit.session is not None
    found = visit.session.administrator
    return visit.show(
        "account.html",
        administrator=found,
        role=administrators.role_of(found),
        min_length=administrators.MIN_PASSWORD_LENGTH,
        max_length=administrators.MAX_PASSWORD_LENGTH,
    )


@section.action("/account/password", access=Access.LOOK, again=show_account)
def change_password(visit: Visit) -> Response:
    """Give oneself another password. Every session and token ends; this one goes on with a new one."""
    login, form = visit.principal.name, visit.form
    if form.raw("new_password") != form.raw("repeated"):
        raise InvalidFieldError("repeated", "The passwords do not match.")
    try:
        log_in(login, form.raw("password"), visit.source, visit.now)
    except NotAuthenticatedError as error:
        raise InvalidFieldError("password", "This is not your password.") from error
    administrators.change_password(login, form.raw("new_password"))
    cookies.set_session(visit, open_session(administrators.find_administrator(login), visit.now))
    return visit.go("account", done="password-changed")


@section.action("/account/logout_everywhere", access=Access.LOOK)
def leave_everywhere(visit: Visit) -> Response:
    """End every session and every token."""
    administrators.end_sessions(visit.principal.name)
    cookies.set_session(visit, "")
    return visit.go("login", done="logged-out-everywhere")


@section.action("/language", access=Access.ANYONE, is_open=True, is_harmless=True)
def choose_language(visit: Visit) -> Response:
    """Read the panel in another language from now on."""
    wanted = visit.form.text("language")
    if wanted in LOCALES:
        visit.cookies.append(cookies.cookie(cookies.LANGUAGE, wanted, lasts=LANGUAGE_SECONDS))
    return visit.go_to(visit.root + links.safe_next(visit.form.text("next")))
