"""A visit: one request to the panel, with everything that a view needs to answer it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from chalice.app import Response

from chalicelib.admin import links, rendering, words
from chalicelib.admin.forms import Form
from chalicelib.domain.times import iso
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.rights import Access, Principal, has
from chalicelib.services.sessions import Session

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: dict[str, str | list[str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

_LOCAL = "%Y-%m-%dT%H:%M"


@dataclass
class Visit:
    """Who asks for what, in which language and time zone, and how they are answered.

    `path` is that of the page that is shown, or that an action shows again; None where there is none.
    `errors` are what is wrong with the form by field, when a page is shown again; the field "" is the whole.
    `section` is the part of the panel that the menu marks. `is_answer`: a form was sent.
    """

    now: datetime
    root: str
    path: str | None
    language: str
    zone: ZoneInfo
    section: str
    source: str
    query: Mapping[str, str]
    form: Form = field(default_factory=Form)
    text: bytes = b""
    session: Session | None = None
    login_csrf: str = ""
    is_fragment: bool = False
    is_answer: bool = False
    errors: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)

    @property
    def principal(self) -> Principal:
        """Who acts; only a page that is open to everybody has nobody."""
        assert self.session is not None
        return self.session.principal

    @property
    def csrf(self) -> str:
        """What this visitor's forms have to carry."""
        return self.session.csrf if self.session else self.login_csrf

    def may(self, access: Access) -> bool:
        """Whether the visitor has this access: what they may not do is not offered."""
        return self.session is not None and has(access, self.session.principal)

    def say(self, text: str) -> str:
        """A text in the visitor's language."""
        return words.catalogue(self.language).gettext(text)

    def to(self, /, *parts: str, **query: str | int | None) -> str:
        """The address of a page of the panel. A name that Python keeps for itself ends in an underscore."""
        return links.link(self.root, *parts, **query)

    def here(self, /, **changed: str | int | None) -> str:
        """The address of this page with a query that is changed; what is None is left out."""
        assert self.path is not None
        query = {name: value for name, value in self.query.items() if name != "done"}
        return links.link(self.root, *self.path.strip("/").split("/")[1:], **(query | changed))

    def show(
        self,
        template: str,
        status: int = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """A page, or a part of one, of a template."""
        html = rendering.render(self, template, values)
        if self.errors and status == HTTPStatus.OK:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        return Response(html, {**HEADERS, **(headers or {})}, status)

    def tell(self, **values: Any) -> Response:
        """What a script is answered."""
        return Response(json.dumps(values), {**HEADERS, "Content-Type": "application/json"}, HTTPStatus.OK)

    def go(self, *parts: str, done: str | None = None, **query: str | int | None) -> Response:
        """Go to a page of the panel, which says what was done: a name of `done.py`."""
        return self.go_to(self.to(*parts, done=done, **query))

    def go_to(self, address: str) -> Response:
        """Go to an address that `to` or `here` has made."""
        if self.is_fragment:
            return Response("", {**HEADERS, "HX-Redirect": address}, HTTPStatus.NO_CONTENT)
        return Response("", {**HEADERS, "Location": address}, HTTPStatus.SEE_OTHER)

    def zone_of(self, name: str) -> ZoneInfo:
        """The time zone in which a field was shown: the visitor's may be another one by now."""
        typed = self.form.text(f"zone.{name}")
        if not typed:
            return self.zone
        try:
            return ZoneInfo(typed)
        except (ValueError, OSError, LookupError) as error:
            raise InvalidFieldError(name, "must be a date and a time") from error

    def shown_zone(self, name: str) -> str:
        """The time zone in which a field is shown; of a field that was sent the one it had."""
        try:
            return self.zone_of(name).key
        except InvalidFieldError:
            return self.zone.key

    def local(self, moment: str | datetime | None, name: str = "") -> str:
        """A moment as a field of a form has it, in its time zone."""
        if not moment:
            return ""
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return at.astimezone(self.zone_of(name)).strftime(_LOCAL)

    def moment(self, name: str) -> datetime | None:
        """A field that has a moment, in the time zone in which it was shown; None where it is empty."""
        typed = self.form.text(name)
        if not typed:
            return None
        try:
            at = datetime.fromisoformat(typed)
            # By UTC an hour that the clocks leave out is the one that there is.
            at = (at.replace(tzinfo=self.zone_of(name)) if at.tzinfo is None else at).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise InvalidFieldError(name, "must be a date and a time") from error
        return at

    def untouched(self, name: str) -> str | None:
        """The exact moment that a field was filled in from, where its text still is what it was then.

        A field has no seconds, and cannot tell the two hours of a night in which the clocks go back.
        """
        exact = self.form.text(f"was.{name}")
        try:
            return exact if exact and self.local(exact, name) == self.form.text(name) else None
        except (ValueError, OverflowError):
            return None

    @property
    def now_iso(self) -> str:
        """This moment, as tables have moments."""
        return iso(self.now)
