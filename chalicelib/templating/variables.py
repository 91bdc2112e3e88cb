"""The variables of a template: how they are declared, and which values they take."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from chalicelib.settings import LOCALES
from chalicelib.templating.errors import BadTemplateError, BadVariableError

MAX_VARIABLES = 50
MAX_VARIABLES_BYTES = 8_000
"""Of all values of a notification, as JSON in UTF-8: its row has room for them beside title and text."""
MAX_NAME_LENGTH = 64

MAX_TEXT_LENGTH = 500
"""In characters, where nothing is declared."""
MAX_URL_LENGTH = 2_000
MAX_NUMBER = 2**53
"""Beyond it JSON's numbers are not exact."""
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = frozenset({"recipient"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_URL = re.compile(r"https?://[^\s<>\"'\\^`{|}\x00-\x20\x7f-\x9f\ud800-\udfff]+")
_FIELDS = frozenset({"type", "description", "example", "max_length", "required", "default"})

DESCRIPTION_IS = f"a description is a text, or one for each of {', '.join(LOCALES)}"
API_LOCALE = LOCALES[0]
"""The API describes templates in this language, and the panel in that of who looks at it."""

Values = Mapping[str, Any]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    if _CONTROL.search(value):
        raise ValueError("must be without control characters, but for tabs and line breaks")
    return value


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if not abs(value) <= MAX_NUMBER:  # NaN is not, either
        raise ValueError(f"must be a number from -{MAX_NUMBER} to {MAX_NUMBER}")
    return value


def _url(value: Any) -> str:
    text = _text(value)
    try:
        is_url = _URL.fullmatch(text) is not None and bool(urlsplit(text).hostname)
    except ValueError:  # of urlsplit, as for http://[
        is_url = False
    if not is_url:
        raise ValueError("must be an http or https address")
    return text


def moment_of(text: str) -> datetime:
    """A time in ISO 8601 with its zone. ValueError for what is none, or out of reach."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no zone")
    if not EARLIEST <= moment < LATEST:
        raise ValueError("is out of reach")
    return moment


def _moment(value: Any) -> str:
    text = _text(value)
    try:
        moment_of(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"must be a time in ISO 8601 with its zone, from {EARLIEST.year} to {LATEST.year - 1}"
        ) from None
    return text


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "string": _text,
    "number": _number,
    "url": _url,
    "moment": _moment,
}
"""The types: each gives the value back, or raises ValueError with the reason."""


@dataclass(frozen=True)
class Variable:
    """What a template says of one of its variables."""

    name: str
    type: str
    descriptions: Mapping[str, str]
    """By language."""
    example: Any
    max_length: int | None
    """In characters, of a text or an address."""
    required: bool
    default: Any
    """What stands for one that is left out; None where nothing does."""

    @property
    def description(self) -> str:
        """In the language of the API."""
        return self.descriptions[API_LOCALE]

    def checked(self, value: Any) -> Any:
        """The value; BadVariableError when it is none of this variable."""
        try:
            checked = CHECKS[self.type](value)
        except ValueError as error:
            raise BadVariableError(self.name, str(error)) from None
        if self.max_length is not None and len(checked) > self.max_length:
            raise BadVariableError(self.name, f"must have at most {self.max_length} characters")
        return checked

    def native(self, value: Any) -> Any:
        """The value as a template gets it: a moment is a datetime."""
        return moment_of(value) if self.type == "moment" and value is not None else value


def descriptions_of(said: Any) -> Mapping[str, str] | None:
    """A description as template.json has it, by language: one text is for all. None where it is neither."""
    if isinstance(said, str):
        return dict.fromkeys(LOCALES, said)
    is_whole = isinstance(said, dict) and set(said) == set(LOCALES)
    return said if is_whole and all(isinstance(each, str) for each in said.values()) else None


def declared(name: str, said: Any) -> Variable:
    """A variable as template.json declares it; BadTemplateError when that is not right."""
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name) or name in _RESERVED:
        raise BadTemplateError(f"{name!r} is no name for a variable: a-z, 0-9 and _, and not `recipient`")
    if not isinstance(said, dict) or (unknown := set(said) - _FIELDS):
        what = f"unknown: {', '.join(sorted(unknown))}" if isinstance(said, dict) else "must be an object"
        raise BadTemplateError(f"variable {name}: {what}")
    kind, required, longest = said.get("type"), said.get("required", True), said.get("max_length")
    if not isinstance(kind, str) or kind not in CHECKS:
        raise BadTemplateError(f"variable {name}: type must be one of {', '.join(CHECKS)}")
    if not isinstance(required, bool) or (required and "default" in said):
        raise BadTemplateError(f"variable {name}: required is true or false, and a default needs false")
    descriptions = descriptions_of(said.get("description"))
    if descriptions is None or "example" not in said:
        raise BadTemplateError(f"variable {name}: needs a description and an example; {DESCRIPTION_IS}")
    if kind in ("string", "url"):
        if longest is None:
            longest = MAX_TEXT_LENGTH if kind == "string" else MAX_URL_LENGTH
        if not isinstance(longest, int) or isinstance(longest, bool) or longest < 1:
            raise BadTemplateError(f"variable {name}: max_length must be a whole number from 1")
    elif longest is not None:
        raise BadTemplateError(f"variable {name}: max_length is for texts and addresses")
    variable = Variable(name, kind, descriptions, said["example"], longest, required, said.get("default"))
    try:
        for value in (variable.example, *([variable.default] if "default" in said else [])):
            variable.checked(value)
    except BadVariableError as error:
        raise BadTemplateError(f"variable {name}: its example or default {error.reason}") from None
    return variable


def check_values(variables: Mapping[str, Variable], values: Values) -> dict[str, Any]:
    """The values that were given, which are stored; BadVariableError for the first that is not right.

    It names the variable; "" is all of them.
    """
    if len(values) > MAX_VARIABLES:
        raise BadVariableError("", f"at most {MAX_VARIABLES}")
    for name in values:
        if name not in variables:
            has = ", ".join(variables) or "none"
            raise BadVariableError(
                name[:MAX_NAME_LENGTH], f"the template has no such variable; it has: {has}"
            )
    checked = {}
    for name, variable in variables.items():
        if name in values:
            checked[name] = variable.checked(values[name])
        elif variable.required:
            raise BadVariableError(name, f"required: {variable.description}")
    if len(json.dumps(checked, ensure_ascii=False).encode()) > MAX_VARIABLES_BYTES:
        raise BadVariableError("", f"at most {MAX_VARIABLES_BYTES} bytes together, as JSON")
    return checked


def natives(variables: Mapping[str, Variable], values: Values) -> dict[str, Any]:
    """The values as a template gets them, with the defaults of those that were left out."""
    return {name: variable.native(values.get(name, variable.default)) for name, variable in variables.items()}
