"""Pages: how much of what is said one answer can carry. A Lambda function answers with 6 MB at most."""

import json

from chalicelib.tables.notifications import Notification

MAX_PAGE_BYTES = 1_000_000
"""Of titles and texts; what stands beside them, a hundred times, is far less."""


def answered_bytes(notification: Notification) -> int:
    """What the title, the text and a template's variables take in an answer, at most.

    Lambda writes the body as a string of ASCII: a letter that is not Latin has six bytes there.
    """
    said = (notification.title, notification.text, notification.variables)
    return sum(len(json.dumps(each)) for each in said)
