"""What Telegram makes of a text with parse_mode HTML: the text itself, or why it refuses it.

The messages are those of the Bot API's server; https://core.telegram.org/bots/api#html-style.
"""

import html
import re

TAGS = frozenset(
    [
        "b",
        "strong",
        "i",
        "em",
        "u",
        "ins",
        "s",
        "strike",
        "del",
        "span",
        "tg-spoiler",
        "a",
        "tg-emoji",
        "code",
        "pre",
        "blockquote",
    ]
)
_TAG = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z0-9-]*)(?P<attributes>[^<>]*)>")
_ATTRIBUTE = re.compile(r"\s+(?P<name>[A-Za-z0-9-]+)(?:=(?P<value>\"[^\"]*\"|'[^']*'|[A-Za-z0-9.-]+))?")
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});")


class MarkupError(Exception):
    """It is no markup of Telegram's; says why, as Telegram does."""


def parse(markup: str) -> tuple[str, list[str]]:
    """The text without its markup, and the addresses of its links."""
    text: list[str] = []
    links: list[str] = []
    open_tags: list[str] = []
    at = 0
    while at < len(markup):
        start = markup.find("<", at)
        text.append(_decoded(markup[at : start if start >= 0 else len(markup)]))
        if start < 0:
            break
        offset = len(markup[:start].encode())
        tag = _TAG.match(markup, start)
        if tag is None:
            raise MarkupError(f"Unclosed start tag at byte offset {offset}")
        name = tag["name"].lower()
        if tag["end"]:
            _close(name, open_tags, offset)
        else:
            links += _open(name, tag["attributes"], offset)
            open_tags.append(name)
        at = tag.end()
    if open_tags:
        raise MarkupError(f'Can\'t find end tag corresponding to start tag "{open_tags[-1]}"')
    return "".join(text), links


def _open(name: str, written: str, offset: int) -> list[str]:
    if name not in TAGS:
        raise MarkupError(f'Unsupported start tag "{name}" at byte offset {offset}')
    attributes = {}
    rest = written.rstrip("/ ")
    while rest:
        found = _ATTRIBUTE.match(rest)
        if found is None:
            raise MarkupError(f"Unexpected attribute in the tag at byte offset {offset}")
        attributes[found["name"].lower()] = _decoded((found["value"] or "").strip("\"'"))
        rest = rest[found.end() :]
    if name == "span" and attributes.get("class") != "tg-spoiler":
        raise MarkupError(f'Tag "span" must have class "tg-spoiler" at byte offset {offset}')
    return [attributes["href"]] if name == "a" and attributes.get("href") else []


def _close(name: str, open_tags: list[str], offset: int) -> None:
    if not open_tags:
        raise MarkupError(f"Unexpected end tag at byte offset {offset}")
    expected = open_tags.pop()
    if name not in ("", expected):
        raise MarkupError(
            f'Unmatched end tag at byte offset {offset}, expected "</{expected}>", found "</{name}>"'
        )


def _decoded(text: str) -> str:
    # Only these; any other ampersand is itself.
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text)


def utf16_length(text: str) -> int:
    """In the units that Telegram counts by."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
