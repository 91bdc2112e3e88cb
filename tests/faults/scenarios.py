"""What is run: who the recipients are, what the weather is, and where everybody has to end up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib.channels import CHANNELS
from chalicelib.domain.lanes import Lane
from chalicelib.domain.results import Accepted, Permanent, RateLimited, Retryable, SendResult
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import later
from tests.faults.asked import Asked, Timing, to_change, to_put_off, to_send, to_send_again_and_again
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
    send_at: datetime | None = None
    """When the client wants it sent, if not at once."""
    timing: Timing | None = None
    """Of a frequency, which is made instead of a notification."""
    changes: tuple[Asked, ...] = ()
    """What the client asks for later on."""
    channel: str = "mail"
    struck_from_seconds: float = 0.0
    """Where faults begin: what comes before is the same as in another scenario."""

    @property
    def users(self) -> list[str]:
        return list(self.expected)

    @property
    def is_scheduled(self) -> bool:
        """Whether the tick has a part in it."""
        return self.send_at is not None or self.timing is not None

    @property
    def asked(self) -> Asked:
        """What the client asks for at first."""
        is_express = self.lane is Lane.EXPRESS
        if self.timing is not None:
            return to_send_again_and_again(self.users, is_express, self.timing)
        return to_send(self.users, is_express, self.send_at, self.channel)


def seconds_since_start(now: datetime) -> float:
    return (now - START).total_seconds()


def _queues_out_of_reach(request: Request) -> Exception | None:
    queue = str(request.params.get("QueueUrl", ""))
    if request.operation != "SendMessageBatch" or request.now >= later(START, 55):
        return None
    return EndpointConnectionError(endpoint_url=queue) if "FanOut" in queue else None


def _nothing_goes_on(request: Request) -> Exception | None:
    """What functions send back or on, while what the API and the sweep send is taken."""
    if request.operation != "SendMessageBatch" or not request.process.startswith(("fan_out", "deliver")):
        return None
    queue = str(request.params["QueueUrl"])
    goes_on = ("FanOut" in queue) == request.process.startswith("fan_out")
    return EndpointConnectionError(endpoint_url=queue) if goes_on and request.now < _at(90) else None


def _refused_delivery(variable: str, body: str, now: datetime) -> bool:
    # Refused by fan out and once by the sweep, so that there is something to put off.
    return variable.startswith("DELIVERY") and ANNA in body and seconds_since_start(now) < 121


def _directory_out_of_reach(request: Request) -> Exception | None:
    if request.operation != "BatchGetItem" or "contacts" not in request.params["RequestItems"]:
        return None
    return EndpointConnectionError(endpoint_url="dynamodb") if request.now < later(START, 30) else None


def _no_tick(request: Request) -> Exception | None:
    if request.process != "tick" or request.now >= _at(895):
        return None
    return EndpointConnectionError(endpoint_url="dynamodb")


def _at(seconds: float) -> datetime:
    return later(START, seconds)


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

SCHEDULED = (
    # The times are so late that a client who sleeps in the middle of its request is not too late with it.
    Scenario(
        "sent at a time",
        Lane.REGULAR,
        {ANNA: SENT, CARL: UNSUBSCRIBED, BEN: SENT},
        send_at=_at(900),
    ),
    Scenario(
        "put off twice",
        Lane.EXPRESS,
        {ANNA: SENT, CARL: UNSUBSCRIBED},
        send_at=_at(300),
        # First while it waits in the queue for its second, to one that is near; then, after that message has
        # come too early, to one that the tick has to come for.
        changes=(to_put_off(200, _at(360)), to_put_off(310, _at(600))),
        struck_from_seconds=200,
    ),
    Scenario(
        "runs, and missed ones",
        Lane.REGULAR,
        {ANNA: SENT, CARL: UNSUBSCRIBED},
        weather=_no_tick,
        # When there is a tick again, two have been missed, and the third is on time.
        timing=Timing(starts_at=_at(885), period=10, ends_at=_at(905)),
    ),
    Scenario(
        "changed on the way",
        Lane.REGULAR,
        {ANNA: SENT, CARL: UNSUBSCRIBED},
        # The second run has been made ahead, and is made anew.
        timing=Timing(starts_at=_at(300), period=90, ends_at=_at(390)),
        changes=(to_change(310, notification={"type": "mail", "title": "Another", "text": "Text"}),),
        struck_from_seconds=310,
    ),
)


PAUSED = Scenario(
    "paused on the way",
    Lane.REGULAR,
    {ANNA: SENT_OR_CANCELLED, BEN: CANCELLED},
    # One is to be sent to again later, one is unsent, and the second run waits in the queue.
    refuses=lambda variable, body, now: variable.startswith("DELIVERY") and BEN in body,
    timing=Timing(starts_at=_at(300), period=90, ends_at=_at(390)),
    changes=(to_change(310, is_paused=True),),
    struck_from_seconds=300,
)
"""It is paused before one is sent to again: see its answers below."""


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

TRY_MUCH_LATER = Answers(
    "the channel says try much later", {ANNA: RateLimited("429 too many", retry_after_seconds=200)}
)

REFUSED = Scenario(
    "queues refuse what goes on",
    Lane.EXPRESS,
    {ANNA: SENT, BEN: SENT, DORA: WRONG_CONTACT},
    weather=_nothing_goes_on,
)

BY_CHANNEL = tuple(
    Scenario(
        f"by {channel}",
        Lane.REGULAR,
        {
            ANNA: SENT,
            BEN: FAILED | SENT,
            CARL: UNSUBSCRIBED,
            EVA: UNSUBSCRIBED,
        },  # sent, where that answer was lost
        channel=channel,
    )
    for channel in CHANNELS
)
"""By every channel that there is. Where it has a rate, some come back for a slot."""

WRONG_CONTACT_FOUND = Answers(
    "the channel says that nobody is there", {BEN: Permanent("blocked by the user", is_wrong_contact=True)}
)

CASES = (
    *((scenario, answers) for scenario in SCENARIOS for answers in (ACCEPTS, TRY_LATER)),
    (REFUSED, TRY_LATER),
    # How a channel answers is nothing to what is due later, but for what is stopped before it is tried again.
    *((scenario, ACCEPTS) for scenario in SCHEDULED),
    (PAUSED, TRY_MUCH_LATER),
    *((scenario, WRONG_CONTACT_FOUND) for scenario in BY_CHANNEL),
)
