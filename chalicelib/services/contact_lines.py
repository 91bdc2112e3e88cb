"""Contacts in bulk: CSV or JSON lines, of which the valid ones are put and the others are named."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from chalicelib.observability import logger
from chalicelib.services import audit
from chalicelib.services.contacts import ERASED, FIELDS, check, check_is_used, erased_among
from chalicelib.services.errors import InvalidFieldError, TooManyError
from chalicelib.tables.base import MAX_KEYS, MAX_PUTS, batch_put, in_parallel
from chalicelib.tables.contacts import Contact
from chalicelib.tables.unsubscribes import Unsubscribe

CSV = "text/csv"
JSON_LINES = "application/x-ndjson"

MAX_LINES = 50_000
"""Of one request: a new table takes about 4,000 writes a second, and the API has 29 seconds."""

LINES_AT_ONCE = 10_000
"""Of a file of any size so many are checked and put, then the next."""

MAX_ERRORS = 100
BODY = "(body)"
LINE = "(line)"


@dataclass(frozen=True)
class Line:
    """A line with its number in the file, and what stands in it; or why that cannot be read."""

    number: int
    fields: Mapping[str, Any] | InvalidFieldError


@dataclass(frozen=True)
class LineError:
    """Why a line was rejected."""

    line: int
    field: str
    reason: str


@dataclass
class Report:
    """What became of the lines: each is imported or rejected. Of the errors, the first hundred."""

    lines: int = 0
    imported: int = 0
    rejected: int = 0
    errors: list[LineError] = field(default_factory=list)


def read_lines(data: bytes, content_type: str) -> Iterator[Line]:
    """The lines of a file. InvalidFieldError, before the first, when it cannot be read at all."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFieldError(BODY, f"is not UTF-8: byte {error.start}") from error
    if content_type == JSON_LINES:
        return _json_lines(text)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    return _csv_lines(rows, _header(rows))


def import_request(data: bytes, content_type: str) -> Report:
    """Import the body of one request, whose lines are counted before any is put."""
    check_is_used()
    lines = []
    for line in read_lines(data, content_type):
        lines.append(line)
        if len(lines) > MAX_LINES:
            raise TooManyError(f"at most {MAX_LINES} lines in one request")
    return import_lines(lines)


def import_lines(lines: Iterable[Line], tell: Callable[[int], None] | None = None) -> Report:
    """Put the valid lines, in their order: the last one of a user wins. Done again it does no harm.

    `tell` is told now and then how many lines are done.
    """
    check_is_used()
    report = Report()
    remaining = iter(lines)
    while part := list(islice(remaining, LINES_AT_ONCE)):
        _import_part(part, report)
        if tell:
            tell(report.lines)
    counts = {"imported": report.imported, "rejected": report.rejected}
    logger.info("contacts imported", extra=counts)
    if report.imported:
        audit.record("imported", "contact", "many", after=counts)
    return report


def _import_part(part: Sequence[Line], report: Report) -> None:
    errors: list[LineError] = []
    contacts: dict[str, Contact] = {}
    numbers: dict[str, list[int]] = {}
    for line in part:
        try:
            if isinstance(line.fields, InvalidFieldError):
                raise line.fields
            contact = check(line.fields)
        except InvalidFieldError as error:
            errors.append(LineError(line.number, error.field, error.reason))
            continue
        contacts[contact.user_id] = contact
        numbers.setdefault(contact.user_id, []).append(line.number)
    for user_id in _put(list(contacts.values())):
        errors += [LineError(number, "user_id", ERASED) for number in numbers[user_id]]
    report.lines += len(part)
    report.rejected += len(errors)
    report.imported = report.lines - report.rejected
    errors.sort(key=lambda error: error.line)
    report.errors += errors[: MAX_ERRORS - len(report.errors)]


def _put(contacts: Sequence[Contact]) -> list[str]:
    """Put contacts of different users, but for those who are erased; who these are."""
    Contact.table()
    Unsubscribe.table()
    hundreds = [contacts[start : start + MAX_KEYS] for start in range(0, len(contacts), MAX_KEYS)]
    return [user_id for erased in in_parallel(_put_hundred, hundreds) for user_id in erased]


def _put_hundred(contacts: Sequence[Contact]) -> set[str]:
    erased = erased_among(contact.user_id for contact in contacts)
    kept = [contact for contact in contacts if contact.user_id not in erased]
    for start in range(0, len(kept), MAX_PUTS):
        batch_put(kept[start : start + MAX_PUTS])
    return erased


def _json_lines(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), 1):  # other ends of lines may stand in a JSON text
        if line.strip():
            yield Line(number, _json_line(line))


def _json_line(line: str) -> Mapping[str, Any] | InvalidFieldError:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return InvalidFieldError(LINE, "is not JSON")
    return fields if isinstance(fields, dict) else InvalidFieldError(LINE, "must be a JSON object")


def _header(rows: Iterator[list[str]]) -> list[str]:
    try:
        header = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise InvalidFieldError("(header)", f"is not CSV: {error}") from error
    if "user_id" not in header:
        raise InvalidFieldError("(header)", f"must name the columns: user_id, and any of {', '.join(FIELDS)}")
    for name in header:
        if name not in FIELDS or header.count(name) > 1:
            reason = "comes twice" if name in FIELDS else f"is none of {', '.join(FIELDS)}"
            raise InvalidFieldError("(header)", f"{name[:50]!r} {reason}")
    return header


def _csv_lines(rows: Any, header: Sequence[str]) -> Iterator[Line]:
    while True:
        number = rows.line_num + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield Line(number, InvalidFieldError(LINE, f"is not CSV: {error}"))
            continue
        if cells is None:
            return
        if len(cells) == len(header):
            yield Line(number, dict(zip(header, cells, strict=True)))
        elif cells:
            yield Line(number, InvalidFieldError(LINE, f"{len(cells)} cells under {len(header)} names"))
