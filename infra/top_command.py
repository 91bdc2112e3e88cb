"""The operator's command `top`: what goes in and out, what waits and who works on it, again and again.

Of tables and queues, and so of any target: an emulator's CloudWatch knows no metrics. Nothing is scanned:
what was counted in each minute is one small query, what is unsent or pending is read up to a limit.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from chalicelib.domain.lanes import Lane
from infra.clients import CLIENT_CONFIG, session
from infra.consumers_command import View, as_json, columns, duration, table, view
from infra.consumers_now import Platform
from infra.stack import Stack

CLEAR_SCREEN = "\x1b[H\x1b[2J"


@dataclass(frozen=True)
class LaneNow:
    """What there is of a lane; the counts are those of the minutes that are looked at."""

    counts: Mapping[str, int]
    latency: Mapping[str, str]
    """Percentile -> in how many seconds so many were sent to, at most."""
    unsent: int
    unsent_seconds: int
    pending: int
    pending_seconds: int


@dataclass(frozen=True)
class Now:
    """Everything at one moment."""

    at: datetime
    minutes: float
    lanes: Mapping[Lane, LaneNow]
    view: View


def add_command(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the command known to a parser."""
    parser = command("top", run, "show what goes in and out, latency, what waits, queues and consumers, live")
    parser.add_argument("--once", action="store_true", help="show it once, and end")
    parser.add_argument("--json", action="store_true", help="for programs, once")
    parser.add_argument(
        "--every", type=float, default=10, metavar="SECONDS", help="how often (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes",
        type=int,
        default=5,
        choices=range(1, 61),
        metavar="N",
        help="over how many minutes rates and latency are taken (default: %(default)s)",
    )


def run(options: argparse.Namespace, pause: Callable[[float], None] = time.sleep) -> str:
    """Show it once, or until somebody breaks it off."""
    client = session(options.endpoint_url).client(
        "cloudformation", endpoint_url=options.endpoint_url, config=CLIENT_CONFIG
    )
    stack = Stack(client, options.stack_name, lambda line: print(line, file=sys.stderr))

    def look() -> Now:
        return now(stack, Platform(stack, options.endpoint_url), options.minutes)

    if options.json:
        return json.dumps(_as_json(options.stack_name, look()), indent=2)
    if options.once:
        return _drawn(options.stack_name, look())
    try:
        while True:
            drawn = _drawn(options.stack_name, look())
            print(f"{CLEAR_SCREEN if sys.stdout.isatty() else ''}{drawn}", flush=True)
            pause(options.every)
    except KeyboardInterrupt:
        return ""


def now(stack: Stack, platform: Platform, minutes: int) -> Now:
    """Look at everything."""
    from chalicelib.domain.times import later, utc_now
    from chalicelib.tables import activity

    at = utc_now()
    counted = activity.counted(activity.minute_of(later(at, -60 * back)) for back in range(minutes))
    return Now(
        at,
        minutes - 1 + max(at.second, 1) / 60,
        {lane: _lane_now(lane, counted[lane], at) for lane in Lane},
        view(stack, platform),
    )


def _lane_now(lane: Lane, counted: Counter[str], at: datetime) -> LaneNow:
    from chalicelib.services.operations import by_metric, percentile, waiting

    latency = {f"p{percent}": percentile(counted, percent) or "-" for percent in (50, 95)}
    found = waiting(lane, at)
    return LaneNow(
        counts=by_metric(counted),
        latency=latency,
        unsent=found.unsent,
        unsent_seconds=found.unsent_seconds,
        pending=found.pending,
        pending_seconds=found.pending_seconds,
    )


def _as_json(stack_name: str, found: Now) -> dict[str, Any]:
    return {
        "at": found.at.isoformat(timespec="milliseconds"),
        "minutes": round(found.minutes, 2),
        "flow": {lane: asdict(each) for lane, each in found.lanes.items()},
        **as_json(stack_name, found.view, None, ()),
    }


_FLOW = ("accepted", "sent", "failed", "retried", "unsent", "wrong_contact", "unsubscribed")


def _drawn(stack_name: str, found: Now) -> str:
    flow = [
        (lane, *(f"{each.counts.get(name, 0) / found.minutes:.1f}" for name in _FLOW), *each.latency.values())
        for lane, each in found.lanes.items()
    ]
    from chalicelib.services.operations import COUNTED, LOOKED_AT

    waiting = [
        (lane, _counted(each.unsent, COUNTED), _since(each.unsent, each.unsent_seconds),
         _counted(each.pending, LOOKED_AT), _since(each.pending, each.pending_seconds))
        for lane, each in found.lanes.items()
    ]  # fmt: skip
    return "\n".join(
        [
            f"{stack_name}  {found.at:%Y-%m-%d %H:%M:%S} UTC",
            f"recipients a minute, of the last {found.minutes:.1f}:",
            *columns(
                [("lane", *(each.replace("_", " ") for each in _FLOW), "p50 within", "p95 within"), *flow]
            ),
            "",
            *columns([("lane", "unsent", "oldest", "pending dispatches", "oldest"), *waiting]),
            "",
            table(found.view),
            *found.view.notes,
        ]
    )


def _counted(number: int, limit: int) -> str:
    return str(number) if number < limit else f"{limit} or more"


def _since(number: int, seconds: int) -> str:
    return duration(seconds) if number else "-"
