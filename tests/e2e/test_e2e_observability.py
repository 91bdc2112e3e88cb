"""An operator follows a notification, sees what goes on, and is called when something is wrong."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.channels import CHANNELS
from infra.clients import session
from infra.template_parts import join_parts
from localstack.capabilities import Capability
from tests.support.deployment import COLD_SECONDS, Deployment, Sent, people
from tests.support.smtp import ScriptedSmtp
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> Iterator[None]:
    vestnik.deploy(Traces="active", AlarmEmail="operator@example.com", AlarmExpressLatencySeconds=45)
    yield
    vestnik.deploy(Traces="none", AlarmEmail="", AlarmExpressLatencySeconds=30)


@pytest.fixture(scope="module")
def sent(vestnik: Deployment) -> Sent:
    """One of two recipients is unknown to the directory."""
    (known,) = vestnik.add_people(people(1))
    (unknown,) = people(1)
    sent = vestnik.send([known, unknown], express=True)
    vestnik.wait_for(sent, sent=1, wrong_contact=1)
    return sent


def followed(vestnik: Deployment, sent: Sent) -> list[dict[str, Any]]:
    """What the command prints for programs."""
    return [json.loads(line) for line in vestnik.manage("follow", sent.id, "--json").splitlines()]


def delivered(vestnik: Deployment, sent: Sent) -> list[dict[str, Any]]:
    """The same as soon as its delivery is logged."""
    lines = followed(vestnik, sent)
    return lines if any(each["message"] == "delivered" for each in lines) else []


def test_a_notification_is_followed_over_all_functions(vestnik: Deployment, sent: Sent) -> None:
    found = wait_until(lambda: delivered(vestnik, sent), COLD_SECONDS, "the line of the delivery")
    assert {each["notification"] for each in found} == {sent.id}
    messages = [each["message"] for each in found]
    way = [each for each in messages if each in ("accepted", "fanned out", "delivered")]
    assert way == ["accepted", "fanned out", "delivered"]
    shown = vestnik.manage("follow", sent.id)
    for function in ("Api ", "FanOutExpress ", "DeliverExpress "):
        assert f"  {function}" in shown


def test_nothing_is_followed_of_another(vestnik: Deployment) -> None:
    assert "nothing is logged" in vestnik.refused("follow", "0190b3c4-5d6e-7f80-9a1b-2c3d4e5f6a7b")


def test_top_shows_what_went_out(vestnik: Deployment, sent: Sent) -> None:
    shown = json.loads(vestnik.manage("top", "--json", "--minutes", "10"))
    express = shown["flow"]["express"]
    assert express["counts"]["accepted"] >= 2
    assert express["counts"]["sent"] >= 1
    assert express["counts"]["wrong_contact"] >= 1
    assert express["latency"]["p95"].endswith(" s")
    assert (express["unsent"], express["pending"]) == (0, 0)
    assert len(shown["queues"]) == 8
    drawn = vestnik.manage("top", "--once").splitlines()
    assert [line.split()[0] for line in drawn if line.startswith(("express", "regular"))][:2] == [
        "express",
        "regular",
    ]


def test_top_shows_what_waits(vestnik: Deployment, smtp: ScriptedSmtp) -> None:
    persons = vestnik.add_people(people(3))
    with vestnik.paused("DeliverRegular"):
        waiting = vestnik.send(persons)
        vestnik.wait_for_queued("DELIVERY_REGULAR", 3)
        shown = json.loads(vestnik.manage("top", "--json"))
    (queue,) = [each for each in shown["queues"] if each["queue"] == "DeliveryRegularQueue"]
    assert queue["visible"] == 3
    vestnik.wait_for(waiting, sent=3)


@pytest.fixture
def cloudwatch(vestnik: Deployment) -> Any:
    endpoint = vestnik.emulator.endpoint_url
    return session(endpoint).client("cloudwatch", endpoint_url=endpoint)


def test_the_alarms_are_there(cloudwatch: Any) -> None:
    alarms = cloudwatch.describe_alarms(MaxRecords=100)["MetricAlarms"]
    declared = [
        each
        for each in join_parts()["Resources"].values()
        if each.get("Type") == "AWS::CloudWatch::Alarm" and each["Condition"] == "HasAlarms"
    ]
    assert len(alarms) == len(declared)
    latencies = [each for each in alarms if each.get("MetricName") == "latency"]
    assert len(latencies) == len(CHANNELS)
    for latency in latencies:
        assert (latency["Threshold"], latency["ExtendedStatistic"]) == (45, "p95")
        assert len(latency["AlarmActions"]) == 1


@pytest.mark.needs(Capability.DASHBOARDS)
def test_the_dashboard_is_there(cloudwatch: Any) -> None:
    (dashboard,) = cloudwatch.list_dashboards()["DashboardEntries"]
    body = cloudwatch.get_dashboard(DashboardName=dashboard["DashboardName"])["DashboardBody"]
    assert json.loads(body)["widgets"]
    assert "${" not in body


def test_functions_are_traced_when_that_is_asked_for(vestnik: Deployment) -> None:
    def mode(function: str) -> str:
        name = vestnik.name_of(function)
        return str(vestnik.functions.get_function_configuration(FunctionName=name)["TracingConfig"]["Mode"])

    functions = ("APIHandler", "FanOutExpress", "DeliverRegular", "Sweep", "DeadLetters")
    assert {mode(function) for function in functions} == {"Active"}
    vestnik.deploy(Traces="none")
    assert {mode(function) for function in functions} == {"PassThrough"}
