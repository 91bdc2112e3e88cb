"""SQS taken away while a thousand are being sent to, and given back: everybody has the mail once.

Every send to any queue is refused meanwhile, for every function. What it costs is told beside the same sends
without an outage.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import pytest

from localstack.capabilities import Capability
from tests.support.arrivals import wait_until_all_sent
from tests.support.deployment import API, WORKERS, Deployment, Person, Sent, people
from tests.support.faulty_aws import FaultyAws
from tests.support.smtp import Refuse, ScriptedSmtp
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.needs(Capability.LONG_OUTAGE)]

SEND = "sqs.SendMessageBatch"
LARGE, EXPRESS, GREYLISTED, SINGLE = 470, 300, 30, 200
THOUSAND = LARGE + EXPRESS + GREYLISTED + SINGLE
UNDER_WAY = 50
"""So many have the mail when the queues are taken away."""
PENDING_SECONDS = 61
"""What is pending is left alone for a minute; then the sweep tries, and nobody else does."""
LIMIT_SECONDS = 300.0


@dataclass(frozen=True)
class Crowd:
    """Whom the notifications are for."""

    many: list[Person]
    express: list[Person]
    single: list[Person]

    @property
    def emails(self) -> set[str]:
        return {each.email for each in (*self.many, *self.express, *self.single)}


@dataclass(frozen=True)
class Figures:
    """What it came to."""

    requests: int
    refused: int
    seconds: float
    back_seconds: float = 0.0
    """How long after the end of the outage the last had the mail."""


@pytest.fixture
def aws(vestnik: Deployment) -> Iterator[FaultyAws]:
    """What all functions ask in the place of AWS."""
    vestnik.deploy()
    with (
        FaultyAws(vestnik.emulator.endpoint_url, chances={}) as aws,
        vestnik.asking(aws.endpoint_url, API, *WORKERS),
    ):
        yield aws


def a_crowd(vestnik: Deployment) -> Crowd:
    """The greylisted come last and are told to come again: what goes back to the queue meets the outage."""
    return Crowd(
        vestnik.add_people([*people(LARGE), *people(GREYLISTED, "grey")]),
        vestnik.add_people(people(EXPRESS)),
        vestnik.add_people(people(SINGLE)),
    )


def send_all(
    vestnik: Deployment, smtp: ScriptedSmtp, aws: FaultyAws, *, outage: bool
) -> tuple[Crowd, Figures]:
    """Send to a thousand, some before the queues go and some while they are away."""
    smtp.forget()
    smtp.script(Refuse("451 4.7.1 Greylisted, come back later", times=1), to="grey-*")
    crowd = a_crowd(vestnik)
    before, began = len(aws.requests), time.monotonic()
    logged_before = len(vestnik.emulator.log_path.read_text())
    sents = [vestnik.send(crowd.many), vestnik.send(crowd.express, express=True)]
    smtp.wait_for_number(UNDER_WAY, LIMIT_SECONDS)
    with aws.away(SEND) if outage else nullcontext():
        sents += [vestnik.send([each], express=number % 2 == 0) for number, each in enumerate(crowd.single)]
        if outage:
            swept_in_vain(aws)
            there_are_unsent(vestnik, sents)
    ended = time.monotonic()
    smtp.wait_for_number(THOUSAND, LIMIT_SECONDS)
    arrived = time.monotonic()
    wait_until_all_sent(vestnik, sents, LIMIT_SECONDS, logged_before)
    requests = aws.requests[before:]
    refused = sum(1 for each in requests if each.fault)
    return crowd, Figures(len(requests), refused, arrived - began, arrived - ended)


def swept_in_vain(aws: FaultyAws) -> None:
    taken_away = next(each.at for each in aws.requests if each.fault)
    wait_until(
        lambda: any(each.fault and each.at > taken_away + PENDING_SECONDS for each in aws.requests),
        LIMIT_SECONDS,
        "a sweep that tries in vain",
    )


def there_are_unsent(vestnik: Deployment, sents: list[Sent]) -> None:
    counts = [vestnik.counts(sent) for sent in sents]
    assert sum(each["unsent"] for each in counts), "the outage came too late for anybody"
    assert sum(each["queued"] for each in counts) >= SINGLE, "what was posted meanwhile is pending"
    assert sum(each["failed"] for each in counts) == 0


def test_a_thousand_have_the_mail_once_though_the_queues_were_away(
    vestnik: Deployment, smtp: ScriptedSmtp, aws: FaultyAws, tell: Callable[[str], None]
) -> None:
    crowd, usual = send_all(vestnik, smtp, aws, outage=False)
    assert smtp.counts() == dict.fromkeys(crowd.emails, 1)
    assert usual.refused == 0

    crowd, disturbed = send_all(vestnik, smtp, aws, outage=True)
    assert smtp.counts() == dict.fromkeys(crowd.emails, 1)
    tell(
        f"outage: {disturbed.refused} sends refused; all {THOUSAND:,} had the mail"
        f" {disturbed.back_seconds:.0f} s after its end;"
        f" {disturbed.requests:,} requests in {disturbed.seconds:.0f} s,"
        f" {disturbed.requests / usual.requests:.2f} x the {usual.requests:,} without it"
    )
