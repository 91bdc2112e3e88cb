"""Administrators: who may use the panel and the API, and in which role."""

from chalice.app import Response

from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import Visit
from chalicelib.services import administrators
from chalicelib.services.authentication import forget
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.rights import Access, Role

section = Section("administrators")

PAGE = 50


@section.page("/administrators", access=Access.ADMINISTRATOR)
def show_list(visit: Visit) -> Response:
    """Administrators by login."""
    page = administrators.list_administrators(visit.query.get("cursor"), PAGE)
    return visit.show("administrators/list.html", page=page, role_of=administrators.role_of)


@section.page("/new/administrator", access=Access.ADMINISTRATOR)
def show_new(visit: Visit) -> Response:
    """The form to make one."""
    return visit.show("administrators/new.html")


@section.action("/administrators", access=Access.ADMINISTRATOR, again=show_new)
def create(visit: Visit) -> Response:
    """Make an administrator; the answer has their password, this once."""
    login = visit.form.text("login")
    password = administrators.create_administrator(
        login, visit.now, role=_role(visit), author=visit.principal.author
    )
    return visit.show("administrators/password.html", login=login, password=password, is_new=True)


@section.page("/administrators/{login}", access=Access.ADMINISTRATOR)
def show(visit: Visit, login: str) -> Response:
    """One administrator."""
    found = administrators.find_administrator(login)
    return visit.show(
        "administrators/one.html",
        administrator=found,
        role=administrators.role_of(found),
        is_oneself=visit.principal.name == login,
    )


@section.action("/administrators/{login}/role", access=Access.ADMINISTRATOR, again=show)
def change_role(visit: Visit, login: str) -> Response:
    """Give an administrator another role."""
    administrators.change_administrator_rights(login, visit.principal, role=_role(visit))
    forget()
    return visit.go("administrators", login, done="administrator-changed")


@section.action("/administrators/{login}/disable", access=Access.ADMINISTRATOR, again=show)
def disable(visit: Visit, login: str) -> Response:
    """Let an administrator in no more; their sessions and tokens end."""
    administrators.change_administrator_rights(login, visit.principal, is_active=False)
    forget()
    return visit.go("administrators", login, done="administrator-changed")


@section.action("/administrators/{login}/enable", access=Access.ADMINISTRATOR, again=show)
def enable(visit: Visit, login: str) -> Response:
    """Let an administrator in again."""
    administrators.change_administrator_rights(login, visit.principal, is_active=True)
    forget()
    return visit.go("administrators", login, done="administrator-changed")


@section.action("/administrators/{login}/password", access=Access.ADMINISTRATOR, again=show)
def give_new_password(visit: Visit, login: str) -> Response:
    """Give an administrator a new password; the answer has it, this once."""
    password = administrators.give_new_password(login, visit.principal)
    forget()
    return visit.show("administrators/password.html", login=login, password=password, is_new=False)


@section.action("/administrators/{login}/end_sessions", access=Access.ADMINISTRATOR, again=show)
def end_sessions(visit: Visit, login: str) -> Response:
    """Log an administrator out everywhere."""
    administrators.end_sessions(login)
    forget()
    return visit.go("administrators", login, done="administrator-logged-out")


def _role(visit: Visit) -> Role:
    try:
        return Role(visit.form.text("role"))
    except ValueError as error:
        raise InvalidFieldError("role", "there is no such role") from error
