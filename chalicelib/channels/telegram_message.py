"""How a notification looks as a message of Telegram: markup of its own subset of HTML."""

import re
from html import escape, unescape

from chalicelib.channels.base import Letter

MAX_LENGTH = 4096
"""Of a message in UTF-16 code units, its entities taken away: https://core.telegram.org/bots/api#sendmessage."""

UNSUBSCRIBE = {"en": "Unsubscribe", "ru": "Отписаться"}

_TAG = re.compile(r"<[^<>]*>")


def compose(letter: Letter) -> str:
    """The title in bold, the text, and the line by which one unsubscribes."""
    title = " ".join(letter.title.split())
    text = letter.text.replace("\r\n", "\n").strip()
    body = letter.html.strip() if letter.html is not None else escape(text)
    line = f'<a href="{escape(letter.unsubscribe_url)}">{UNSUBSCRIBE[letter.locale]}</a>'
    heading = f"<b>{escape(title)}</b>" if title else ""
    return "\n\n".join(part for part in (heading, body, line) if part)


def length(text: str) -> int:
    """How long a text is for Telegram: in UTF-16 code units."""
    return len(text.encode("utf-16-le", "replace")) // 2


def shown_length(markup: str) -> int:
    """How long a message is as it is shown: its tags taken away."""
    return length(unescape(_TAG.sub("", markup)))
