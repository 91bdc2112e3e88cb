"""/api/v1/notification_frequencies: what is sent again and again."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, FailFast, Field, StringConstraints

from chalicelib.api.endpoints import Resource
from chalicelib.api.examples import USER
from chalicelib.api.fields import ContentFields, Id, Moment, Slug, absent
from chalicelib.api.lists import ListQuery
from chalicelib.domain.schedule import MAX_CRON_LENGTH, MAX_PERIOD_SECONDS
from chalicelib.domain.times import utc_now
from chalicelib.services import frequencies
from chalicelib.services.frequencies import MAX_USERS, FrequencyView, Wanted
from chalicelib.services.frequency_times import NEXT_RUNS, FrequencyState, next_runs, state_of
from chalicelib.services.rights import Access, Principal
from chalicelib.tables.frequencies import Frequency

resource = Resource("notification frequencies")

PATH = "/api/v1/notification_frequencies"
TIMING = ("period", "cron", "time_zone", "starts_at", "ends_at")


class FrequencyFields(BaseModel):
    """What can be said of a frequency, at its making or later."""

    period: int | None = Field(
        default=None, ge=1, le=MAX_PERIOD_SECONDS, strict=True, description="Seconds from run to run"
    )
    cron: str | None = Field(
        default=None,
        max_length=MAX_CRON_LENGTH,
        description="In place of `period`: minute, hour, day, month and weekday",
        examples=["30 9 * * MON-FRI"],
    )
    time_zone: str | None = Field(
        default=None,
        max_length=64,
        description="IANA; `cron` is read in it; UTC by default",
        examples=["Europe/Moscow"],
    )
    starts_at: Moment | None = Field(
        default=None,
        description="From when on it runs, and the first run of a period; by default when it is made",
    )
    ends_at: Moment | None = Field(default=None, description="It runs until then, and no more after it")
    is_paused: bool = Field(default=False, description="A paused one does not run")
    notification: ContentFields = Field(default_factory=absent, description="What is sent")
    notification_id: UUID = Field(
        default_factory=absent, description="In place of `notification`: one whose content is taken over"
    )
    users: Annotated[list[UUID], FailFast()] = Field(
        default_factory=list,
        description=f"1 to {MAX_USERS} user ids; each counts once",
        json_schema_extra={"minItems": 1, "maxItems": MAX_USERS},
    )
    audience_id: UUID = Field(default_factory=absent, description="In place of `users`: a complete audience")

    def wanted(self) -> Wanted:
        """What the request names; what it does not name stays as it is."""
        named = self.model_fields_set
        return Wanted(
            timing={name: getattr(self, name) for name in TIMING if name in named},
            content=self.notification.content if "notification" in named else None,
            notification_id=str(self.notification_id) if "notification_id" in named else None,
            users=self.users if "users" in named else None,
            audience_id=str(self.audience_id) if "audience_id" in named else None,
            is_paused=self.is_paused if "is_paused" in named else None,
        )


class NewFrequency(FrequencyFields):
    """A frequency: when, what, and to whom."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "weekly-news",
                    "cron": "30 9 * * MON-FRI",
                    "time_zone": "Europe/Moscow",
                    "notification": {"type": "mail", "title": "The news", "text": "This is new."},
                    "users": [USER],
                }
            ],
            "allOf": [
                {"oneOf": [{"required": ["notification"]}, {"required": ["notification_id"]}]},
                {"oneOf": [{"required": ["users"]}, {"required": ["audience_id"]}]},
            ],
        }
    )

    slug: Slug = Field(
        description="Its name in the API; nobody else's may be the same", examples=["weekly-news"]
    )


