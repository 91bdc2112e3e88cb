"""The operator's command `audit`: who changed what, the newest first."""

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from infra.stack import DeploymentError

SHOWN = 20
PAGE = 100


def add_command(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the command known to a parser."""
    parser = command("audit", run, "list who changed what, the newest first, as JSON lines")
    parser.add_argument("--who", help="only this one's, as administrator:anna")
    parser.add_argument("--via", choices=["panel", "api", "command"], help="only by this")
    parser.add_argument("--kind", help="only of this kind of thing, as application")
    parser.add_argument("--about", help="only of the thing with this id or name")
    parser.add_argument("--month", help="only of this month, as 2026-11")
    parser.add_argument(
        "--limit", type=int, default=SHOWN, metavar="N", help="show N at most (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> str:
    """List them, one a line."""
    rows = islice(_entries(options), options.limit)
    return "\n".join(json.dumps(each, ensure_ascii=False) for each in rows)


def _entries(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    from pydantic import ValidationError

    from chalicelib.api.audit import AuditQuery, entry_out
    from chalicelib.domain.times import utc_now
    from chalicelib.services.audit import list_entries

    asked = {name: getattr(options, name) for name in ("who", "via", "kind", "about", "month")}
    try:
        filters = AuditQuery(**asked).filters
    except ValidationError as error:
        found = error.errors()[0]
        raise DeploymentError(f"--{found['loc'][0]}: {found['msg']}") from error
    cursor = None
    while True:
        page = list_entries(filters, cursor, PAGE, utc_now())
        yield from (entry_out(each).model_dump(mode="json") for each in page.entries)
        cursor = page.next_cursor
        if cursor is None:
            return
