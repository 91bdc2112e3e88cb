"""The browser's libraries of the API's pages, the panel and the tests: `python -m infra.browser_libraries`.

They come out of npm packages, once; the files are kept in the repository, so that neither a build nor a
browser needs anything from elsewhere. This command fetches them anew, by `npm pack`, and writes down what
they are in SHA512SUMS, which a test compares. A new version is a change of LIBRARIES.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infra.package import PROJECT

API_PAGES = PROJECT / "chalicelib" / "api" / "static" / "libraries"
PANEL = PROJECT / "chalicelib" / "admin" / "static" / "libraries"
TESTS = PROJECT / "tests" / "browser" / "libraries"
FOLDERS = (API_PAGES, PANEL, TESTS)
SUMS = "SHA512SUMS"

_NO_PICTURE = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


class LibraryError(Exception):
    """A library cannot be had as LIBRARIES says; the message says why."""


@dataclass(frozen=True)
class Kept:
    """A file of a package that is kept."""

    path: str
    name: str
    changes: dict[str, str] = field(default_factory=dict)
    """What stands in it exactly once -> what is kept in its place."""


@dataclass(frozen=True)
class Library:
    """A package of the npm registry."""

    name: str
    version: str
    integrity: str
    files: tuple[Kept, ...]
    folder: Path = API_PAGES


LIBRARIES = (
    Library(
        "swagger-ui-dist",
        "5.35.0",
        "sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==",
        (
            Kept("swagger-ui-bundle.js", "swagger-ui.js"),
            Kept("swagger-ui.css", "swagger-ui.css", {"\n/*# sourceMappingURL=swagger-ui.css.map*/": ""}),
            Kept("LICENSE", "swagger-ui.LICENSE"),
            Kept("NOTICE", "swagger-ui.NOTICE"),
            Kept("swagger-ui-bundle.js.LICENSE.txt", "swagger-ui-bundle.js.LICENSE.txt"),
        ),
    ),
    Library(
        "redoc",
        "2.5.4",
        "sha512-M6jWhG1qoBnH6TFmzJnstyCZ87HmOY/UzDm78mHiYihEdlV/YcS9ogOo1NlElnJMeLsyxHFe2yFc4sNjHTrABQ==",
        (
            Kept(
                "bundles/redoc.standalone.js",
                "redoc.js",
                {
                    "\n//# sourceMappingURL=redoc.standalone.js.map": "",
                    "\\n//# sourceMappingURL=d87bcbdbea8f8f5aa26f.worker.js.map": "",
                    # Its maker's logo is the one thing it would fetch from elsewhere.
                    "https://cdn.redoc.ly/redoc/logo-mini.svg": _NO_PICTURE,
                },
            ),
            Kept("LICENSE", "redoc.LICENSE"),
            Kept("bundles/redoc.standalone.js.LICENSE.txt", "redoc.standalone.js.LICENSE.txt"),
        ),
    ),
    Library(
        "htmx.org",
        "2.0.11",
        "sha512-Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA==",
        (Kept("dist/htmx.min.js", "htmx.js"), Kept("LICENSE", "htmx.LICENSE")),
        PANEL,
    ),
    Library(
        "axe-core",
        "4.14.1",
        "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        (Kept("axe.min.js", "axe.js"), Kept("LICENSE", "axe.LICENSE")),
        TESTS,
    ),
)


def fetch(library: Library) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file that is kept of a package."""
    package = f"{library.name}@{library.version}"
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", package, "--json", "--pack-destination", folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if packed.returncode:
            raise LibraryError(f"npm could not pack {package}:\n{packed.stderr.strip()}")
        archive = Path(folder, json.loads(packed.stdout)[0]["filename"])
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != library.integrity:
            raise LibraryError(f"{package} has the integrity sha512-{digest}, not {library.integrity}")
        with tarfile.open(archive) as files:
            for kept in library.files:
                member = files.extractfile(f"package/{kept.path}")
                assert member is not None
                yield kept.name, changed(kept, member.read())


def changed(kept: Kept, content: bytes) -> bytes:
    """The file with its changes."""
    for old, new in kept.changes.items():
        if (found := content.count(old.encode())) != 1:
            raise LibraryError(f"{kept.path} has {old!r} {found} times, not once")
        content = content.replace(old.encode(), new.encode())
    return content


def sums(folder: Path) -> str:
    """What SHA512SUMS has to say: a line for each file, as `sha512sum` writes and checks them."""
    files = [path for path in sorted(folder.iterdir()) if path.name != SUMS]
    return "".join(f"{hashlib.sha512(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def main() -> None:
    """Fetch them all from the command line."""
    try:
        files = [(library, list(fetch(library))) for library in LIBRARIES]
    except LibraryError as failure:
        sys.exit(str(failure))
    for folder in FOLDERS:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    for library, kept in files:
        for name, content in kept:
            (library.folder / name).write_bytes(content)
            print(f"{library.name} {library.version}: {name}, {len(content) / 1e3:.0f} kB")
    for folder in FOLDERS:
        (folder / SUMS).write_text(sums(folder), "utf-8")


if __name__ == "__main__":
    main()
