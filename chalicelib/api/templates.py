"""/api/v1/templates: which there are, and what recipients will see of them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chalicelib.api.endpoints import Resource
from chalicelib.api.fields import Channel, Text, Title, Variables, absent
from chalicelib.services.content import Content
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.rights import Access
from chalicelib.settings import LOCALES
from chalicelib.templating.catalogue import DEFAULT, NAME_PATTERN, Template
from chalicelib.templating.languages import is_zone

resource = Resource("templates")

MAX_NAME_LENGTH = 200

TemplateName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Locale = Annotated[str, Field(json_schema_extra={"enum": list(LOCALES)}, max_length=8)]


class VariableOut(BaseModel):
    """What a template is filled in with."""

    type: Literal["string", "number", "url", "moment"] = Field(
        description="A moment is a text in ISO 8601, with its zone", examples=["string"]
    )
    description: str = Field(examples=["The order's number"])
    example: str | int | float = Field(examples=["A-1047"])
    max_length: int | None = Field(description="In characters, of a text or an address", examples=[40])
    required: bool = Field(examples=[True])
    default: str | int | float | None = Field(
        description="What stands for one that is left out", examples=[None]
    )


class TemplateVersion(BaseModel):
    """One version of a template."""

    version: int = Field(examples=[2])
    template: str = Field(
        description="With its version, as a notification names it", examples=["order_shipped@2"]
    )
    description: str = Field(examples=["An order is on its way"])
    channels: list[str] = Field(description="By which it can be sent", examples=[["mail", "telegram"]])
    locales: list[str] = Field(description="Its languages", examples=[["en", "ru"]])
    variables: dict[str, VariableOut] = Field(
        examples=[
            {
                "order": {
                    "type": "string",
                    "description": "The order's number",
                    "example": "A-1047",
                    "max_length": 40,
                    "required": True,
                    "default": None,
                }
            }
        ]
    )


class TemplateOut(BaseModel):
    """A template with its versions."""

    name: str = Field(examples=["order_shipped"])
    versions: list[TemplateVersion] = Field(
        description="The newest first, which is meant where only the name is given"
    )


class TemplatesOut(BaseModel):
    """All templates, by name."""

    results: list[TemplateOut]


class PreviewRecipient(BaseModel):
    """To whom, as the directory would know them."""

    name: Annotated[str, StringConstraints(max_length=MAX_NAME_LENGTH)] | None = Field(
        default=None, description="Without one the greeting is neutral", examples=["Anna"]
    )
    time_zone: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="IANA; UTC by default", examples=["Europe/Moscow"]
    )


class PreviewWanted(BaseModel):
    """What is to be looked at: a template with variables, or with `default` a title and a text."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "mail",
                    "version": 1,
                    "variables": {"order": "A-1047"},
                    "locale": "en",
                    "recipient": {"name": "Anna", "time_zone": "Europe/Moscow"},
                }
            ]
        }
    )

    type: Channel
    version: Annotated[int, Field(ge=1, le=999_999)] | None = Field(
        default=None, description="Of the template; by default the newest"
    )
    variables: Variables = Field(
        default_factory=absent, description="What the template is filled in with, as in a notification"
    )
    title: Title = Field(default_factory=absent, description="Only of `default`")
    text: Text = Field(default_factory=absent, description="Only of `default`")
    locale: Locale | None = Field(default=None, description="Only in this language; else in all")
    recipient: PreviewRecipient = Field(default_factory=PreviewRecipient)


class PreviewOut(BaseModel):
    """What a recipient will see, in one language."""

    locale: str = Field(examples=["en"])
    title: str = Field(examples=["Your order A-1047 has been shipped"])
    text: str = Field(examples=["Your order A-1047 is on its way."])
    html: str | None = Field(
        description="The whole of it in the channel's markup: a mail's page; null where there is only text",
        examples=["<!doctype html>…"],
    )


class PreviewsOut(BaseModel):
    """What recipients will see."""

    template: str = Field(
        description="With its version; or `default`, a plain title and text", examples=["order_shipped@1"]
    )
    results: list[PreviewOut] = Field(description="One for each language that was asked for")


@resource.get("/api/v1/templates", access=Access.READ)
def list_templates() -> TemplatesOut:
    """The templates of this deployment, with what each is filled in with."""
    from chalicelib.services import templates

    return TemplatesOut(results=[_shown(each) for each in templates.all_templates()])


@resource.get("/api/v1/templates/{name}", access=Access.READ)
def read_template(name: TemplateName) -> TemplateOut:
    """A template with all its versions."""
    from chalicelib.services import templates

    return _shown(templates.versions_of(name))


@resource.post("/api/v1/templates/{name}/preview", access=Access.SEND)
def preview_template(name: TemplateName, body: PreviewWanted) -> PreviewsOut:
    """What recipients will see of a template, or with the name `default` of a plain title and text.

    Nothing is sent. What is refused here is refused when it is sent, for the same reasons.
    """
    from chalicelib.services import templates

    if body.recipient.time_zone is not None and not is_zone(body.recipient.time_zone):
        raise InvalidFieldError("recipient.time_zone", "is not an IANA time zone")
    if body.locale is not None and body.locale not in LOCALES:
        raise InvalidFieldError("locale", f"must be one of {', '.join(LOCALES)}")
    wanted = name
    if name == DEFAULT:
        _check_default(body)
    else:
        versions = {each.version: each for each in templates.versions_of(name)}
        if body.version is not None and body.version not in versions:
            has = ", ".join(str(each) for each in sorted(versions))
            raise InvalidFieldError("version", f"there is no such version; there are: {has}")
        wanted = versions[body.version or max(versions)].pinned
    content = Content(body.type, body.title or "", body.text or "", variables=body.variables)
    found = templates.preview(
        wanted,
        content,
        [body.locale] if body.locale else LOCALES,
        body.recipient.name,
        body.recipient.time_zone,
    )
    results = [
        PreviewOut(locale=each.locale, title=each.title, text=each.text, html=each.html) for each in found
    ]
    return PreviewsOut(template=wanted, results=results)


def _check_default(body: PreviewWanted) -> None:
    for field in ("title", "text"):
        if getattr(body, field) is None:
            raise InvalidFieldError(field, "required")
    for field in ("version", "variables"):
        if getattr(body, field) is not None:
            raise InvalidFieldError(field, "is not of the default template: that has a title and a text")


def _shown(versions: list[Template]) -> TemplateOut:
    return TemplateOut(name=versions[0].name, versions=[_version(each) for each in versions])


def _version(template: Template) -> TemplateVersion:
    names = ("type", "description", "example", "max_length", "required", "default")
    variables: dict[str, Any] = {
        name: VariableOut(**{field: getattr(each, field) for field in names})
        for name, each in template.variables.items()
    }
    return TemplateVersion(
        version=template.version,
        template=template.pinned,
        description=template.description,
        channels=template.channels,
        locales=template.locales,
        variables=variables,
    )
