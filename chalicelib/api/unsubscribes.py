"""/api/v1/unsubscribes: who refuses what; and the signed link that every mail carries."""

from functools import cache
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from chalicelib.api.endpoints import Page, Resource
from chalicelib.api.lists import ListQuery
from chalicelib.channels import CHANNELS
from chalicelib.domain.times import utc_now
from chalicelib.services import unsubscribing
from chalicelib.services.rights import Access, Principal
from chalicelib.settings import LOCALES
from chalicelib.tables.unsubscribes import Unsubscribe

if TYPE_CHECKING:
    from jinja2 import Environment

resource = Resource("unsubscribes")

Token = Annotated[str, StringConstraints(max_length=200)]


Channel = Annotated[
    str, Field(max_length=32, examples=["mail"], json_schema_extra={"enum": [*sorted(CHANNELS)]})
]


class NewUnsubscribe(BaseModel):
    """A refusal."""

    user_id: UUID
    channel: Channel | None = Field(default=None, description="Which channel; everything if it is left out")


class SubscribeQuery(BaseModel):
    """What is subscribed to again."""

    channel: Channel | None = Field(default=None, description="Which channel; everything if it is left out")


class UnsubscribeOut(BaseModel):
    """What a user refuses."""

    user_id: str = Field(json_schema_extra={"format": "uuid"})
    channels: list[str] = Field(description="`*` is everything", examples=[["*"], ["mail"]])
    updated_at: str | None
    is_erased: bool = Field(description="What was kept about the user has been erased")


class UnsubscribesOut(BaseModel):
    """Some refusals, the last changed first."""

    results: list[UnsubscribeOut]
    next: str | None = Field(description="The cursor of the next page, or null at the end")


@resource.post("/api/v1/unsubscribes", access=Access.USER_OR_MANAGER, status=201)
def create_unsubscribe(principal: Principal, body: NewUnsubscribe) -> UnsubscribeOut:
    """Unsubscribe a user from everything, or from a channel. Done again it changes nothing."""
    return _shown(unsubscribing.unsubscribe(str(body.user_id), body.channel, principal, utc_now()))


@resource.get("/api/v1/unsubscribes", access=Access.MANAGE)
def list_unsubscribes(query: ListQuery) -> UnsubscribesOut:
    """Who refuses anything, the last changed first. The list may lag a moment behind."""
    page = unsubscribing.list_unsubscribes(query.cursor, query.limit)
    return UnsubscribesOut(results=[_shown(each) for each in page.unsubscribes], next=page.next_cursor)


@resource.get("/api/v1/unsubscribes/{user_id}", access=Access.USER_OR_MANAGER)
def read_unsubscribe(principal: Principal, user_id: UUID) -> UnsubscribeOut:
    """What a user refuses."""
    return _shown(unsubscribing.read(str(user_id), principal))


@resource.delete("/api/v1/unsubscribes/{user_id}", access=Access.USER_OR_MANAGER, refuses=(409,))
def delete_unsubscribe(principal: Principal, user_id: UUID, query: SubscribeQuery) -> None:
    """Subscribe a user again to everything, or to a channel. Done again it changes nothing.

    A user who refuses everything refuses it still when one channel is subscribed to again.
    """
    unsubscribing.subscribe(str(user_id), query.channel, principal, utc_now())


def _shown(row: Unsubscribe) -> UnsubscribeOut:
    return UnsubscribeOut(
        user_id=row.user_id,
        channels=sorted(row.scopes or ()),
        updated_at=row.updated_at,
        is_erased=row.is_tombstone,
    )


class PageHeaders(BaseModel):
    """How to speak to whoever looks at the page."""

    accept_language: str = Field(default="", alias="accept-language", description="en or ru")


@resource.get("/api/v1/unsubscribes/link/{token}", access=Access.ANYONE, refuses=(404, 503))
def show_unsubscribe_link(headers: PageHeaders, token: Token) -> Page:
    """A page with a button. Looking changes nothing: programs that check links look at them, too."""
    unsubscribing.read_link(token)
    return _page("unsubscribe.html", headers)


@resource.post("/api/v1/unsubscribes/link/{token}", access=Access.ANYONE, refuses=(404, 503))
def follow_unsubscribe_link(headers: PageHeaders, token: Token) -> Page:
    """Unsubscribe: what the button does, and what a mail program does by one click."""
    unsubscribing.unsubscribe_by_link(token, utc_now())
    return _page("unsubscribed.html", headers)


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("chalicelib.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def _page(name: str, headers: PageHeaders) -> Page:
    wanted = [each.strip()[:2].lower() for each in headers.accept_language.split(",")]
    locale = next((each for each in wanted if each in LOCALES), LOCALES[0])
    return Page(_templates().get_template(name).render(locale=locale))
