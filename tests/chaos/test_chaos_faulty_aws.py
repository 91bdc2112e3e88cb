"""AWS throttles, fails, resets and loses answers: everybody is sent to, and doubles are explained."""

import random
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from tests.support.arrivals import (
    Double,
    assert_everyone_has_it,
    failing_within_function_timeouts,
    tell,
    wait_until_all_sent,
)
from tests.support.deployment import API, WORKERS, Deployment, Person, Sent, people
from tests.support.faulty_aws import Fault, FaultyAws, Outage, Request
from tests.support.smtp import ScriptedSmtp

pytestmark = pytest.mark.chaos

DISPATCHES = 10
RECIPIENTS = 200
LIMIT_SECONDS = 420.0
PATIENCE_SECONDS = 120.0
CLOCK_SECONDS = 0.05
"""Mail server and proxy are threads of one process, and each notes a thing a moment after it came."""


def draw_outages(seed: str) -> list[Outage]:
    """Runs of refusals that outlast the SDK: at the API, at the queues, at claims and outcomes."""
    draw = random.Random(seed)
    return [
        Outage("dynamodb.PutItem", draw.randint(2, 20), 8),
        *(Outage("sqs.SendMessageBatch", draw.randint(40, 180), 6) for _ in range(2)),
        *(Outage("dynamodb.UpdateItem", draw.randint(200, 3_000), 40) for _ in range(3)),
    ]


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> Iterator[None]:
    vestnik.deploy()
    with failing_within_function_timeouts(vestnik):
        yield


def outcome_writes(requests: Sequence[Request], user_id: str, double: Double) -> list[Request]:
    """The requests, between a mail and its further copy, that were to write down that it is sent."""
    return [
        each
        for each in requests
        if each.operation == "dynamodb.UpdateItem"
        and each.body["Key"].get("user_id") == {"S": user_id}
        and {"S": "sent"} in each.body["ExpressionAttributeValues"].values()
        and double.first.at - CLOCK_SECONDS <= each.at <= double.next.at
    ]


def test_everybody_is_sent_to_though_aws_throttles_fails_and_loses_answers(
    vestnik: Deployment, smtp: ScriptedSmtp, seed: str
) -> None:
    began = time.monotonic()
    crowd = vestnik.add_people(people(DISPATCHES * RECIPIENTS))
    with (
        FaultyAws(vestnik.emulator.endpoint_url, seed, draw_outages(seed)) as aws,
        vestnik.asking(aws.endpoint_url, *WORKERS),
    ):
        with vestnik.asking(aws.endpoint_url, API), vestnik.patient(PATIENCE_SECONDS):
            sents = [
                send_until_accepted(vestnik, crowd[number * RECIPIENTS : (number + 1) * RECIPIENTS], number)
                for number in range(DISPATCHES)
            ]
        wait_until_all_sent(vestnik, sents, LIMIT_SECONDS)
        doubles = assert_everyone_has_it(smtp, crowd)
        for sent in sents:
            assert len(vestnik.get(f"/api/v1/notifications/{sent.id}/")["dispatches"]) == 1

    faults, requests = aws.faults(), aws.requests
    by_kind = ", ".join(f"{fault} {number}" for fault, number in faults.most_common())
    tell(
        smtp, began,
        f"of {len(requests):,} requests by the functions {faults.total():,} met a fault ({by_kind});"
        f" {vestnik.unavailable_answers} answers 503 to the client; {len(doubles)} doubles",
    )  # fmt: skip
    ids = {person.email: person.user_id for person in crowd}
    for double in doubles:
        writes = outcome_writes(requests, ids[double.first.recipient], double)
        assert writes, f"its outcome was never asked to be written: {double}"
        assert not [each for each in writes if each.fault is None or each.fault.is_carried_out], double
    assert set(faults) == set(Fault), "a kind of fault that never came"


def send_until_accepted(vestnik: Deployment, part: Sequence[Person], number: int) -> Sent:
    """Post, repeat until it is accepted, and once more: it stays one notification."""
    key, content_id = str(uuid.uuid4()), str(uuid.uuid4())
    express = number % 2 == 0
    sent = vestnik.send(part, express=express, content_id=content_id, key=key)
    again = vestnik.send(part, express=express, content_id=content_id, key=key)
    assert again == replace(sent, is_repeat=True)
    return sent
