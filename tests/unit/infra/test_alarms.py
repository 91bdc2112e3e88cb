"""Alarms and dashboard: each alarm is explained, and looks at something that there is."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.channels import CHANNELS
from chalicelib.domain.lanes import Lane
from chalicelib.observability import METRICS
from infra.package import PROJECT
from infra.template_parts import join_parts

RUNBOOK = (PROJECT / "docs" / "runbook.md").read_text("utf-8")
TEMPLATE = join_parts()
ALARMS: dict[str, dict[str, Any]] = {
    name: body["Properties"]
    for name, body in TEMPLATE["Resources"].items()
    if body.get("Type") == "AWS::CloudWatch::Alarm"
}
OWN = {metric.name: metric for metric in METRICS}
VALUES = {"lane": {str(lane) for lane in Lane}, "channel": set(CHANNELS)}
OF_AWS = {
    "AWS/SQS": (
        "QueueName",
        {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "NumberOfMessagesReceived"},
    ),
    "AWS/Lambda": (
        "FunctionName",
        {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"},
    ),
    "AWS/DynamoDB": ("TableName", {"ReadThrottleEvents", "WriteThrottleEvents"}),
}
"""AWS's own metrics that are used: namespace -> the dimension that tells them apart, and their names."""


def sections() -> dict[str, str]:
    """The anchors of the alarms' sections, and what is in them."""
    alarms = RUNBOOK.split("\n## Alarms\n")[1].split("\n## ")[0]
    parts = (part.partition("\n") for part in alarms.split("\n### ")[1:])
    return {title.lower().replace(" ", "-"): text for title, _, text in parts}


def check_metric(namespace: Any, name: str, dimensions: dict[str, Any]) -> None:
    """Something emits this metric, with these dimensions."""
    if namespace == {"Fn::Sub": "Vestnik/${Stage}"} or namespace == "Vestnik/${Stage}":
        assert tuple(dimensions) == OWN[name].dimensions, name
        assert all(value in VALUES[key] for key, value in dimensions.items()), name
    else:
        dimension, names = OF_AWS[namespace]
        assert name in names
        assert list(dimensions) == [dimension]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_has_its_section_and_calls_somebody(name: str) -> None:
    alarm = ALARMS[name]
    said, _, anchor = alarm["AlarmDescription"].partition(" docs/runbook.md#")
    assert said.endswith(".")
    assert re.search(name_in_runbook(name), sections()[anchor]), f"{name} is not named in {anchor}"
    assert alarm["AlarmActions"] == alarm["OKActions"] != []
    assert TEMPLATE["Resources"][name]["Condition"] in ("HasAlarms", "WatchesMailEvents")


def name_in_runbook(name: str) -> str:
    """The alarm's name, or `…Errors`, which stands for all that end so."""
    endings = ("QueueAge", "Errors", "Throttles", "DeadLettersWait", "TableThrottles", "NotTaken", "Latency")
    return "|".join([name, *(f"…{ending}" for ending in endings if name.endswith(ending))])


def test_each_section_is_an_alarms() -> None:
    named = {alarm["AlarmDescription"].rpartition("#")[2] for alarm in ALARMS.values()}
    assert sections().keys() == named


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_looks_at_what_there_is(name: str) -> None:
    alarm = ALARMS[name]
    dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions", [])}
    check_metric(alarm["Namespace"], alarm["MetricName"], dimensions)
    assert alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"]


def widgets() -> Iterator[list[Any]]:
    """The metrics of each widget of the dashboard."""
    body = TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for widget in json.loads(body)["widgets"]:
        yield widget["properties"]["metrics"]


def test_the_dashboard_shows_what_there_is() -> None:
    shown = [metric for metrics in widgets() for metric in metrics]
    for namespace, name, *dimensions, options in shown:
        check_metric(namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True)))
        assert {"label", "stat"} <= options.keys()
    assert {name for namespace, name, *_ in shown if namespace.startswith("Vestnik")} >= OWN.keys() - {
        "dispatches", "queued", "requeued",
    }  # fmt: skip


def test_what_is_shown_and_watched_is_of_this_stack() -> None:
    named = {
        match.partition(".")[0]
        for metrics in widgets()
        for match in re.findall(r"\$\{(\w+(?:\.\w+)?)\}", json.dumps(metrics))
    }
    assert named - {"Stage"} <= TEMPLATE["Resources"].keys()


@pytest.mark.parametrize("channel", CHANNELS)
def test_each_channel_has_its_alarms(channel: str) -> None:
    watched = {
        (alarm["MetricName"], each["Value"])
        for alarm in ALARMS.values()
        for each in alarm.get("Dimensions", [])
        if each["Name"] == "channel"
    }
    assert {("latency", channel), ("not_taken", channel)} <= watched


def test_each_function_and_queue_has_its_alarms(resources: dict[str, Any]) -> None:
    def watched(metric: str) -> set[str]:
        found = [
            alarm["Dimensions"][0]["Value"] for alarm in ALARMS.values() if alarm["MetricName"] == metric
        ]
        return {each["Ref"] if "Ref" in each else each["Fn::GetAtt"][0] for each in found}

    functions = {name for name, body in resources.items() if body["Type"] == "AWS::Serverless::Function"}
    queues = {name for name, body in resources.items() if body["Type"] == "AWS::SQS::Queue"}
    dead = {name for name in queues if name.endswith("DeadQueue")}
    assert watched("Errors") == watched("Throttles") == functions
    assert watched("ApproximateAgeOfOldestMessage") == queues - dead
    assert watched("ApproximateNumberOfMessagesVisible") >= dead


def test_each_parameter_that_the_runbook_names_is_one() -> None:
    named = set(re.findall(r"`(Alarm\w+|Traces|Alarms|\w+Seconds|\w+Hours)(?:=\w+)?`", RUNBOOK))
    named |= set(re.findall(r"--parameter (\w+)=", RUNBOOK))
    assert named
    assert named <= TEMPLATE["Parameters"].keys()


def test_traces_are_written_by_all_functions_when_they_are_on(
    resources: dict[str, Any], functions: dict[str, dict[str, Any]]
) -> None:
    policy = resources["TracesPolicy"]
    assert policy["Condition"] == "HasTraces"
    assert {role["Ref"] for role in policy["Properties"]["Roles"]} == {
        body["Role"]["Fn::GetAtt"][0] for body in functions.values()
    }
    for name, body in functions.items():
        assert body["Tracing"] == {"Fn::If": ["HasTraces", "Active", "PassThrough"]}, name
        after = resources[name]["Metadata"]["Traces"]
        assert after == {"Fn::If": ["HasTraces", {"Ref": "TracesPolicy"}, "none"]}, (
            "Lambda looks for its rights"
        )
    assert TEMPLATE["Parameters"]["Traces"]["Default"] == "none"
