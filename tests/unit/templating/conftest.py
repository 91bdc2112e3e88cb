"""Templates to try out, in a folder of a test's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.templating.catalogue import Catalogue

VARIABLES = {"order": {"type": "string", "description": "Its number", "example": "A-1"}}
PLAIN = "{% block title %}Order {{ order }}{% endblock %}\n{% block text %}It is {{ order }}.{% endblock %}\n"

Write = Callable[..., Catalogue]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes version 1 of `order`: files by their names; without any, a right one in two languages."""

    def _write(
        files: dict[str, str] | None = None, variables: dict[str, Any] | None = None, **declared: Any
    ) -> Catalogue:
        folder = tmp_path / "order" / "1"
        folder.mkdir(parents=True)
        said = {"description": "An order", "variables": VARIABLES if variables is None else variables}
        (folder / "template.json").write_text(json.dumps(said | declared), "utf-8")
        for name, source in (files or {"en.j2": PLAIN, "ru.j2": PLAIN}).items():
            (folder / name).write_text(source, "utf-8")
        return Catalogue(tmp_path)

    return _write
