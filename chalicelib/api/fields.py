"""Fields that more than one resource has."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

from chalicelib.channels import CHANNELS
from chalicelib.services import names
from chalicelib.services.content import Content
from chalicelib.templating.catalogue import MAX_PINNED_LENGTH, PINNED_PATTERN
from chalicelib.templating.variables import MAX_VARIABLES, MAX_VARIABLES_BYTES

Id = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
"""An id as it is stored, which needs no check on its way out."""

_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_CONTROLS_IN_TEXT = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_CONTROL, _CONTROL_IN_TEXT = re.compile(f"[{_CONTROLS}]"), re.compile(f"[{_CONTROLS_IN_TEXT}]")
_LIMITS = [channel.limits for channel in CHANNELS.values()]

ONE_LINE = rf"^[^{_CONTROLS}]*[^\s{_CONTROLS}][^{_CONTROLS}]*$"
PLAIN = rf"^[^{_CONTROLS_IN_TEXT}]*[^\s{_CONTROLS_IN_TEXT}][^{_CONTROLS_IN_TEXT}]*$"
"""Both as the schema says it: no control characters, and not blank."""

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def absent() -> Any:
    """The default of what may be left out but not be null; what is named is in `model_fields_set`."""
    return None


def one_line(value: str) -> str:
    """Text of one line that is not blank."""
    if _CONTROL.search(value):
        raise ValueError("must be one line, without control characters")
    return _not_blank(value.strip())


def _plain(value: str) -> str:
    if _CONTROL_IN_TEXT.search(value):
        raise ValueError("must be without control characters, but for tabs and line breaks")
    return _not_blank(value)


def _not_blank(value: str) -> str:
    # What takes no space on the screen, as U+200B, is no text either.
    if not any(character.isprintable() and not character.isspace() for character in value):
        raise ValueError("must not be blank")
    return value


def _within_reach(value: datetime) -> datetime:
    # Compared before anything is counted with it: at the ends of the calendar nothing can be.
    if not EARLIEST <= value < LATEST:
        raise ValueError(f"must be from {EARLIEST.year} to {LATEST.year - 1}")
    return value


INT64 = 2**63


def as_text(value: Any) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool) and -INT64 <= value < INT64
    return str(value) if is_number else value


ContentId = Annotated[
    str,
    BeforeValidator(as_text),
    Field(
        max_length=255,
        json_schema_extra={"type": ["string", "integer"], "minimum": -INT64, "maximum": INT64 - 1},
    ),
]
"""A text; a whole number of 64 bits is taken for one."""

Slug = Annotated[str, StringConstraints(pattern=names.PATTERN, max_length=names.MAX_LENGTH)]
"""The name of an application, or of a frequency."""

Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]
"""A time with its zone."""


Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=max(limits.title for limits in _LIMITS)),
    AfterValidator(one_line),
    Field(json_schema_extra={"pattern": ONE_LINE}),
]

Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=max(limits.text for limits in _LIMITS)),
    AfterValidator(_plain),
    Field(json_schema_extra={"pattern": PLAIN}),
]


Channel = Annotated[
    str,
    Field(
        description="The channel",
        json_schema_extra={"enum": [*sorted(CHANNELS)]},
        examples=["mail"],
        max_length=32,
    ),
]

Variables = Annotated[
    dict[str, Any],
    Field(
        max_length=MAX_VARIABLES,
        json_schema_extra={"additionalProperties": {"type": ["string", "number"]}},
        examples=[{"order": "A-1047"}],
    ),
]
"""What a template is filled in with; the template says which, and their types."""

SAID: dict[str, Any] = {"title": "Your order has been shipped", "text": "It will be with you on Friday."}
SAID_HOW: dict[str, Any] = {
    "oneOf": [
        {"title": "in so many words", "required": ["title", "text"]},
        {"title": "by a template", "required": ["template"]},
    ]
}
"""Of the schema of what has ContentFields."""


class ContentFields(BaseModel):
    """What a notification says: a title and a text, or a template with its variables."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [SAID_HOW],
            "examples": [{"type": "mail", **SAID, "is_express": False, "content_id": "order-1047"}],
        }
    )

    type: Channel
    title: Title = Field(
        default_factory=absent, description="One line; a channel may take less", examples=[SAID["title"]]
    )
    text: Text = Field(
        default_factory=absent,
        description="Plain text; empty lines part paragraphs; a channel may take less",
    )
    is_express: bool = Field(default=False, description="Urgent: by queues of its own, with priority")
    content_id: ContentId | None = Field(
        default=None, description="What it is about, in the client's own words"
    )
    template: Annotated[str, StringConstraints(pattern=PINNED_PATTERN, max_length=MAX_PINNED_LENGTH)] = Field(
        default_factory=absent,
        description="In place of `title` and `text`: a template's name, for its newest version at this "
        "moment, or name@version",
        examples=["order_shipped"],
    )
    variables: Variables = Field(
        default_factory=absent,
        description=f"What the template is filled in with; as JSON at most {MAX_VARIABLES_BYTES} bytes",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        said = self.model_fields_set
        if "template" not in said and (missing := [each for each in ("title", "text") if each not in said]):
            errors = [InitErrorDetails(type="missing", loc=(each,), input={}) for each in missing]
            raise ValidationError.from_exception_data(type(self).__name__, errors)
        return self

    @property
    def content(self) -> Content:
        # What a template is named for has no title of its own; if it was given one, that is refused.
        return Content(
            self.type,
            self.title or "",
            self.text or "",
            self.is_express,
            self.content_id,
            self.template,
            self.variables,
        )
