"""The pages that show the schema: whole, from nowhere else, and wherever the API is."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urljoin

import pytest

from chalicelib.api.documents import PAGES, STATIC
from infra import browser_libraries
from tests.support.api import PROBLEM, Answer, Api

# What is behind API Gateway's stage, behind an emulator's path, and at a domain of its own.
BASES = (
    "https://id.example/api",
    "http://localhost:4566/restapis/id/api/_user_request_",
    "https://own.example",
)


def page(name: str, slash: str = "/") -> Answer:
    answer = Api().get(f"/api/schema/{name}{slash}")
    assert answer.status == 200
    return answer


def files(name: str) -> list[str]:
    return re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page(name).body.decode())


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("slash", ["/", ""])
@pytest.mark.parametrize("base", BASES)
def test_its_files_are_found_beside_it_wherever_it_is(name: str, slash: str, base: str) -> None:
    addresses = [urljoin(f"{base}/api/schema/{name}{slash}", file) for file in files(name)]
    assert len(addresses) >= 3
    for address in addresses:
        assert address.startswith(f"{base}/api/schema/")
        answer = Api().get(address.removeprefix(base))
        assert answer.status == 200
        assert answer.content_type in ("text/css; charset=utf-8", "text/javascript; charset=utf-8")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert len(answer.body) < 4_000_000  # a function answers 6 MB at most


@pytest.mark.parametrize("name", PAGES)
def test_nothing_runs_that_is_not_ours(name: str) -> None:
    policy = dict(
        directive.strip().split(" ", 1)
        for directive in page(name).headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=|https?://", page(name).body.decode())
    # Only Redoc writes styles into its page.
    assert ("'unsafe-inline'" in policy["style-src"]) == (name == "redoc")


@pytest.mark.parametrize("name", PAGES)
def test_a_file_that_it_does_not_have_is_not_found(name: str) -> None:
    wanted = files(name)[0].rpartition("/")[2]
    for wrong in ("x.js", "schema.js", wanted.replace(".", ".0", 1), "..%2f..%2fdocuments.py", "SHA512SUMS"):
        for path in (f"/api/schema/{name}.files/{wrong}", f"/api/schema/{name}/{name}.files/{wrong}"):
            answer = Api().get(path)
            assert (answer.status, answer.content_type) == (404, PROBLEM)


def test_an_address_changes_with_its_file() -> None:
    script = STATIC / "schema.js"
    digest = subprocess.run(["sha256sum", script], capture_output=True, text=True, check=True).stdout[:16]
    assert f"redoc.files/schema.{digest}.js" in files("redoc")


def test_the_libraries_are_those_that_were_fetched() -> None:
    """`make browser-libraries` fetches them anew; nobody changes them by hand."""
    for folder in browser_libraries.FOLDERS:
        assert (folder / browser_libraries.SUMS).read_text("utf-8") == browser_libraries.sums(folder)
        kept = {
            file.name
            for library in browser_libraries.LIBRARIES
            if library.folder == folder
            for file in library.files
        }
        assert {path.name for path in folder.iterdir()} == kept | {"SHA512SUMS"}


def test_each_library_has_its_licence() -> None:
    for name in ("swagger-ui.LICENSE", "redoc.LICENSE"):
        text = (browser_libraries.API_PAGES / name).read_text("utf-8")
        assert "Apache License" in text or "MIT License" in text


def test_no_file_asks_anybody_else_for_anything() -> None:
    for path in (path for path in STATIC.rglob("*") if path.suffix in (".js", ".css")):
        text = path.read_text("utf-8")
        assert not re.search(r"sourceMappingURL=[\w.-]+\.map", text), path
        assert "cdn." not in text, path
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", text), path


def test_a_change_that_is_not_found_once_is_an_error(tmp_path: Path) -> None:
    kept = browser_libraries.Kept("a.js", "a.js", {"old": "new"})
    assert browser_libraries.changed(kept, b"an old word") == b"an new word"
    for content in (b"none", b"old and old"):
        with pytest.raises(browser_libraries.LibraryError, match="not once"):
            browser_libraries.changed(kept, content)
