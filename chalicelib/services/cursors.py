"""Cursors: where the next page of a list begins, in a form that says nothing to a client."""

import base64
import json

from chalicelib.services.errors import InvalidFieldError

MAX_CURSOR_LENGTH = 400

Part = str | int


def write_cursor(*parts: Part) -> str:
    """The cursor that stands for these values."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *kinds: type[Part]) -> list[Part]:
    """The values of a cursor, which are of these kinds; InvalidFieldError if this service did not give it."""
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
            raise ValueError("other values")
        if any(isinstance(part, int) and part < 0 for part in parts):
            raise ValueError("a negative value")
    except (ValueError, RecursionError) as error:
        raise InvalidFieldError("cursor", "not a cursor that this service gave") from error
    return parts
