"""Applications: the programs that may use the API, what each may do, and their passwords."""

from chalice.app import Response

from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import Visit
from chalicelib.api.applications import Rotation
from chalicelib.services import applications
from chalicelib.services.applications import WithPassword
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.rights import DEFAULT_SCOPES, Access, Scope

section = Section("applications")

PAGE = 50


@section.page("/applications", access=Access.ADMINISTRATOR)
def show_list(visit: Visit) -> Response:
    """Applications by slug."""
    page = applications.list_applications(visit.query.get("cursor"), PAGE)
    return visit.show("applications/list.html", page=page, scopes_of=applications.scopes_of)


@section.page("/new/application", access=Access.ADMINISTRATOR)
def show_new(visit: Visit) -> Response:
    """The form to register one."""
    ticked = visit.form.texts("scopes") if visit.form.names() else sorted(DEFAULT_SCOPES)
    return visit.show("applications/new.html", ticked=ticked)


@section.action("/applications", access=Access.ADMINISTRATOR, again=show_new)
def register(visit: Visit) -> Response:
    """Register an application; the answer has its password, this once."""
    scopes = _scopes(visit)
    made = applications.register_application(
        visit.form.text("slug"), visit.now, scopes, visit.principal.author
    )
    return _show_password(visit, made)


@section.page("/applications/{slug}", access=Access.ADMINISTRATOR)
def show(visit: Visit, slug: str) -> Response:
    """One application."""
    found = applications.find_application(slug)
    changing = visit.form.has("scopes_form")
    return visit.show(
        "applications/one.html",
        application=found,
        ticked=visit.form.texts("scopes") if changing else sorted(applications.scopes_of(found)),
        old_password_hours=applications.OLD_PASSWORD_HOURS,
        max_old_password_hours=applications.MAX_OLD_PASSWORD_HOURS,
    )


@section.action("/applications/{slug}/scopes", access=Access.ADMINISTRATOR, again=show)
def change_scopes(visit: Visit, slug: str) -> Response:
    """Change what an application may do."""
    applications.change_rights(slug, _scopes(visit), None)
    return visit.go("applications", slug, done="application-changed")


@section.action("/applications/{slug}/disable", access=Access.ADMINISTRATOR, again=show)
def disable(visit: Visit, slug: str) -> Response:
    """Let an application in no more."""
    applications.change_rights(slug, None, False)
    return visit.go("applications", slug, done="application-changed")


@section.action("/applications/{slug}/enable", access=Access.ADMINISTRATOR, again=show)
def enable(visit: Visit, slug: str) -> Response:
    """Let an application in again."""
    applications.change_rights(slug, None, True)
    return visit.go("applications", slug, done="application-changed")


@section.action("/applications/{slug}/rotate", access=Access.ADMINISTRATOR, again=show)
def rotate(visit: Visit, slug: str) -> Response:
    """Give an application a new password; the answer has it, this once."""
    asked = Rotation.model_validate({"keep_old_hours": visit.form.text("keep_old_hours")})
    return _show_password(visit, applications.rotate_password(slug, asked.keep_old_hours, visit.now))


def _scopes(visit: Visit) -> set[Scope]:
    try:
        scopes = set(map(Scope, visit.form.texts("scopes")))
    except ValueError as error:
        raise InvalidFieldError("scopes", "there is no such scope") from error
    if not scopes:
        raise InvalidFieldError("scopes", "choose at least one")
    return scopes


def _show_password(visit: Visit, made: WithPassword) -> Response:
    """Not a redirect: in no address, and in no other page, does a password ever stand."""
    return visit.show("applications/password.html", application=made.application, password=made.password)
