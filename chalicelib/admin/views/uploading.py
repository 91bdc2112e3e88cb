"""Files that upload.js sends in parts: where a part stands in its file, its ids, and how it is answered."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from chalice.app import Response

from chalicelib.admin import words
from chalicelib.admin.visits import Visit
from chalicelib.domain.id_lists import NOT_UTF8, sort_lines
from chalicelib.services.errors import InvalidFieldError
from chalicelib.tables.audience_headers import Part as StagedPart

MOST_ERRORS = 100
"""Bad lines that are told of one part; the page shows no more of all."""
MOST_LINES = 10_000_000
MOST_STAGED = 10_000
_STAGED = re.compile(r"([1-9][0-9]{0,5}) ([0-9a-f]{32}) staged")


@dataclass(frozen=True)
class Part:
    """A part of a file: its number of so many, its first line behind the header, and the header's lines."""

    number: int
    parts: int
    first: int
    header: int

    def line(self, line: int) -> int:
        """The number in the file of a line of this part; both from 1."""
        return self.first + line - 1 - self.header if line > self.header else line


@dataclass(frozen=True)
class Ids:
    """The user ids of a part, 16 bytes each, and its bad lines with the reasons, by their numbers in it."""

    good: list[bytes]
    bad: list[tuple[int, str]]


def part_of(visit: Visit) -> Part:
    """Where what was sent stands in its file."""
    return Part(*(_number(visit, name) for name in ("part", "parts", "first", "header")))


def staged_of(visit: Visit) -> list[StagedPart]:
    """The parts that were staged, as their answers named them: one a line."""
    found = [
        _STAGED.fullmatch(line) for line in visit.text[:MOST_STAGED].decode("utf-8", "replace").split("\n")
    ]
    return [StagedPart(0, int(each[1]), each[2], is_staged=True) for each in found if each]


def _number(visit: Visit, name: str) -> int:
    text = visit.query.get(name, "")
    if not (text.isascii() and text.isdigit()) or int(text[:9]) > MOST_LINES:
        raise InvalidFieldError(name, "must be a whole number")
    return int(text[:9])


def ids_of(data: bytes, field: str = "file") -> Ids:
    """The ids of a text; InvalidFieldError if it is none."""
    good, bad = sort_lines(data)
    if b"\0" in data or any(reason == NOT_UTF8 for _, reason in bad):
        raise InvalidFieldError(field, "is no text file: a CSV in UTF-8 is needed")
    return Ids(good, bad)


def report(
    visit: Visit,
    part: Part,
    lines: int,
    imported: int,
    bad: Iterable[tuple[int, str, str]],
    **more: str,
) -> Response:
    """What became of a part. `bad`: the line's number in the part, the field, and the reason."""
    told = [
        {"line": part.line(line), "field": field, "reason": words.reason_in(visit.language, reason)}
        for line, field, reason in bad
    ]
    return visit.tell(lines=lines, imported=imported, rejected=len(told), errors=told[:MOST_ERRORS], **more)
