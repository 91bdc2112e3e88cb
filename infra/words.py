"""The panel's words: `python -m infra.words` reads them out of the code and compiles the catalogues.

English words stand in the code and the templates; each other language has a catalogue (.po), which is edited
by hand, and its compiled form (.mo), which the panel reads. Both are kept, so that a build needs no tools.
A word that has no translation yet ends the command with an error that names it.
"""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from infra.package import PROJECT

PANEL = PROJECT / "chalicelib" / "admin"
LOCALE = PANEL / "locale"
LANGUAGES = ("ru",)
METHODS = [("**/templates/**.html", "jinja2"), ("**.py", "python")]
OPTIONS = {"**/templates/**.html": {"trimmed": "true", "silent": "false", "newstyle_gettext": "true"}}
KEYWORDS = {
    "_": None,
    "gettext": None,
    "say": None,
    "ngettext": (1, 2),
    "_n": (1, 2),
    "pgettext": ((1, "c"), 2),
}


def extracted() -> Catalog:
    """Every word of the panel, as the code has it now."""
    found = Catalog()
    for file, _, message, comments, context in extract_from_dir(
        str(PANEL), METHODS, OPTIONS, KEYWORDS, comment_tags=("Words:",), strip_comment_tags=True
    ):
        found.add(message, None, [(file, 0)], auto_comments=comments, context=context)
    return found


def po_path(language: str) -> Path:
    """Where a language's catalogue is."""
    return LOCALE / language / "LC_MESSAGES" / "panel.po"


def read(language: str) -> Catalog:
    """A language's catalogue."""
    with po_path(language).open("rb") as file:
        return read_po(file, language)


def updated(language: str) -> Catalog:
    """A language's catalogue with every word of now and no others."""
    catalogue = read(language)
    catalogue.update(extracted(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def missing(catalogue: Catalog) -> list[str]:
    """Words without a translation."""
    return [str(each.id) for each in catalogue if each.id and (not _is_whole(each.string) or each.fuzzy)]


def _is_whole(string: object) -> bool:
    return all(string) if isinstance(string, tuple | list) else bool(string)


def written(catalogue: Catalog) -> bytes:
    """A catalogue as it is kept: sorted, without lines and dates, so that a change shows what has changed."""
    out = io.BytesIO()
    write_po(out, catalogue, width=108, no_location=True, omit_header=False, sort_output=True)
    lines = out.getvalue().decode().splitlines(keepends=True)
    return "".join(
        line for line in lines if not line.startswith('"POT-Creation') and "PO-Revision" not in line
    ).encode()


def compiled(catalogue: Catalog) -> bytes:
    """A catalogue as the panel reads it: the same bytes whenever it is compiled."""
    catalogue.creation_date = catalogue.revision_date = datetime.fromtimestamp(0, UTC)
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def main() -> None:
    """Bring every catalogue up to date from the command line."""
    lacking = []
    for language in LANGUAGES:
        catalogue = updated(language)
        po_path(language).write_bytes(written(catalogue))
        po_path(language).with_suffix(".mo").write_bytes(compiled(read(language)))
        lacking += [f"{language}: {each}" for each in missing(catalogue)]
        print(f"{language}: {len(catalogue)} words")
    if lacking:
        sys.exit("without a translation:\n" + "\n".join(lacking))


if __name__ == "__main__":
    main()
