"""What the template has for each channel: mail's parts are written out, those of others are made of them."""

import json
import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

WRITTEN = "mail"
"""The channel whose alarms and lines of the dashboard are written out."""
SHOWN = {
    "Accepted and not sent": dict.fromkeys(
        ("accepted", "sent", "failed_refused", "failed_given_up", "wrong_contact", "unsubscribed"), "Sum"
    ),
    "Latency, from due to accepted": {"latency": "p95"},
    "Tries: percent not taken": {"not_taken": "Average"},
}
"""What the dashboard shows of another channel, in a row of its own: title -> metric -> statistic."""
LANES = ("express", "regular")
HEIGHT, WIDTH = 6, 8


def with_channels(resources: dict[str, Any], channels: Iterable[str]) -> dict[str, Any]:
    """The template's resources with alarms and a row of the dashboard for each channel."""
    others = [each for each in channels if each != WRITTEN]
    made = resources | alarms_of(resources, others)
    if dashboard := made.get("Dashboard"):
        made["Dashboard"] = _with_rows(dashboard, others)
    return made


def _with_rows(dashboard: dict[str, Any], channels: list[str]) -> dict[str, Any]:
    shown = deepcopy(dashboard)
    body = json.loads(shown["Properties"]["DashboardBody"]["Fn::Sub"])
    top = max(each["y"] + each["height"] for each in body["widgets"])
    for row, channel in enumerate(channels):
        body["widgets"] += _row(channel, top + row * HEIGHT)
    shown["Properties"]["DashboardBody"]["Fn::Sub"] = json.dumps(body)
    return shown


def _row(channel: str, top: int) -> Iterator[dict[str, Any]]:
    for column, (title, metrics) in enumerate(SHOWN.items()):
        lines = [
            [
                "Vestnik/${Stage}",
                name,
                "lane",
                lane,
                "channel",
                channel,
                {"label": f"{name} {lane}", "stat": stat},
            ]
            for name, stat in metrics.items()
            for lane in LANES
        ]
        yield {
            "type": "metric", "x": column * WIDTH, "y": top, "width": WIDTH, "height": HEIGHT,
            "properties": {
                "title": f"{channel}: {title}", "region": "${AWS::Region}", "period": 60, "metrics": lines,
            },
        }  # fmt: skip


def alarms_of(resources: dict[str, Any], channels: Iterable[str]) -> dict[str, Any]:
    """For every alarm of mail the same one of these channels: ExpressMailNotTaken -> ExpressXNotTaken."""
    made: dict[str, Any] = {}
    for name, resource in resources.items():
        if resource.get("Type") != "AWS::CloudWatch::Alarm" or not _dimension(resource):
            continue
        made |= {_name(name, channel): _of(resource, channel) for channel in channels}
    return made


def _dimension(alarm: dict[str, Any]) -> dict[str, Any] | None:
    of_mail = {"Name": "channel", "Value": WRITTEN}
    return next((each for each in alarm["Properties"].get("Dimensions", []) if each == of_mail), None)


def _name(name: str, channel: str) -> str:
    if WRITTEN.title() in name:
        return name.replace(WRITTEN.title(), channel.title())
    return re.sub(r"(?<=[a-z])(?=[A-Z])", channel.title(), name, count=1)


def _of(alarm: dict[str, Any], channel: str) -> dict[str, Any]:
    made = deepcopy(alarm)
    dimension = _dimension(made)
    assert dimension is not None
    dimension["Value"] = channel
    said, mark, section = made["Properties"]["AlarmDescription"].partition(" docs/")
    made["Properties"]["AlarmDescription"] = re.sub(rf"\b{WRITTEN}\b", channel, said) + mark + section
    return made
