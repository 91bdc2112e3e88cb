"""Names of administrators, applications and whatever else stands in a path."""

import re

from chalicelib.services.errors import InvalidFieldError

PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
MAX_LENGTH = 64

_NAME = re.compile(PATTERN.strip("^$"))


def is_name(text: str) -> bool:
    """Whether it has the form of a name."""
    return _NAME.fullmatch(text) is not None


def check_name(field: str, name: str) -> None:
    """InvalidFieldError for what has not the form of a name."""
    if not is_name(name):
        raise InvalidFieldError(
            field, "must be 1 to 64 of a-z, 0-9, dot, dash and underscore, and begin with a letter or digit"
        )
