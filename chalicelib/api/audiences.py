"""/api/v1/audiences: users who are sent to more than once, or who are too many for one request."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, FailFast, Field

from chalicelib.api.endpoints import Resource, Upload
from chalicelib.api.fields import ONE_LINE, Id, one_line
from chalicelib.api.lists import ListQuery
from chalicelib.domain.id_lists import UnreadableListError, read_ids
from chalicelib.domain.times import iso, utc_now
from chalicelib.services import audience_parts, audiences
from chalicelib.services.audience_parts import MAX_PART_USERS
from chalicelib.services.errors import RejectedLinesError
from chalicelib.services.rights import Access, Principal
from chalicelib.tables.audience_headers import Audience, AudienceState

resource = Resource("audiences")

CSV_TYPES = ("text/csv", "text/plain")

PartNumber = Annotated[int, Field(ge=1, le=audience_parts.MAX_PARTS)]


class NewAudience(BaseModel):
    """An audience that is to be made."""

    name: Annotated[str, AfterValidator(one_line)] | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="For people",
        examples=["Everybody in Kazan"],
        json_schema_extra={"pattern": ONE_LINE},
    )


class PartUsers(BaseModel):
    """The users of one part."""

    users: Annotated[list[UUID], FailFast()] = Field(
        description=f"1 to {MAX_PART_USERS} user ids, with or without dashes; each counts once",
        json_schema_extra={"minItems": 1, "maxItems": MAX_PART_USERS},
    )


class PartOut(BaseModel):
    """A part that has come in."""

    number: int
    users: int = Field(description="Each once")


class AudienceOut(BaseModel):
    """An audience and how far it has come."""

    id: Id
    name: str | None = Field(examples=["Everybody in Kazan"])
    author: str = Field(examples=["application:shop"])
    state: AudienceState = Field(description="Only a complete one can be sent to")
    created_at: str = Field(description="UTC, ISO 8601", examples=["2026-11-23T10:00:00.000Z"])
    expires_at: str | None = Field(description="When it goes, unless it is completed before")
    parts: list[PartOut]
    users: int = Field(description="In all parts, where each may name some that another has")
    recipients: int | None = Field(description="Each user once; null until it is complete")
    duplicates: int | None = Field(description="How many the parts named that an earlier one had")


class AudiencesQuery(ListQuery):
    """Which audiences, and which page of them."""

    author: str | None = Field(
        default=None, max_length=100, description="For administrators, who see those of all authors"
    )


class AudiencesOut(BaseModel):
    """A page of audiences."""

    results: list[AudienceOut]
    next: str | None = Field(description="The cursor of the next page, or null at the end")


@resource.post("/api/v1/audiences", access=Access.SEND, status=201)
def create_audience(principal: Principal, body: NewAudience) -> AudienceOut:
    """Make an audience, empty and open.

    Its users come in parts; when it is completed, notifications and frequencies can name it. An audience that
    is not completed within 30 days is gone.
    """
    return shown(audiences.create(body.name, principal, utc_now()))


@resource.get("/api/v1/audiences", access=Access.READ)
def list_audiences(principal: Principal, query: AudiencesQuery) -> AudiencesOut:
    """Audiences, oldest first."""
    page, following = audiences.listed(principal, query.author, query.cursor, query.limit, utc_now())
    return AudiencesOut(results=[shown(each) for each in page], next=following)


@resource.get("/api/v1/audiences/{audience_id}", access=Access.READ)
def read_audience(principal: Principal, audience_id: UUID) -> AudienceOut:
    """An audience and how far it has come."""
    return shown(audiences.visible(str(audience_id), principal, utc_now()))


@resource.put(
    "/api/v1/audiences/{audience_id}/parts/{number}", access=Access.SEND, takes=CSV_TYPES, refuses=(409,)
)
def put_audience_part(
    principal: Principal,
    audience_id: UUID,
    number: PartNumber,
    body: PartUsers | None,
    upload: Upload | None,
) -> AudienceOut:
    """Have users as a part of an audience.

    The same users again change nothing; others take the place of the part while the audience is open. A text
    or CSV has one id a line, or a column `user_id` under a header; if any line has none, none of it is taken.
    """
    if body is not None:
        ids = [user.bytes for user in body.users]
    else:
        assert upload is not None
        ids = _uploaded(upload)
    return shown(audience_parts.put_part(str(audience_id), number, ids, principal, utc_now()))


def _uploaded(upload: Upload) -> list[bytes]:
    try:
        return read_ids(upload.data)
    except UnreadableListError as error:
        raise RejectedLinesError(error.rejected) from error


@resource.post("/api/v1/audiences/{audience_id}/complete", access=Access.SEND, refuses=(409,))
def complete_audience(principal: Principal, audience_id: UUID) -> AudienceOut:
    """Close an audience: each user of its parts counts once, and nothing can be changed any more.

    Of a million users this takes some seconds. If it breaks off, the same request goes on.
    """
    return shown(audience_parts.complete(str(audience_id), principal, utc_now()))


@resource.delete("/api/v1/audiences/{audience_id}", access=Access.SEND, refuses=(409,))
def delete_audience(principal: Principal, audience_id: UUID) -> None:
    """Delete an audience that no frequency uses.

    What has been dispatched to it goes on. If it breaks off, the same request goes on.
    """
    audiences.delete(str(audience_id), principal, utc_now())


def shown(audience: Audience) -> AudienceOut:
    """An audience as it is answered."""
    recipients = int(audience.recipients) if audience.recipients is not None else None
    users = int(audience.users)
    return AudienceOut(
        id=audience.id,
        name=audience.name,
        author=audience.owner,
        state=AudienceState(audience.state),
        created_at=audience.created_at,
        expires_at=_moment(audience.expires_at),
        parts=[PartOut(number=part.number, users=part.users) for part in audience.by_number.values()],
        users=users,
        recipients=recipients,
        duplicates=users - recipients if recipients is not None else None,
    )


def _moment(seconds: Any) -> str | None:
    return iso(datetime.fromtimestamp(int(seconds), UTC)) if seconds is not None else None
