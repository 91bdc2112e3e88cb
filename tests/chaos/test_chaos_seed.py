"""What `SEED` promises: the same faults again."""

import pytest
from microburst.core.context import RequestContext

from tests.support.faulty_aws import CHANCES, FaultSchedule, Outage

pytestmark = pytest.mark.chaos

OUTAGE = Outage("dynamodb.UpdateItem", first=50, requests=40)


def faults_of(seed: str, requests: int = 300, between: int = 0) -> list[str | None]:
    """The faults that the UpdateItem requests meet, with others in between."""
    schedule = FaultSchedule(seed, [OUTAGE], CHANCES)
    for _ in range(requests):
        schedule.decide(RequestContext(service="dynamodb", operation="UpdateItem"))
        for _ in range(between):
            schedule.decide(RequestContext(service="sqs", operation="SendMessageBatch"))
    return [each.fault for each in schedule.requests if each.operation == OUTAGE.operation]


def test_a_seed_gives_an_operation_the_same_faults_whatever_comes_between() -> None:
    assert faults_of("1") == faults_of("1", between=3)
    assert faults_of("1") != faults_of("2")


def test_an_outage_refuses_each_request_of_its_operation() -> None:
    faults = faults_of("1")
    assert set(faults[OUTAGE.first - 1 : OUTAGE.first - 1 + OUTAGE.requests]) == {"503"}
    assert None in faults[: OUTAGE.first - 1]
