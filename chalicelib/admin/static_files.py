"""Files that a browser keeps for ever: their names change with their content."""

import hashlib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("static")
FILES = ("panel.css", "panel.js", "session.js", "upload.js", "libraries/htmx.js", "icon.svg")
FOR_EVER = "public, max-age=31536000, immutable"
CONTENT_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}


@cache
def _addresses() -> dict[str, str]:
    """A file's name -> its name in addresses."""
    found = {}
    for name in FILES:
        path = FOLDER / name
        found[name] = f"{path.stem}.{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}{path.suffix}"
    return found


def address(name: str) -> str:
    """How a file is named in addresses."""
    return _addresses()[name]


def find(asked: str) -> Path | None:
    """The file of a name in addresses; None if there is none of this very content."""
    return next((FOLDER / name for name, each in _addresses().items() if each == asked), None)