class FrequencyChange(FrequencyFields):
    """What is to be different."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_paused": True}]})


class VersionHeaders(BaseModel):
    """Which version is meant."""

    model_config = ConfigDict(validate_by_name=True)

    if_match: Annotated[str, StringConstraints(pattern=r'^(\*|"?[0-9]{1,15}"?)$')] | None = Field(
        default=None,
        alias="if-match",
        max_length=17,
        description="The `version` that was read: if there is another by now, nothing is done (412)",
    )

    @property
    def version(self) -> int | None:
        return None if self.if_match in (None, "*") else int(str(self.if_match).strip('"'))


class FrequencySummary(BaseModel):
    """A frequency in a list."""

    slug: str = Field(examples=["weekly-news"])
    author: str = Field(examples=["application:shop"])
    version: int = Field(
        description="Raised by each change; one that is made anew never has a version of before",
        examples=[1795428000000],
    )
    state: FrequencyState = Field(description="An active one runs again; an ended one has no further run")
    is_paused: bool
    period: int | None
    cron: str | None
    time_zone: str
    starts_at: str | None
    ends_at: str | None
    next_run_at: str | None = Field(description="UTC, ISO 8601", examples=["2026-11-23T10:00:00.000Z"])
    next_runs: list[str] = Field(description=f"At most {NEXT_RUNS}")
    type: str
    title: str
    is_express: bool
    notification_id: Id
    audience_id: Id
    recipients: int = Field(description="Each user once")
    created_at: str
    updated_at: str


class FrequencyOut(FrequencySummary):
    """A frequency with all that belongs to it."""

    text: str
    template: str | None = Field(description="With its version", examples=[None])
    variables: dict[str, str | int | float] | None = Field(
        description="What the template is filled in with", examples=[None]
    )
    content_id: str | None


class FrequenciesQuery(ListQuery):
    """Which frequencies, and which page of them."""

    author: str | None = Field(
        default=None, max_length=100, description="For administrators, who see those of all authors"
    )


class FrequenciesOut(BaseModel):
    """A page of frequencies."""

    results: list[FrequencySummary]
    next: str | None = Field(description="The cursor of the next page, or null at the end")


@resource.post(PATH, access=Access.SEND, status=201, refuses=(409,))
def create_frequency(principal: Principal, body: NewFrequency) -> FrequencyOut:
    """Send something again and again, at a period or by a cron expression."""
    return _shown(frequencies.create(body.slug, body.wanted(), principal, utc_now()))


@resource.get(PATH, access=Access.READ)
def list_frequencies(principal: Principal, query: FrequenciesQuery) -> FrequenciesOut:
    """Notification frequencies by their slugs."""
    page, following = frequencies.listed(principal, query.author, query.cursor, query.limit)
    return FrequenciesOut(results=[FrequencySummary(**_summary(each)) for each in page], next=following)


@resource.get(PATH + "/{slug}", access=Access.READ)
def read_frequency(principal: Principal, slug: Slug) -> FrequencyOut:
    """A notification frequency and its next runs."""
    return _shown(frequencies.find(slug, principal))


@resource.patch(PATH + "/{slug}", access=Access.SEND, refuses=(409, 412))
def change_frequency(
    principal: Principal, slug: Slug, headers: VersionHeaders, body: FrequencyChange
) -> FrequencyOut:
    """Change a notification frequency, pause or resume it.

    What the body does not name stays. A period takes the place of a cron expression, and the other way round.
    """
    return _shown(frequencies.change(slug, body.wanted(), principal, utc_now(), headers.version))


@resource.delete(PATH + "/{slug}", access=Access.SEND, refuses=(409, 412))
def delete_frequency(principal: Principal, slug: Slug, headers: VersionHeaders) -> None:
    """Delete a notification frequency: it runs no more."""
    frequencies.delete(slug, principal, utc_now(), headers.version)


def _summary(row: Frequency) -> dict[str, Any]:
    same = (
        "slug", "author", "is_paused", "cron", "time_zone", "starts_at", "ends_at", "type", "title",
        "is_express", "notification_id", "audience_id", "created_at", "updated_at",
    )  # fmt: skip
    coming = next_runs(row, utc_now())
    return {name: getattr(row, name) for name in same} | {
        "version": int(row.version),
        "state": state_of(row, utc_now()),
        "next_run_at": coming[0] if coming else None,
        "period": int(row.period) if row.period is not None else None,
        "next_runs": coming,
        "recipients": int(row.recipients),
    }


def _shown(view: FrequencyView) -> FrequencyOut:
    return FrequencyOut(
        **_summary(view.frequency),
        text=view.content.text,
        template=view.content.template,
        variables=dict(view.content.variables) if view.content.variables is not None else None,
        content_id=view.content.content_id,
    )
