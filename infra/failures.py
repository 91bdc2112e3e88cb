"""The operator's command `failures`: which of the newest notifications have failed recipients, and why."""

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from chalicelib.domain.statuses import Status

LOOKED_AT = 100
"""So many notifications are looked at in one run, the newest first, if no other number is given."""

SAMPLE = 100
"""So many failed rows of a dispatch are read for their reasons, the oldest failures first."""


@dataclass(frozen=True)
class Failure:
    """A notification with failed recipients."""

    id: str
    created_at: str
    author: str
    failed: int
    reasons: Counter[str]
    """Of a sample: at most so many of each dispatch."""


@dataclass(frozen=True)
class Found:
    """What a run has found, and where the next one goes on."""

    failures: list[Failure]
    looked_at: int
    next_cursor: str | None


def add_command(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the command known to a parser."""
    parser = command("failures", run, "list the newest notifications with failed recipients, and the reasons")
    parser.add_argument("--month", type=_month, help="of this month, as 2026-11; else the newest")
    parser.add_argument("--reason", help="only those of which somebody failed for this, as dead_letter")
    parser.add_argument(
        "--look",
        type=int,
        default=LOOKED_AT,
        metavar="N",
        help="look at N notifications (default: %(default)s)",
    )
    parser.add_argument("--cursor", help="go on where a run before has ended, with the same --month")


def run(options: argparse.Namespace) -> str:
    """List them, one a line."""
    from chalicelib.domain.times import utc_now

    found = find_failures(utc_now(), options.month, options.look, options.cursor, options.reason)
    lines = list(_lines(found.failures)) if found.failures else []
    of = f"{len(found.failures)} of {found.looked_at} notifications have failed recipients"
    lines.append(f"{of} of {options.reason}" if options.reason else of)
    if found.next_cursor:
        lines.append(f"there are older ones: --cursor {found.next_cursor}")
    return "\n".join(lines)


def find_failures(
    now: datetime, month: str | None, look: int, cursor: str | None = None, reason: str | None = None
) -> Found:
    """Look at so many notifications, the newest first: no table is scanned.

    A notification costs two requests and one a dispatch, of which the newest twenty are looked at; failed
    recipients another two.
    """
    from chalicelib.services.notification_list import Filters, list_notifications
    from chalicelib.services.rights import Principal

    operator = Principal("administrator", "operator")
    failures: list[Failure] = []
    looked_at = 0
    while looked_at < look:
        page = list_notifications(operator, Filters(month=month), cursor, min(look - looked_at, 100), now)
        for notification in page.notifications:
            failure = _failure(notification, now)
            if failure and (reason is None or reason in failure.reasons):
                failures.append(failure)
        looked_at += len(page.notifications)
        cursor = page.next_cursor
        if cursor is None:
            break
    return Found(failures, looked_at, cursor)


def _failure(notification: Any, now: datetime) -> Failure | None:
    from chalicelib.services.notifications import view_of
    from chalicelib.tables.failed import failed_rows

    view = view_of(notification)
    failed = view.counts[Status.FAILED]
    if not failed:
        return None
    reasons = Counter(
        row.reason or "none"
        for each in view.dispatches
        if each.counts[Status.FAILED]
        for row in islice(failed_rows(each.dispatch.id, now), SAMPLE)
    )
    return Failure(notification.id, notification.created_at, notification.author, failed, reasons)


def _lines(failures: Sequence[Failure]) -> Iterator[str]:
    rows = [("notification", "created", "author", "failed", "reasons")]
    rows += [
        (each.id, each.created_at[:19] + "Z", each.author, str(each.failed), _reasons(each.reasons.items()))
        for each in failures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        yield "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]])


def _reasons(counted: Iterable[tuple[str, int]]) -> str:
    most_first = sorted(counted, key=lambda each: -each[1])
    return ", ".join(f"{reason} ({number})" for reason, number in most_first) or "not told"


def _month(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text):
        raise argparse.ArgumentTypeError(f"it is a year and a month, as 2026-11, not {text!r}")
    return text
