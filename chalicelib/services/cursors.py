"""Cursors: where the next page of a list begins, in a form that says nothing to a client."""

import base64
import json
from collections.abc import Sequence
from typing import TypeVar

from chalicelib.services.errors import InvalidFieldError

MAX_CURSOR_LENGTH = 400

Part = str | int

T = TypeVar("T")


def write_cursor(*parts: Part) -> str:
    """The cursor that stands for these values."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *kinds: type[Part]) -> list[Part]:
    """The values of a cursor, which are of these kinds; InvalidFieldError if this service did not give it."""
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
            raise ValueError("other values")
        if any(part == "" or (isinstance(part, int) and part < 0) for part in parts):
            raise ValueError("an empty or negative value")
        json.dumps(parts, ensure_ascii=False).encode()  # half a letter is a UnicodeEncodeError
    except (ValueError, RecursionError) as error:
        raise not_ours() from error
    return parts


def read_place(cursor: str | None) -> str | None:
    """The place in an index behind which a page begins; None for the first page."""
    return str(read_cursor(cursor, str)[0]) if cursor else None


def not_ours() -> InvalidFieldError:
    """The refusal of a cursor that this service did not give."""
    return InvalidFieldError("cursor", "not a cursor that this service gave")


def page_of(entries: Sequence[tuple[str, T | None]], limit: int) -> tuple[list[T], str | None]:
    """What is there still of the first `limit` entries of an index, and the cursor of the others, if any.

    An entry whose item has just gone counts: it must not look like the end of the list.
    """
    page = entries[:limit]
    following = write_cursor(page[-1][0]) if len(entries) > limit else None
    return [item for _, item in page if item is not None], following
