"""The operator's command `follow`: what all functions have logged about one notification, in order."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from chalicelib.domain.ids import made_at
from chalicelib.domain.times import iso
from infra.clients import CLIENT_CONFIG, session
from infra.stack import DeploymentError, Stack

_GROUP = "LogGroup"
_NOT_SHOWN = ("level", "location", "message", "timestamp", "service", "notification", "_aws")


@dataclass(frozen=True)
class Logged:
    """A line, when it was written and by which function."""

    at: datetime
    function: str
    text: str
    fields: Mapping[str, Any]

    @property
    def is_mere_request(self) -> bool:
        """What came of a request has lines of its own, if it was more than to read."""
        return self.fields.get("message") == "request" and self.fields["status"] < HTTPStatus.BAD_REQUEST


def add_command(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the command known to a parser."""
    parser = command("follow", run, "print what all functions have logged about a notification, in order")
    parser.add_argument("id", type=UUID, help="of the notification: the X-Correlation-Id of its answer")
    parser.add_argument(
        "--since", type=datetime.fromisoformat, metavar="TIME", help="ISO 8601, if not from its beginning on"
    )
    parser.add_argument("--json", action="store_true", help="the lines as they were logged")


def run(options: argparse.Namespace) -> str:
    """Read every log group of the stack."""
    clients = session(options.endpoint_url)
    stack = Stack(
        clients.client("cloudformation", endpoint_url=options.endpoint_url, config=CLIENT_CONFIG),
        options.stack_name,
        lambda line: print(line, file=sys.stderr),
    )
    logs = clients.client("logs", endpoint_url=options.endpoint_url, config=CLIENT_CONFIG)
    groups = stack.resources("AWS::Logs::LogGroup")
    if not groups:
        raise DeploymentError(f"there is no stack {stack.name}, or it has no logs")
    start = _start(options.id, options.since)
    found = [
        line
        for name, group in groups.items()
        for line in _lines(logs, name.removesuffix(_GROUP), group, str(options.id), start)
    ]
    if not found:
        raise DeploymentError(
            f"nothing is logged about {options.id}: it is not of this stack, or too long ago"
        )
    found.sort(key=lambda each: each.at)
    if options.json:
        return "\n".join(each.text for each in found)
    return "\n".join(_shown(each) for each in found if not each.is_mere_request)


def _start(notification_id: UUID, since: datetime | None) -> datetime:
    if since is not None:
        return since if since.tzinfo else since.replace(tzinfo=UTC)
    try:
        return made_at(str(notification_id))
    except ValueError as error:
        raise DeploymentError(str(error)) from error


def _lines(logs: Any, function: str, group: str, notification_id: str, start: datetime) -> Iterator[Logged]:
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group,
        filterPattern=f'"{notification_id}"',
        startTime=int(start.timestamp() * 1000),
    )
    for page in pages:
        for event in page["events"]:
            for text in event["message"].splitlines():
                if notification_id in text and text.startswith("{"):
                    fields = json.loads(text)
                    yield Logged(_logged_at(fields, event["timestamp"]), function, text, fields)


def _logged_at(fields: Mapping[str, Any], received_at: int) -> datetime:
    """When a line was written; an emulator receives all lines of an invocation at its end."""
    if "timestamp" in fields:
        return datetime.strptime(fields["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z")
    return datetime.fromtimestamp(received_at / 1000, UTC)


def _shown(line: Logged) -> str:
    fields, at = line.fields, iso(line.at)
    level = "" if fields.get("level", "INFO") == "INFO" else f"{fields['level']} "
    rest = " ".join(f"{name}={value}" for name, value in fields.items() if name not in _NOT_SHOWN)
    return f"{at}  {line.function:14}  {level}{fields.get('message', '')}  {rest}".rstrip()
