"""Templates, for who sends by them: which there are, whether they can be filled in, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib import settings
from chalicelib.channels import CHANNELS
from chalicelib.channels.base import Letter
from chalicelib.services.contacts import MAX_NAME_LENGTH
from chalicelib.services.content import Content, checked, filled_in
from chalicelib.services.errors import InvalidFieldError, NotFoundError
from chalicelib.templating.catalogue import DEFAULT, Template, shipped
from chalicelib.templating.errors import BadVariableError, RenderingError, UnknownTemplateError
from chalicelib.templating.markup import MARKUPS, parsed
from chalicelib.templating.rendering import HTML, Recipient, Rendered, one_line, render
from chalicelib.templating.variables import check_values

PREVIEWED = "preview"
"""In the link by which nobody can unsubscribe, of a preview."""

_LONGEST_NAME = "\N{GRINNING FACE}" * MAX_NAME_LENGTH
_LONGEST_ZONE = "Pacific/Chatham"


@dataclass(frozen=True)
class Said:
    """What a template says to nobody in particular, in the language of the deployment."""

    template: str
    """With its version."""
    variables: dict[str, Any]
    title: str
    text: str


@dataclass(frozen=True)
class Preview:
    """What a recipient will see, in one language."""

    locale: str
    title: str
    text: str
    html: str | None
    """The whole of it in the channel's markup, where it has one."""


def all_templates() -> list[list[Template]]:
    """All templates by name, each with its versions, the newest first."""
    return [shipped().all_of(name) for name in shipped().versions]


def versions_of(name: str) -> list[Template]:
    """A template's versions, the newest first; NotFoundError when there is none of that name."""
    try:
        return shipped().all_of(name)
    except UnknownTemplateError as error:
        raise NotFoundError(str(error)) from None


def for_nobody(wanted: str, type_: str, variables: Mapping[str, Any]) -> Said:
    """Fill in a template, by the mere name its newest version; InvalidFieldError when that cannot be done.

    It is looked at in every language and with the longest name: what is accepted here can be sent.
    """
    template = _template(wanted, type_)
    values = _checked(template, variables)
    for locale in settings.LOCALES:
        for recipient in (Recipient(None, locale), Recipient(_LONGEST_NAME, locale, _LONGEST_ZONE)):
            _check_limits(type_, locale, _rendered(template, type_, values, recipient))
    said = _rendered(template, type_, values, Recipient(None, settings.current().default_locale))
    return Said(template.pinned, values, said.title, said.text)


def preview(
    wanted: str,
    content: Content,
    locales: Sequence[str] = settings.LOCALES,
    name: str | None = None,
    time_zone: str | None = None,
) -> list[Preview]:
    """What a recipient of this name and time zone would see, in each of the languages.

    `wanted` is a template, filled in with the content's variables, or DEFAULT, for its title and text.
    """
    if wanted == DEFAULT:
        checked(content)
        return [
            _preview(content.type, locale, name, Rendered(one_line(content.title), content.text))
            for locale in locales
        ]
    said = filled_in(wanted, content)
    template, values = _template(wanted, content.type), said.variables or {}
    return [
        _preview(
            content.type,
            locale,
            name,
            _rendered(template, content.type, values, Recipient(name, locale, time_zone)),
        )
        for locale in locales
    ]


def _preview(type_: str, locale: str, name: str | None, said: Rendered) -> Preview:
    channel = CHANNELS[type_]
    letter = Letter(
        id=PREVIEWED,
        title=said.title,
        text=said.text,
        html=said.html,
        address=channel.contact.example,
        name=name,
        locale=locale,
        unsubscribe_url=f"{settings.current().public_url}/api/v1/unsubscribes/link/{PREVIEWED}/",
    )
    return Preview(locale, said.title, said.text, channel.preview(letter))


def _template(wanted: str, type_: str) -> Template:
    if type_ not in CHANNELS:
        raise InvalidFieldError("type", f"unknown channel; there are: {', '.join(sorted(CHANNELS))}")
    try:
        template = shipped().find(wanted)
    except UnknownTemplateError as error:
        raise InvalidFieldError("template", str(error)) from None
    if type_ not in template.channels:
        has = ", ".join(template.channels)
        raise InvalidFieldError("template", f"{template.pinned} has nothing for {type_}; it is for: {has}")
    return template


def _checked(template: Template, variables: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return check_values(template.variables, variables)
    except BadVariableError as error:
        raise InvalidFieldError(f"variables.{error.name}".rstrip("."), error.reason) from None


def _rendered(template: Template, type_: str, values: Mapping[str, Any], recipient: Recipient) -> Rendered:
    try:
        return render(template, type_, values, recipient)
    except RenderingError as error:
        raise InvalidFieldError("variables", f"cannot be filled in: {error}") from error


def _check_limits(type_: str, locale: str, said: Rendered) -> None:
    limits, length = CHANNELS[type_].limits, CHANNELS[type_].length
    parts = [("title", said.title, limits.title), ("text", said.text, limits.text)]
    if said.html is not None:
        parts.append((HTML, parsed(said.html, MARKUPS[type_]).text, limits.text))
    for what, text, most in parts:
        if not any(each.isprintable() and not each.isspace() for each in text):
            raise InvalidFieldError("variables", f"the {what} would be empty in {locale!r}")
        if length(text) > most:
            raise InvalidFieldError(
                "variables",
                f"too long: the {what} would have {length(text)} of {most} characters in {locale!r}",
            )
