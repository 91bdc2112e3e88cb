"""An operator sees what waits and who works on it, and changes how many work on a lane."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.deploy import deploy
from tests.support.deployment import COLD_SECONDS, CONSUMERS, Deployment, people
from tests.support.smtp import ScriptedSmtp
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

WAITING = 3
AGE_SECONDS = 2
"""Long enough to tell an age from a zero."""

FUNCTIONS = ("FanOutExpress", "DeliverExpress", "FanOutRegular", "DeliverRegular")


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


@pytest.fixture
def as_before(vestnik: Deployment) -> Iterator[dict[str, str]]:
    """The stack's parameters, which are put back."""
    before = vestnik.stack_parameters()
    yield before
    vestnik.manage(
        "consumers", "--lane", "express", "--apply",
        "--number", before["ExpressNumberOfConsumers"],
        "--min", before["ExpressMinNumberOfConsumers"],
        "--max", before["ExpressMaxNumberOfConsumers"],
    )  # fmt: skip
    assert vestnik.stack_parameters() == before
    assert consumers(vestnik) == dict.fromkeys(FUNCTIONS, int(CONSUMERS))


def consumers(vestnik: Deployment) -> dict[str, int]:
    """How many of each function may be at work at once."""
    return {function: vestnik.consumers_of(function) for function in FUNCTIONS}


def shown(vestnik: Deployment, *words: str) -> dict[str, Any]:
    """What the command has for programs."""
    found: dict[str, Any] = json.loads(vestnik.manage("consumers", "--json", *words))
    return found


def queue(found: dict[str, Any], name: str) -> dict[str, Any]:
    """A queue of what is shown."""
    (depth,) = [each for each in found["queues"] if each["queue"] == name]
    return dict(depth)


def test_what_waits_is_shown_and_not_received(vestnik: Deployment, smtp: ScriptedSmtp) -> None:
    persons = vestnik.add_people(people(WAITING))
    with vestnik.paused("DeliverExpress"):
        sent = vestnik.send(persons, express=True)
        vestnik.wait_for_queued("DELIVERY_EXPRESS", WAITING)
        found = wait_until(
            lambda: (
                queue(now := shown(vestnik), "DeliveryExpressQueue")["oldest_seconds"] >= AGE_SECONDS and now
            ),
            COLD_SECONDS,
            "the age of the oldest message",
        )
        assert len(found["queues"]) == 8
        waiting = queue(found, "DeliveryExpressQueue")
        assert (waiting["visible"], waiting["in_flight"], waiting["delayed"]) == (WAITING, 0, 0)
        fan_out, deliver = found["lanes"]["express"]["sources"]
        assert (fan_out["state"], deliver["state"]) == ("Enabled", "Disabled")
        assert (fan_out["configured"], fan_out["running"]) == (int(CONSUMERS), None)
        table = vestnik.manage("consumers", "--lane", "express")
        (line,) = [line for line in table.splitlines() if line.startswith("DeliveryExpressQueue ")]
        assert line.split()[1:4] == [str(WAITING), "0", "0"]
        assert line.endswith(" s")
        assert "Regular" not in table
        # To look at a message is no try to deliver it.
        assert [message.receive_count for message in vestnik.queued("DELIVERY_EXPRESS")] == [0] * WAITING
    smtp.wait_for_mails(WAITING, COLD_SECONDS)
    vestnik.wait_for(sent, sent=WAITING)
    wait_until(lambda: vestnik.queued("DELIVERY_EXPRESS") == [], COLD_SECONDS, "an empty queue")
    assert queue(shown(vestnik), "DeliveryExpressQueue")["oldest_seconds"] == 0


def test_another_number_goes_through_the_stack_and_stays(
    vestnik: Deployment, smtp: ScriptedSmtp, as_before: dict[str, str]
) -> None:
    asked = ("consumers", "--lane", "express", "--number", "5")
    assert "2 more may start\nnothing is changed: --apply does it\n" in vestnik.manage(*asked)
    assert vestnik.stack_parameters() == as_before

    said = vestnik.manage(*asked, "--apply")
    assert said.startswith("express: 3 consumers configured, how many are running is not told; 5 wanted for")
    assert "2 more may start\ndone: the stack and its mappings have this\n" in said
    as_asked = {**consumers(vestnik), "FanOutExpress": 5, "DeliverExpress": 5}
    assert as_asked["DeliverRegular"] == as_asked["FanOutRegular"] == int(CONSUMERS)
    assert consumers(vestnik) == as_asked
    assert vestnik.stack_parameters() == {**as_before, "ExpressNumberOfConsumers": "5"}
    assert "vestnik-dev already is as asked" in vestnik.manage(*asked, "--apply")

    told: list[str] = []
    deploy(endpoint_url=vestnik.emulator.endpoint_url, tell=told.append)
    assert told[0].startswith("express: 5 consumers configured, ")
    assert told[0].endswith(": nothing changes")
    assert consumers(vestnik) == as_asked
    assert vestnik.stack_parameters() == {**as_before, "ExpressNumberOfConsumers": "5"}

    sent = vestnik.send(vestnik.add_people(people(1)), express=True)
    vestnik.wait_for(sent, sent=1)


def test_a_number_is_brought_within_its_bounds(vestnik: Deployment, as_before: dict[str, str]) -> None:
    said = vestnik.manage("consumers", "--lane", "express", "--max", "8", "--number", "500", "--apply")
    assert "ExpressNumberOfConsumers: 500 is more than ExpressMaxNumberOfConsumers: 8 is taken" in said
    eight = {**as_before, "ExpressNumberOfConsumers": "8", "ExpressMaxNumberOfConsumers": "8"}
    assert vestnik.stack_parameters() == eight
    # A bound alone changes no mapping, and yet the stack.
    vestnik.manage("consumers", "--lane", "express", "--max", "10", "--apply")
    assert vestnik.stack_parameters() == {**eight, "ExpressMaxNumberOfConsumers": "10"}
    assert vestnik.consumers_of("DeliverExpress") == 8


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ("--min", "8", "--max", "5"),
            "ExpressMinNumberOfConsumers is 8, more than ExpressMaxNumberOfConsumers",
        ),
        (("--min", "1"), "ExpressMinNumberOfConsumers is 1: Lambda takes 2 to 1000"),
        (
            ("--max", "50", "--number", "30"),
            "ExpressReservedConcurrency is 20, less than ExpressNumberOfConsu",
        ),
    ],
)
def test_a_wrong_trio_is_refused_and_changes_nothing(
    vestnik: Deployment, words: tuple[str, ...], reason: str
) -> None:
    before, had = vestnik.stack_parameters(), consumers(vestnik)
    assert vestnik.refused("consumers", "--lane", "express", *words, "--apply").startswith(f"error: {reason}")
    assert (vestnik.stack_parameters(), consumers(vestnik)) == (before, had)
