"""The operator's commands `suppressions` and `lift-suppression`: addresses that nothing is sent to."""

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from chalicelib.channels import CHANNELS
from infra.stack import DeploymentError

SHOWN = 20
PAGE = 100


def add_commands(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the commands known to a parser."""
    listed = command("suppressions", run_list, "list the addresses that nothing is sent to, the last first")
    listed.add_argument("--channel", choices=sorted(CHANNELS), help="only this channel's")
    listed.add_argument("--address", help="only this very address")
    listed.add_argument(
        "--limit", type=int, default=SHOWN, metavar="N", help="show N at most (default: %(default)s)"
    )
    lifted = command("lift-suppression", run_lift, "let a suppressed address be sent to again")
    lifted.add_argument("id", nargs="?", help="the id that `suppressions` shows")
    lifted.add_argument("--channel", choices=sorted(CHANNELS), help="all of this channel, with --reason")
    lifted.add_argument("--reason", metavar="TEXT", help="whose reason has this in it")


def run_list(options: argparse.Namespace) -> str:
    """List them as JSON lines."""
    rows = islice(_rows(options.channel, options.address), options.limit)
    return "\n".join(json.dumps(each, ensure_ascii=False) for each in rows)


def run_lift(options: argparse.Namespace) -> str:
    """Lift one, and say which; or all of a kind, and say how many."""
    from chalicelib.domain.times import utc_now
    from chalicelib.services.suppression_list import find_suppression, lift_suppression, lift_suppressions

    if bool(options.id) == bool(options.channel and options.reason):
        raise DeploymentError("give either an ID, or --channel and --reason")
    if not options.id:
        wanted = [each["id"] for each in _rows(options.channel, None) if options.reason in each["reason"]]
        lift_suppressions(wanted, "administrator:operator", utc_now())
        return f"{len(wanted)} addresses of {options.channel} are sent to again"
    lift_suppression(options.id, "administrator:operator", utc_now())
    found = find_suppression(options.id)
    return (
        f"{found.channel} {found.address or options.id} is sent to again; it was suppressed: {found.reason}"
    )


def _rows(channel: str | None, address: str | None) -> Iterator[dict[str, Any]]:
    from chalicelib.api.suppressions import suppression_out
    from chalicelib.services.suppression_list import list_suppressions

    cursor = None
    while True:
        page = list_suppressions(cursor, PAGE, channel, address)
        yield from (suppression_out(each).model_dump() for each in page.suppressions)
        cursor = page.next_cursor
        if cursor is None:
            return
