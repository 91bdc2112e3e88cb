"""Pages: how much of what is said one answer can carry. A Lambda function answers with 6 MB at most."""

import json

from chalicelib.tables.notifications import Notification

MAX_PAGE_BYTES = 1_000_000
"""Of titles and texts; what stands beside them, a hundred times, is far less."""


def answered_bytes(notification: Notification) -> int:
    """What the title and the text take in an answer, at most.

    Lambda writes the body as a string of ASCII: a letter that is not Latin has six bytes there.
    """
    return len(json.dumps(notification.title)) + len(json.dumps(notification.text))
