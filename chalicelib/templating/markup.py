"""What markup a channel takes in a template's `html`, and whether some text is that."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"br", "hr", "img"})
LINKS = ("https://", "http://", "mailto:", "tel:", "tg://")
"""What an address in markup may begin with."""

_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});)")
_STYLED = ("class", "style", "title", "dir", "lang")


@dataclass(frozen=True)
class Markup:
    """The tags that a channel takes, with their attributes."""

    tags: Mapping[str, tuple[str, ...]]
    for_all: tuple[str, ...] = ()
    """Attributes that any tag may have."""


MARKUPS: Mapping[str, Markup] = {
    # https://core.telegram.org/bots/api#html-style
    "telegram": Markup(
        {
            **dict.fromkeys(("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "pre"), ()),
            "a": ("href",),
            "blockquote": ("expandable",),
            "code": ("class",),
            "span": ("class",),
            "tg-spoiler": (),
        }
    ),
    # What mail programs show, and none that runs, loads or asks for anything but a picture.
    "mail": Markup(
        {
            **dict.fromkeys(
                (
                    "b", "strong", "i", "em", "u", "s", "p", "br", "hr", "h2", "h3", "h4", "ul", "ol", "li",
                    "blockquote", "pre", "code", "span", "div", "small", "table", "thead", "tbody", "tr",
                ),
                (),
            ),
            "a": ("href",),
            "img": ("src", "alt", "width", "height"),
            **dict.fromkeys(("td", "th"), ("colspan", "rowspan", "align")),
        },
        _STYLED,
    ),
}  # fmt: skip
"""By channel; one that is not here has no `html`."""


@dataclass
class Parsed:
    """Some markup, read as a browser reads it."""

    shape: list[str] = field(default_factory=list)
    """The tags and the names of their attributes, in their order: nothing filled in may change it."""
    text: str = ""
    """What is to be read."""
    problems: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, markup: Markup) -> None:
        super().__init__(convert_charrefs=True)
        self._markup, self._open = markup, list[str]()
        self.parsed = Parsed()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parsed.shape.append(f"<{tag} {' '.join(name for name, _ in attrs)}>")
        if tag not in self._markup.tags:
            self.parsed.problems.append(f"the tag <{tag}> is not for this channel")
        for name, value in attrs:
            if name not in (*self._markup.tags.get(tag, ()), *self._markup.for_all):
                self.parsed.problems.append(f"<{tag}> takes no {name} here")
            if name in ("href", "src") and not (value or "").lower().startswith(LINKS):
                self.parsed.problems.append(
                    f"the {name} of <{tag}> may be anything: it needs a variable that is a url"
                )
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.parsed.shape.append(f"</{tag}>")
        if not self._open or self._open.pop() != tag:
            self.parsed.problems.append(f"</{tag}> ends what did not begin there")

    def handle_data(self, data: str) -> None:
        self.parsed.text += data

    def handle_comment(self, data: str) -> None:
        self._odd(f"<!--{data[:20]}")

    def handle_decl(self, decl: str) -> None:
        self._odd(f"<!{decl[:20]}")

    def handle_pi(self, data: str) -> None:
        self._odd(f"<?{data[:20]}")

    def unknown_decl(self, data: str) -> None:
        self._odd(f"<![{data[:20]}")

    def _odd(self, what: str) -> None:
        self.parsed.shape.append("<!>")
        self.parsed.problems.append(f"{what!r} is not for this channel")

    def ends(self) -> Iterator[str]:
        return (f"<{tag}> is not closed" for tag in self._open)


def parsed(html: str, markup: Markup) -> Parsed:
    """Read markup: its shape, its text, and what is wrong with it for a channel."""
    reader = _Reader(markup)
    reader.feed(html)
    reader.close()
    found = reader.parsed
    found.problems += reader.ends()
    if bare := _ENTITY.search(html):
        found.problems.append(f"{html[bare.start() : bare.start() + 10]!r}: & is written &amp;")
    return found
