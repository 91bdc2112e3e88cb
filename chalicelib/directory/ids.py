"""User ids as others write them."""

import re
from typing import Any

_DASHED = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX = re.compile(r"[0-9a-f]{32}")


def user_id_in(value: Any) -> str | None:
    """A user id in its normal form, a lower-case UUID with dashes; None when it is none."""
    text = value.strip().lower() if isinstance(value, str) else ""
    if _HEX.fullmatch(text):
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
    return text if _DASHED.fullmatch(text) else None
