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
    column: int | None = None
    has_header = False
    for line, cells in _rows(text, rejected):
        if column is None:
            names = [cell.lower() for cell in cells]
            has_header = COLUMN in names
            column = names.index(COLUMN) if has_header else 0
            if has_header:
                continue
        if len(cells) > 1 and not has_header:
            rejected.append((line, f"has {len(cells)} columns, and no header says which is {COLUMN}"))
        elif len(cells) <= column or not _ID.fullmatch(cells[column]):
            shown = cells[column][:_MAX_SHOWN] if len(cells) > column else ""
            rejected.append((line, f"{shown!r} is not a UUID"))
        else:
            found.append(bytes.fromhex(cells[column].replace("-", "")))
    return found, rejected


def _rows(text: str, rejected: Rejected) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not blank, each with its number; what breaks off the reading is rejected."""
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
            rejected.append((line, str(error)))
            return
        if any(cells):
            yield line, cells
