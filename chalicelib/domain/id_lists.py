"""Lists of user ids as text: one a line, or a CSV with a column `user_id`."""

import csv
import io
import re
from collections.abc import Iterator

COLUMN = "user_id"
DELIMITERS = ",;\t"
NOT_UTF8 = "is not UTF-8"

_ID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MAX_SHOWN = 40

Rejected = list[tuple[int, str]]
"""Line numbers, from 1, each with a reason."""


class UnreadableListError(ValueError):
    """Some lines name no user; says which and why."""

    def __init__(self, rejected: Rejected) -> None:
        super().__init__(f"{len(rejected)} lines were not accepted")
        self.rejected = rejected


def read_ids(data: bytes) -> list[bytes]:
    """The ids of a list in their order, 16 bytes each; UnreadableListError unless every line has one.

    Blank lines do not count. Ids may have dashes or none; a byte-order mark, quotes and any line ends are
    fine.
    """
    found, rejected = sort_lines(data)
    if rejected:
        raise UnreadableListError(rejected)
    return found


def sort_lines(data: bytes) -> tuple[list[bytes], Rejected]:
    """The ids of a list as `read_ids` has them, and the lines that have none; of what is no text, no ids."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [], [(data.count(b"\n", 0, error.start) + 1, NOT_UTF8)]
    found: list[bytes] = []
    rejected: Rejected = []
    for line, judged in _judged(text):
        if isinstance(judged, bytes):
            found.append(judged)
        else:
            rejected.append((line, judged))
    return found, rejected


def without_ids(text: str) -> str:
    """A list without the lines that have an id: its header, if it has one, and the lines that have none."""
    lines = list(io.StringIO(text, newline=""))
    judged = list(_judged(text.removeprefix("\ufeff")))
    starts = [*(line - 1 for line, _ in judged), len(lines)]
    left = lines[: starts[0]]
    for (_, each), start, end in zip(judged, starts, starts[1:], strict=False):
        if isinstance(each, str):
            left += lines[start:end]
    return "".join(left)


def _judged(text: str) -> Iterator[tuple[int, bytes | str]]:
    """The lines behind the header that are not blank: each one's number, and its id or why it has none."""
    column: int | None = None
    has_header = False
    for line, cells in _rows(text):
        if isinstance(cells, str):
            yield line, cells
            continue
        if column is None:
            names = [cell.lower() for cell in cells]
            has_header = COLUMN in names
            column = names.index(COLUMN) if has_header else 0
            if has_header:
                continue
        if len(cells) > 1 and not has_header:
            yield line, f"has {len(cells)} columns, and no header says which is {COLUMN}"
        elif len(cells) <= column or not _ID.fullmatch(cells[column]):
            shown = cells[column][:_MAX_SHOWN] if len(cells) > column else ""
            yield line, f"{shown!r} is not a UUID"
        else:
            yield line, bytes.fromhex(cells[column].replace("-", ""))


def _rows(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """The lines that are not blank, each with its number; last, as a text, what breaks off the reading."""
    first = text.lstrip().partition("\n")[0]
    delimiter = next((each for each in DELIMITERS if each in first), DELIMITERS[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield line, str(error)
            return
        if any(cells):
            yield line, cells
