"""Filling in a template for one recipient. It loads Jinja: who does not render must not import it.

`title` and `text` are plain text; `html`, where a file has that block, is the channel's markup, in which
everything that is filled in is escaped.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chalicelib.templating import catalogue
from chalicelib.templating.errors import RenderingError
from chalicelib.templating.languages import moment_in_words, number_in_words
from chalicelib.templating.variables import Values, natives

TITLE, TEXT, HTML = BLOCKS = ("title", "text", "html")
FILTERS = ("abs", "capitalize", "default", "int", "length", "lower", "round", "trim", "truncate", "upper")
"""Jinja's own that a template may use: none that takes text for markup, or makes much of little."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_KEPT_FILES = 256


@dataclass(frozen=True)
class Recipient:
    """Whom a template speaks to, as it can ask: `recipient.name`."""

    name: str | None
    locale: str
    time_zone: str | None = None


@dataclass(frozen=True)
class Rendered:
    """What is said to one recipient."""

    title: str
    text: str
    html: str | None = None


@pass_context
def _moment(context: Context, value: datetime, form: str = "full") -> str:
    recipient = context["recipient"]
    return moment_in_words(value, recipient.locale, recipient.time_zone, form)


@pass_context
def _number(context: Context, value: float, decimals: int | None = None) -> str:
    return number_in_words(value, context["recipient"].locale, decimals)


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=autoescape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.clear()
    kept = {name: environment.filters[name] for name in FILTERS}
    environment.filters.clear()
    environment.filters.update(kept | {"moment": _moment, "number": _number})
    return environment


PLAIN, MARKUP = _environment(autoescape=False), _environment(autoescape=True)


@lru_cache(_KEPT_FILES)
def _compiled(path: Path, environment: ImmutableSandboxedEnvironment) -> Template:
    return environment.from_string(path.read_text("utf-8"))


def render(template: catalogue.Template, channel: str, values: Values, recipient: Recipient) -> Rendered:
    """What a template says by a channel to a recipient, in their language.

    The values are those that `check_values` has let pass. RenderingError when it breaks.
    """
    path = template.file(channel, recipient.locale)
    if path is None:
        raise RenderingError(f"{template.pinned} has nothing for {channel} in {recipient.locale}")
    try:
        variables = natives(template.variables, values) | {"recipient": recipient}
        html = _block(_compiled(path, MARKUP), HTML, variables)
        return Rendered(
            title=one_line(_block(_compiled(path, PLAIN), TITLE, variables) or ""),
            text=(_block(_compiled(path, PLAIN), TEXT, variables) or "").strip(),
            html=html.strip() if html is not None else None,
        )
    except Exception as error:
        # Whatever it is: the template has done it, and will do it again.
        raise RenderingError(f"{template.pinned}: {type(error).__name__}: {error}") from error


def one_line(title: str) -> str:
    """A title, which is one line, whatever was filled in."""
    return " ".join(_CONTROLS.sub(" ", title).split())


def _block(template: Template, name: str, variables: dict[str, Any]) -> str | None:
    block = template.blocks.get(name)
    return None if block is None else "".join(block(template.new_context(variables)))
