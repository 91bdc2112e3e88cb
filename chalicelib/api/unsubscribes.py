"""/api/v1/unsubscribes/link/…: the signed link that every mail carries (RFC 8058)."""

from functools import cache
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field, StringConstraints

from chalicelib.api.endpoints import Page, Resource
from chalicelib.domain.times import utc_now
from chalicelib.services import unsubscribing
from chalicelib.services.rights import Access
from chalicelib.settings import LOCALES

if TYPE_CHECKING:
    from jinja2 import Environment

resource = Resource("unsubscribes")

Token = Annotated[str, StringConstraints(max_length=200)]


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
