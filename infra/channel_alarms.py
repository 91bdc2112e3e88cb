"""The alarms of each channel: mail's are in infra/template/alarms.yaml, the others are made of them."""

import re
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

WRITTEN = "mail"
"""The channel whose alarms are written out."""


def of_other_channels(resources: dict[str, Any], channels: Iterable[str]) -> dict[str, Any]:
    """For every alarm of mail the same one of each other channel: ExpressMailNotTaken -> ExpressXNotTaken."""
    made: dict[str, Any] = {}
    for name, resource in resources.items():
        if resource.get("Type") != "AWS::CloudWatch::Alarm" or not _dimension(resource):
            continue
        for channel in channels:
            if channel != WRITTEN:
                made[_name(name, channel)] = _of(resource, channel)
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
