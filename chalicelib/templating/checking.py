"""Whether the files of a template are all right: everything that would else break at a sending."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import TemplateSyntaxError, meta, nodes

from chalicelib.channels import CHANNELS
from chalicelib.settings import LOCALES
from chalicelib.templating.catalogue import DECLARATION, FILE, Catalogue, Template
from chalicelib.templating.errors import BadTemplateError, RenderingError
from chalicelib.templating.markup import MARKUPS, parsed
from chalicelib.templating.rendering import BLOCKS, HTML, MARKUP, PLAIN, TEXT, TITLE, Recipient, render
from chalicelib.templating.variables import MAX_VARIABLES_BYTES, Variable

HOSTILE = """javascript:"'><x y='z' onclick="1">&lt;&</b></p></a><!--"""
"""Stands in every text, in turn with `PLAIN_TEXT`: nothing of it may become a tag."""
PLAIN_TEXT = "x"
HOSTILE_URL = "https://example.com/?a=1&lt=2&quot=3"

_NOT_TAKEN: tuple[type[nodes.Node], ...] = (
    nodes.EvalContextModifier, nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends,
)  # fmt: skip
_RECIPIENT = Recipient("Anna", "en", "Europe/Moscow")
_NOBODY = Recipient(None, "en", None)


def problems(catalogue: Catalogue) -> list[str]:
    """What is wrong with the templates of a folder, each with its file; empty when all is well."""
    return [
        *catalogue.misplaced(),
        *(each for name in catalogue.versions for each in _of_name(catalogue, name)),
    ]


def _of_name(catalogue: Catalogue, name: str) -> Iterator[str]:
    for version in catalogue.versions[name]:
        try:
            template = catalogue.find(f"{name}@{version}")
        except BadTemplateError as error:
            yield f"{name}/{version}: {error}"
        else:
            yield from (f"{name}/{version}/{each}" for each in template_problems(template))


def template_problems(template: Template) -> Iterator[str]:
    """What is wrong with one version."""
    if len(json.dumps(template.examples, ensure_ascii=False).encode()) > MAX_VARIABLES_BYTES:
        yield f"{DECLARATION}: the examples have more than {MAX_VARIABLES_BYTES} bytes"
    used: set[str] = set()
    sound: set[str] = set()
    for path in sorted(template.folder.iterdir()):
        if path.name == DECLARATION:
            continue
        named = FILE.fullmatch(path.name)
        channel, locale = named.groups() if named else (None, None)
        if locale is None:
            yield f"{path.name}: not {DECLARATION}, <channel>.<language>.j2 or <language>.j2"
        elif channel is not None and channel not in CHANNELS:
            yield f"{path.name}: there is no channel {channel}; there are: {', '.join(sorted(CHANNELS))}"
        elif locale not in LOCALES:
            yield f"{path.name}: there is no language {locale}; there are: {', '.join(LOCALES)}"
        else:
            found = list(_source_problems(template, channel, path.read_text("utf-8"), used))
            yield from (f"{path.name}: {each}" for each in found)
            if not found:
                sound.add(path.name)
    yield from (f"{DECLARATION}: no file uses {name}" for name in template.variables if name not in used)
    if not template.channels:
        yield f"{DECLARATION}: there is no file beside it"
    for channel in template.channels:
        for locale in LOCALES:
            path_or_none = template.file(channel, locale)
            if path_or_none is None:
                yield f"{channel}.{locale}.j2: missing, and there is no {locale}.j2"
            elif path_or_none.name in sound:
                yield from (
                    f"{path_or_none.name}: by {channel}: {each}"
                    for each in _rendering_problems(template, channel, locale)
                )


def _source_problems(template: Template, channel: str | None, source: str, used: set[str]) -> Iterator[str]:
    try:
        tree = PLAIN.parse(source)
        MARKUP.compile(source)  # unknown filters are found only now
    except TemplateSyntaxError as error:
        yield f"line {error.lineno}: {error.message}"
        return
    undeclared = meta.find_undeclared_variables(tree) - {"recipient"}
    used |= undeclared
    for name in sorted(undeclared - set(template.variables)):
        yield f"{name} is not declared in {DECLARATION}"
    blocks = [block.name for block in tree.find_all(nodes.Block)]
    for name in (TITLE, TEXT):
        if name not in blocks:
            yield f"the block {name} is missing"
    for name in blocks:
        if name not in BLOCKS:
            yield f"unknown block {name}; there are: {', '.join(BLOCKS)}"
    if HTML in blocks and channel not in MARKUPS:
        yield f"the block {HTML} is only for a channel's own file, of {' or '.join(sorted(MARKUPS))}"
    if any(tree.find(each) for each in _NOT_TAKEN):
        yield "autoescape, include, import and extends are not for templates"
    for node in tree.body:
        is_blank = isinstance(node, nodes.Output) and all(
            isinstance(each, nodes.TemplateData) and not each.data.strip() for each in node.nodes
        )
        if not isinstance(node, nodes.Block) and not is_blank:
            yield f"line {node.lineno}: outside of a block nothing is said"


def _rendering_problems(template: Template, channel: str, locale: str) -> Iterator[str]:
    limits, length = CHANNELS[channel].limits, CHANNELS[channel].length
    required = {name: value for name, value in template.examples.items() if template.variables[name].required}
    for values in (template.examples, required):
        for who in (_RECIPIENT, _NOBODY):
            recipient = Recipient(who.name, locale, who.time_zone)
            try:
                said = render(template, channel, values, recipient)
            except RenderingError as error:
                yield f"{error} (with {'all examples' if values is template.examples else 'those required'})"
                return
            for name, text, most in ((TITLE, said.title, limits.title), (TEXT, said.text, limits.text)):
                if not text:
                    yield f"the {name} is empty"
                elif length(text) > most:
                    yield f"the {name} has {length(text)} characters; {channel} takes {most}"
            if said.html is not None:
                found = parsed(said.html, MARKUPS[channel])
                yield from (f"{HTML}: {each}" for each in dict.fromkeys(found.problems))
                if length(found.text) > limits.text:
                    yield f"{HTML} has {length(found.text)} characters to read; {channel} takes {limits.text}"
    yield from _hostile_problems(template, channel, locale)


def _hostile_problems(template: Template, channel: str, locale: str) -> Iterator[str]:
    """What a value could do to the markup."""
    harmless, hostile = (
        render(template, channel, _values(template.variables, text, url), Recipient(text, locale, None)).html
        for text, url in ((PLAIN_TEXT, "https://example.com"), (HOSTILE, HOSTILE_URL))
    )
    if harmless is None or hostile is None:
        return
    markup = MARKUPS[channel]
    expected, found = parsed(harmless, markup), parsed(hostile, markup)
    if found.shape != expected.shape or found.problems:
        yield f"{HTML}: a variable can become markup: {'; '.join(found.problems) or 'other tags'}"


def _values(variables: Mapping[str, Variable], text: str, url: str) -> dict[str, Any]:
    by_type = {"string": text, "url": url}
    return {name: by_type.get(each.type, each.example) for name, each in variables.items()}
