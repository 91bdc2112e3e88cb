"""Texts that are too long for a form's page: put aside for a while, under a name that the form has."""

import hashlib
from datetime import datetime

from chalicelib.domain.retention import is_kept
from chalicelib.services.audiences import PASSING_KEPT
from chalicelib.services.errors import NotFoundError
from chalicelib.tables.form_texts import read_text, write_text

MAX_BYTES = 300_000
"""More than the longest text that a channel takes; DynamoDB has at most 400 KB in an item."""


def put_aside(text: str, now: datetime) -> str:
    """The name of a text from now on: its hash, which nobody can guess who has not the text."""
    name = hashlib.sha256(text.encode()).hexdigest()
    write_text(name, text, int((now + PASSING_KEPT).timestamp()))
    return name


def find(name: str, now: datetime) -> str:
    """The text that was put aside under a name."""
    found = read_text(name)
    if found is None or not is_kept(found.expires_at, now):
        raise NotFoundError("the text is not kept any more: paste it again")
    return found.text
