"""The commands of those who write templates: `templates` and `preview-template`. They need no deployment."""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chalicelib.channels import CHANNELS
from chalicelib.settings import LOCALES
from chalicelib.templating.catalogue import ROOT, Catalogue, Template
from infra.stack import DeploymentError


def add_commands(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the commands known to a parser."""
    listed = command("templates", run_list, "list the templates, and what is wrong with their files")
    shown = command(
        "preview-template", run_preview, "print what recipients will see of a template, from its files"
    )
    shown.add_argument("name", help="a template, for its newest version, or name@version")
    shown.add_argument("--type", default="mail", choices=sorted(CHANNELS), help="default: %(default)s")
    shown.add_argument("--locale", choices=LOCALES, help="only in this language; else in all")
    shown.add_argument("--variables", type=Path, metavar="FILE", help="a JSON object; else the examples")
    shown.add_argument("--recipient", metavar="NAME", help="the recipient's name, as Anna")
    shown.add_argument("--time-zone", help="of the recipient: an IANA name, as Europe/Moscow")
    for each in (listed, shown):
        each.add_argument("--folder", type=Path, default=ROOT, help="with the templates (default: ours)")
        each.set_defaults(needs_stack=False)


def run_list(options: argparse.Namespace) -> str:
    """The templates, one a line; DeploymentError with everything that is wrong with them."""
    from chalicelib.templating.checking import problems

    catalogue = _catalogue(options)
    if found := problems(catalogue):
        raise DeploymentError("\n".join([f"{len(found)} problem(s)", *found]))
    templates = [each for name in catalogue.versions for each in reversed(catalogue.all_of(name))]
    return "\n".join(_line(each) for each in templates) or "no templates"


def run_preview(options: argparse.Namespace) -> str:
    """What a template says."""
    from chalicelib.templating.errors import TEMPLATE_ERRORS, BadVariableError

    try:
        return "\n\n".join(_previews(options))
    except (*TEMPLATE_ERRORS, BadVariableError) as error:
        raise DeploymentError(str(error)) from error


def _previews(options: argparse.Namespace) -> Iterator[str]:
    from chalicelib.channels.base import Letter
    from chalicelib.templating.rendering import Recipient, render
    from chalicelib.templating.variables import check_values

    template = _catalogue(options).find(options.name)
    values = check_values(template.variables, _values(options, template))
    for locale in [options.locale] if options.locale else LOCALES:
        recipient = Recipient(options.recipient, locale, options.time_zone)
        said = render(template, options.type, values, recipient)
        channel = CHANNELS[options.type]
        letter = Letter(
            id="preview",
            title=said.title,
            text=said.text,
            html=said.html,
            address=channel.contact.example,
            name=recipient.name,
            locale=locale,
            unsubscribe_url="https://vestnik.example/unsubscribe",
        )
        parts = [f"--- {template.pinned}, {options.type}, {locale}", said.title, said.text]
        if html := channel.preview(letter):
            parts.append(html)
        yield "\n\n".join(parts)


def _values(options: argparse.Namespace, template: Template) -> dict[str, Any]:
    if options.variables is None:
        return template.examples
    try:
        values = json.loads(options.variables.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DeploymentError(f"{options.variables} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise DeploymentError(f"{options.variables} must hold a JSON object")
    return values


def _catalogue(options: argparse.Namespace) -> Catalogue:
    if not options.folder.is_dir():
        raise DeploymentError(f"there is no folder {options.folder}")
    return Catalogue(options.folder)


def _line(template: Template) -> str:
    variables = ", ".join(
        name if variable.required else f"[{name}]" for name, variable in template.variables.items()
    )
    return (
        f"{template.pinned:24} {','.join(template.channels):20} {','.join(template.locales):8} "
        f"{variables}: {template.description}"
    )
