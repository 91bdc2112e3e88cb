"""Which templates there are: names, versions, channels and languages, as the files say.

`<name>/<version>/template.json` declares a version; beside it is a file per channel and language,
`mail.en.j2`, and per language one for every other channel, `en.j2`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from chalicelib.channels import CHANNELS
from chalicelib.settings import LOCALES
from chalicelib.templating.errors import BadTemplateError, UnknownTemplateError
from chalicelib.templating.variables import (
    API_LOCALE,
    DESCRIPTION_IS,
    MAX_VARIABLES,
    Variable,
    declared,
    descriptions_of,
)

ROOT = Path(__file__).parent.parent / "notification_templates"

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,49}$"
PINNED_PATTERN = r"^[a-z][a-z0-9_]{0,49}(@[1-9][0-9]{0,5})?$"
MAX_PINNED_LENGTH = 57
"""`name`, the newest version, or `name@version`."""

DEFAULT = "default"
"""What a plain title and text are said by: no files, and no template of its own may have the name."""

DECLARATION = "template.json"
FILE = re.compile(r"(?:([a-z][a-z0-9_]*)\.)?([a-z]{2})\.j2")
_NAME, _VERSION = re.compile(NAME_PATTERN.strip("^$")), re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True)
class Template:
    """One version of a template."""

    name: str
    version: int
    folder: Path
    descriptions: Mapping[str, str]
    """By language."""
    variables: Mapping[str, Variable]

    @property
    def description(self) -> str:
        """In the language of the API."""
        return self.descriptions[API_LOCALE]

    @property
    def pinned(self) -> str:
        """How a notification names it: `order_shipped@1`."""
        return f"{self.name}@{self.version}"

    def file(self, channel: str, locale: str) -> Path | None:
        """What a channel says in a language: the channel's own file, or the language's."""
        files = (self.folder / f"{channel}.{locale}.j2", self.folder / f"{locale}.j2")
        return next((path for path in files if path.is_file()), None)

    @cached_property
    def channels(self) -> list[str]:
        """The channels that it can be sent by."""
        return [each for each in sorted(CHANNELS) if any(self.file(each, locale) for locale in LOCALES)]

    @property
    def locales(self) -> list[str]:
        """The languages it is written in."""
        return [locale for locale in LOCALES if all(self.file(each, locale) for each in self.channels)]

    @property
    def examples(self) -> dict[str, Any]:
        """The examples of its variables: it can be filled in with these."""
        return {name: variable.example for name, variable in self.variables.items()}


class Catalogue:
    """The templates of a folder, each read when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: dict[tuple[str, int], Template] = {}

    @cached_property
    def versions(self) -> dict[str, list[int]]:
        """The names, and the versions of each, oldest first."""
        names = (
            sorted(path.name for path in self.root.iterdir() if path.is_dir()) if self.root.is_dir() else []
        )
        found = {
            name: sorted(
                int(path.name) for path in (self.root / name).iterdir() if _VERSION.fullmatch(path.name)
            )
            for name in names
        }
        return {name: versions for name, versions in found.items() if versions}

    def find(self, wanted: str) -> Template:
        """A version, or by the mere name the newest; UnknownTemplateError when there is none.

        BadTemplateError when its declaration is wrong.
        """
        name, _, version = wanted.partition("@")
        versions = self.versions.get(name)
        if not versions:
            raise UnknownTemplateError(f"there is no template {name!r}")
        if version and version not in map(str, versions):
            has = ", ".join(map(str, versions))
            raise UnknownTemplateError(f"there is no version {version} of {name}; there are: {has}")
        key = name, int(version or versions[-1])
        if key not in self._read:
            self._read[key] = _read(self.root / name / str(key[1]), *key)
        return self._read[key]

    def all_of(self, name: str) -> list[Template]:
        """All versions of a template, the newest first."""
        if name not in self.versions:
            raise UnknownTemplateError(f"there is no template {name!r}")
        return [self.find(f"{name}@{version}") for version in reversed(self.versions[name])]

    def misplaced(self) -> Iterator[str]:
        """What in the folder has not the name of a template or of a version."""
        for folder in sorted(self.root.iterdir()):
            if not _NAME.fullmatch(folder.name) or folder.name == DEFAULT:
                yield f"{folder.name}: no name for a template (a-z, 0-9 and _, and not {DEFAULT!r})"
            elif not folder.is_dir():
                yield f"{folder.name}: not a folder"
            else:
                for inner in sorted(folder.iterdir()):
                    if not _VERSION.fullmatch(inner.name) or not inner.is_dir():
                        yield f"{folder.name}/{inner.name}: not a version: a folder named by a number from 1"


@cache
def shipped() -> Catalogue:
    """The templates of this deployment."""
    return Catalogue(ROOT)


def _read(folder: Path, name: str, version: int) -> Template:
    try:
        said = json.loads((folder / DECLARATION).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadTemplateError(f"{DECLARATION} cannot be read: {error}") from error
    if not isinstance(said, dict) or set(said) - {"description", "variables"}:
        raise BadTemplateError(f"{DECLARATION} has a description and variables, and nothing else")
    variables = said.get("variables", {})
    descriptions = descriptions_of(said.get("description"))
    if descriptions is None or not isinstance(variables, dict):
        raise BadTemplateError(f"{DECLARATION}: {DESCRIPTION_IS}, and variables are an object")
    if len(variables) > MAX_VARIABLES:
        raise BadTemplateError(f"{DECLARATION}: at most {MAX_VARIABLES} variables")
    each = {variable: declared(variable, what) for variable, what in variables.items()}
    return Template(name, version, folder, descriptions, each)
