"""Fields that more than one resource has."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, StringConstraints

from chalicelib.channels import CHANNELS
from chalicelib.services import names
from chalicelib.services.content import Content

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


class ContentFields(BaseModel):
    """What a notification says."""

    type: str = Field(
        description="The channel",
        json_schema_extra={"enum": [*sorted(CHANNELS)]},
        examples=["mail"],
        max_length=32,
    )
    title: Title = Field(
        description="One line; a channel may take less", examples=["Your order has been shipped"]
    )
    text: Text = Field(description="Plain text; empty lines part paragraphs; a channel may take less")
    is_express: bool = Field(default=False, description="Urgent: by queues of its own, with priority")
    content_id: ContentId | None = Field(
        default=None, description="What it is about, in the client's own words"
    )

    @property
    def content(self) -> Content:
        return Content(self.type, self.title, self.text, self.is_express, self.content_id)
