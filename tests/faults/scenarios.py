"""What is run: who the recipients are, what the weather is, and where everybody has to end up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib.domain.lanes import Lane
from chalicelib.domain.results import Accepted, RateLimited, Retryable, SendResult
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import later
from tests.support.factories import START, user_id

ANNA, BEN, CARL, DORA, EVA = (user_id(number) for number in range(1, 6))
CHUNK_SIZE = 2
"""Instead of a hundred: five recipients make three chunks, which a message has to be split for."""

SENT = frozenset({Status.SENT})
FAILED = frozenset({Status.FAILED})
UNSUBSCRIBED = frozenset({Status.UNSUBSCRIBED})
WRONG_CONTACT = frozenset({Status.WRONG_CONTACT})
SENT_OR_CANCELLED = frozenset({Status.SENT, Status.CANCELLED})
CANCELLED = frozenset({Status.CANCELLED})


@dataclass(frozen=True)
class Request:
    """A request to AWS as the weather sees it."""

    service: str
    operation: str
    params: dict[str, Any]
    process: str
    now: datetime


Weather = Callable[[Request], Exception | None]
"""What a request fails with, if it does: for a time, or for good."""


@dataclass(frozen=True)
class Scenario:
    """One run without faults; faults are laid over it."""

    name: str
    lane: Lane
    expected: Mapping[str, frozenset[Status]]
    weather: Weather = lambda request: None
    refuses: Callable[[str, str, datetime], bool] = lambda variable, body, now: False
    """Whether a queue refuses a message: (the queue's variable, the body, the time)."""
    breaks_for: frozenset[str] = frozenset()
    """To whom a send ends in something unforeseen, each time."""
    cancelled_after_seconds: float | None = None
    expires_at_once: bool = False
    """What is unsent is given up by the first sweep, until an operator sends it again."""
    sent_again: Mapping[str, frozenset[Status]] = field(default_factory=dict)
    """Where everybody ends up after an operator has sent the failed ones again, where that is done."""

    @property
    def users(self) -> list[str]:
        return list(self.expected)


def seconds_since_start(now: datetime) -> float:
    return (now - START).total_seconds()


def _queues_out_of_reach(request: Request) -> Exception | None:
    queue = str(request.params.get("QueueUrl", ""))
    if request.operation != "SendMessageBatch" or request.now >= later(START, 55):
        return None
    return EndpointConnectionError(endpoint_url=queue) if "FanOut" in queue else None


def _refused_delivery(variable: str, body: str, now: datetime) -> bool:
    # Refused by fan out and once by the sweep, so that there is something to put off.
    return variable.startswith("DELIVERY") and ANNA in body and seconds_since_start(now) < 121


def _directory_out_of_reach(request: Request) -> Exception | None:
    if request.operation != "BatchGetItem" or "contacts" not in request.params["RequestItems"]:
        return None
    return EndpointConnectionError(endpoint_url="dynamodb") if request.now < later(START, 30) else None


def _chunk_cannot_be_read(request: Request) -> Exception | None:
    if request.operation != "GetItem" or not request.process.startswith("fan_out"):
        return None
    if request.params["TableName"] != "audiences" or request.params["Key"]["chunk"] != {"N": "1"}:
        return None
    denied: Any = {
        "Error": {"Code": "AccessDeniedException", "Message": "not allowed"},
        "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}},
    }
    return ClientError(denied, request.operation)


SCENARIOS = (
    Scenario(
        "good weather",
        Lane.REGULAR,
        {ANNA: SENT, BEN: SENT, CARL: UNSUBSCRIBED, DORA: WRONG_CONTACT, EVA: UNSUBSCRIBED},
    ),
    Scenario(
        "queues refuse",
        Lane.EXPRESS,
        {ANNA: SENT, BEN: SENT},
        weather=_queues_out_of_reach,
        refuses=_refused_delivery,
    ),
    Scenario(
        "directory out of reach",
        Lane.EXPRESS,
        {ANNA: SENT, DORA: WRONG_CONTACT, EVA: UNSUBSCRIBED},
        weather=_directory_out_of_reach,
    ),
    Scenario(
        "dead letters",
        Lane.EXPRESS,
        {ANNA: FAILED, BEN: SENT, CARL: FAILED},
        weather=_chunk_cannot_be_read,
        breaks_for=frozenset({ANNA}),
        sent_again={ANNA: SENT, BEN: SENT, CARL: UNSUBSCRIBED},
    ),
    Scenario(
        "expired unsent",
        Lane.REGULAR,
        {ANNA: FAILED | SENT, BEN: FAILED | SENT},  # with a fault Ben may be unsent too, or Anna come late
        refuses=lambda variable, body, now: (
            variable.startswith("DELIVERY") and ANNA in body and seconds_since_start(now) < 50
        ),
        expires_at_once=True,
        sent_again={ANNA: SENT, BEN: SENT},
    ),
    Scenario(
        "cancelled on the way",
        Lane.REGULAR,
        {
            ANNA: SENT_OR_CANCELLED,
            BEN: SENT_OR_CANCELLED,
            CARL: frozenset({*UNSUBSCRIBED, *CANCELLED}),
            EVA: CANCELLED,
        },
        refuses=lambda variable, body, now: variable.startswith("DELIVERY") and EVA in body,
        cancelled_after_seconds=70,
    ),
)


@dataclass(frozen=True)
class Answers:
    """How the channel answers to one user's sends, one after the other; then it accepts."""

    name: str
    first: Mapping[str, SendResult] = field(default_factory=dict)

    def of(self, user: str, number: int) -> SendResult:
        return self.first[user] if number == 0 and user in self.first else Accepted("250 Ok")


ACCEPTS = Answers("the channel accepts")
TRY_LATER = Answers(
    "the channel says try later",
    {
        ANNA: Retryable("451 greylisted"),
        BEN: RateLimited("429 too many", retry_after_seconds=45),
        CARL: Retryable("451 greylisted"),
        DORA: Retryable("451 greylisted"),
        EVA: Retryable("451 greylisted"),
    },
)
