"""/api/v1/applications: the programs that may create notifications."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from chalicelib.api.endpoints import Resource
from chalicelib.api.fields import Slug
from chalicelib.api.lists import ListQuery
from chalicelib.domain.times import utc_now
from chalicelib.services import applications
from chalicelib.services.rights import DEFAULT_SCOPES, Access, Principal, Scope
from chalicelib.tables.principals import Application

resource = Resource("applications")

Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(Scope), examples=[["send", "read"]])]


class NewApplication(BaseModel):
    """An application to register."""

    slug: Slug = Field(description="Its name, which stands before its password", examples=["shop"])
    scopes: Scopes = Field(
        default=sorted(DEFAULT_SCOPES),
        description="send: notifications, audiences, frequencies; read: what it made; "
        "manage: contacts and unsubscribes",
    )


class ApplicationOut(BaseModel):
    """An application. Its password is shown when it is made, and never again."""

    slug: str = Field(examples=["shop"])
    scopes: list[Scope]
    is_active: bool
    created_at: str
    created_by: str | None = Field(examples=["administrator:anna"])
    last_used_at: str | None = Field(description="To the minute")
    old_password_until: str | None = Field(
        description="So long the password before the last rotation is good"
    )


class ApplicationWithPassword(ApplicationOut):
    """An application and its new password."""

    password: str = Field(description="Shown this once; only a hash is kept")


class ApplicationsOut(BaseModel):
    """Some applications by slug."""

    results: list[ApplicationOut]
    next: str | None = Field(description="The cursor of the next page, or null at the end")


class ChangedApplication(BaseModel):
    """What is to be different; what is left out stays."""

    scopes: Scopes | None = None
    is_active: bool | None = Field(
        default=None, description="false disables it, everywhere within half a minute", examples=[True]
    )


class Rotation(BaseModel):
    """How a password is changed."""

    keep_old_hours: int = Field(
        default=applications.OLD_PASSWORD_HOURS,
        ge=0,
        le=applications.MAX_OLD_PASSWORD_HOURS,
        description="So long the old password is good as well; 0 ends it now",
    )


@resource.post("/api/v1/applications", access=Access.ADMINISTRATOR, status=201, refuses=(409,))
def register_application(principal: Principal, body: NewApplication) -> ApplicationWithPassword:
    """Register an application. Its password is in the answer, this once."""
    made = applications.register_application(body.slug, utc_now(), set(body.scopes), principal.author)
    return ApplicationWithPassword(**_shown(made.application), password=made.password)


@resource.get("/api/v1/applications", access=Access.ADMINISTRATOR)
def list_applications(query: ListQuery) -> ApplicationsOut:
    """Some applications by slug."""
    page = applications.list_applications(query.cursor, query.limit)
    return ApplicationsOut(
        results=[ApplicationOut(**_shown(each)) for each in page.applications], next=page.next_cursor
    )


@resource.get("/api/v1/applications/{slug}", access=Access.ADMINISTRATOR)
def read_application(slug: Slug) -> ApplicationOut:
    """One application."""
    return ApplicationOut(**_shown(applications.find_application(slug)))


@resource.patch("/api/v1/applications/{slug}", access=Access.ADMINISTRATOR)
def change_application(slug: Slug, body: ChangedApplication) -> ApplicationOut:
    """Change what an application may do, disable it or enable it again."""
    scopes = set(body.scopes) if body.scopes else None
    return ApplicationOut(**_shown(applications.change_rights(slug, scopes, body.is_active)))


@resource.post("/api/v1/applications/{slug}/rotate", access=Access.ADMINISTRATOR, refuses=(409,))
def rotate_password(slug: Slug, body: Rotation) -> ApplicationWithPassword:
    """Give an application a new password; the old one is good as well for some hours.

    Only two passwords are ever good. Rotated again within ten minutes, as after an answer that was lost, the
    one in between is not: the new one is, and the one before the first rotation, which is still in use.
    409 when another request has just changed the password.
    """
    rotated = applications.rotate_password(slug, body.keep_old_hours, utc_now())
    return ApplicationWithPassword(**_shown(rotated.application), password=rotated.password)


def _shown(application: Application) -> dict[str, Any]:
    return {
        "slug": application.slug,
        "scopes": sorted(applications.scopes_of(application)),
        "is_active": application.is_active,
        "created_at": application.created_at,
        "created_by": application.created_by,
        "last_used_at": application.last_used_at,
        "old_password_until": application.previous_until,
    }
