"""A world to test in: the template's tables, queues and secrets on moto, the real handlers, an own clock.

What moto's queues have taken waits here, by the world's clock: delays, visibility, dead letters. Time
passes when a test says so. After each step the world checks what must always hold.
"""

import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore import loaders
from botocore.exceptions import EndpointConnectionError
from moto.core.botocore_stubber import BotocoreStubber

from chalicelib import outside, queues, security, settings
from chalicelib.channels import CHANNELS
from chalicelib.channels.base import Letter, Session
from chalicelib.channels.mail import MailChannel
from chalicelib.directory import http, signed_tokens, tokens
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage, DueMessage, FanOutMessage, load_fan_out
from chalicelib.domain.results import Accepted, SendResult
from chalicelib.domain.statuses import Status, count_by_status
from chalicelib.domain.times import later
from chalicelib.services import authentication, operations, pacing, rate_limits, suppressing
from chalicelib.services import letters as letters_service
from chalicelib.services import submit as submit_service
from chalicelib.services.erasure import erase
from chalicelib.tables import base, paces
from chalicelib.tables.audiences import read_chunk
from chalicelib.tables.contacts import Contact
from chalicelib.tables.dispatches import Dispatch, cancel_dispatch
from chalicelib.tables.progress import letters_of_chunks
from chalicelib.tables.unsubscribes import Unsubscribe, add_scope
from chalicelib.workers import dead_letters, deliver, fan_out, mail_events, sweep, tick
from infra.definitions import create_queues, create_tables, queue_definitions
from tests.support import factories, telegram
from tests.support.moto_tables import answer_sooner, copy_of, items_of, queues_in_moto, tables_in_moto

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

FUNCTION_SECONDS = 60.0
RULE_SECONDS = 60.0
MAX_RECEIVES = 5
SECRETS: dict[str, dict[str, Any]] = {
    "token": {"kid": "1", "key": "t" * 64},
    "link": {"kid": "1", "key": "l" * 64},
    "user-token": {"kid": "1", "key": "u" * 64, "algorithm": "HS256"},
    "smtp": {},
    "channels": {"telegram": telegram.SECRET},
}
MAIL_EVENTS_TOPIC = "arn:aws:sns:eu-central-1:123456789012:mail-events"

RULE_EVENT: dict[str, Any] = {
    **dict.fromkeys(("version", "account", "region", "detail", "detail-type", "source", "time", "id"), ""),
    "resources": [],
}
"""What a rule sends."""

Row = dict[str, Any]
"""An item as Python values."""


# Each client of a new session would read the descriptions of the services again.
loaders.create_loader = cache(loaders.create_loader)


API_ONLY = ("AUDIT_TABLE",)
"""What only the API's function is told."""


@contextmanager
def as_a_worker() -> Iterator[None]:
    """Have the environment of a function that does not serve the API: that is told less."""
    kept = {name: os.environ.pop(name) for name in API_ONLY if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def use_test_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's own AWS account, and nothing of a running emulator."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@cache
def _clients() -> tuple["DynamoDBClient", "SQSClient", Any]:
    # Kept over the tests: a client costs as much as a test. moto answers to whichever was made after it.
    return boto3.client("dynamodb"), boto3.client("sqs"), boto3.client("secretsmanager")


@dataclass(frozen=True)
class Deployed:
    """What was made on moto, each by the environment variable that names it."""

    tables: dict[str, str]
    urls: dict[str, str]


def deploy_to_moto(monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """Make the template's tables, queues and secrets, and have this process be a function that knows them."""
    secrets_manager = _clients()[2]
    deployed = _tables_and_queues()
    for name, value in {**factories.ENVIRONMENT, **deployed.tables, **deployed.urls}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MAIL_EVENTS_TOPIC_ARN", MAIL_EVENTS_TOPIC)
    for name, secret in SECRETS.items():
        secrets_manager.create_secret(Name=name, SecretString=json.dumps(secret))
    settings.current.cache_clear()
    security.forget_secrets()
    base.forget_connections()
    letters_service._notifications.clear()
    authentication.forget()
    rate_limits.forget()
    suppressing.forget()
    paces.forget()
    pacing.forget()
    operations.forget()
    for outside_service in (http, tokens, signed_tokens):
        outside_service.forget()
    _one_at_a_time(monkeypatch)
    answer_sooner(monkeypatch)
    monkeypatch.setattr(base, "PARALLEL", 1)  # whoever records requests wants them in their order
    return deployed


def _tables_and_queues() -> Deployed:
    if "deployed" not in _made:
        dynamodb, sqs, _ = _clients()
        deployed = Deployed(create_tables(dynamodb), create_queues(sqs))
        _made.update(deployed=deployed, tables=deepcopy(tables_in_moto()), queues=copy_of(queues_in_moto()))
    else:
        tables_in_moto().update(deepcopy(_made["tables"]))
        queues_in_moto().update(copy_of(_made["queues"]))
    return cast(Deployed, _made["deployed"])


_made: dict[str, Any] = {}
"""What was made of the template for the first test: to make it takes longer than most tests."""


def _one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each request one step, as it is for AWS: moto looks at a condition first, and writes then.

    Two threads could both find that there is nothing, and both write.
    """
    answer, turn = BotocoreStubber.__call__, threading.Lock()

    def in_turn(stubber: BotocoreStubber, *args: Any, **kwargs: Any) -> Any:
        with turn:
            return answer(stubber, *args, **kwargs)

    monkeypatch.setattr(BotocoreStubber, "__call__", in_turn)


class FakeClock:
    """A clock that a test moves."""

    def __init__(self, now: datetime = factories.START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now = later(self.now, seconds)


@dataclass
class Waiting:
    """A message in a queue, and when it can be received."""

    body: str
    group: str
    due: datetime
    delay: int
    receives: int = 0

    @property
    def delivery(self) -> DeliveryMessage:
        return DeliveryMessage.load(self.body)

    @property
    def fan_out(self) -> FanOutMessage:
        return FanOutMessage.load(self.body)


class Queues:
    """What the code under test sees as its SQS client: what moto's take, with faults and a world's clock."""

    def __init__(self, sqs: "SQSClient", urls: Mapping[str, str], clock: FakeClock) -> None:
        self._sqs = sqs
        self._urls = dict(urls)
        self._clock = clock
        self._waiting: dict[str, list[Waiting]] = {url: [] for url in urls.values()}
        self.down: set[str] = set()
        """Queues that are out of reach."""
        self.refuses: Callable[[str], bool] = lambda body: False
        """Which messages are named in `Failed`."""
        self.batches = 0

    def url(self, variable: str) -> str:
        return self._urls[variable]

    def send_message_batch(self, QueueUrl: str, Entries: Sequence[Any]) -> Any:  # noqa: N803
        self.batches += 1
        if QueueUrl in self.down:
            raise EndpointConnectionError(endpoint_url=QueueUrl)
        taken = [entry for entry in Entries if not self.refuses(entry["MessageBody"])]
        failed = [entry for entry in Entries if entry not in taken]
        if taken:
            at_once: list[Any] = [{**each, "DelaySeconds": 0} for each in taken]
            self._sqs.send_message_batch(QueueUrl=QueueUrl, Entries=at_once)
            self._waiting[QueueUrl] += map(self._sent, taken)
        return {"Failed": [{"Id": entry["Id"], "SenderFault": False, "Code": "x"} for entry in failed]}

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: Sequence[str]) -> Any:  # noqa: N803
        """What moto tells of the queue, with how much waits by the world's clock."""
        if QueueUrl in self.down:
            raise EndpointConnectionError(endpoint_url=QueueUrl)
        told: Any = self._sqs.get_queue_attributes(QueueUrl=QueueUrl, AttributeNames=["All"])
        delayed = sum(each.due > self._clock() for each in self._waiting[QueueUrl])
        return {
            "Attributes": {
                **told["Attributes"],
                "ApproximateNumberOfMessages": str(len(self._waiting[QueueUrl]) - delayed),
                "ApproximateNumberOfMessagesDelayed": str(delayed),
                "ApproximateNumberOfMessagesNotVisible": "0",
            }
        }

    def _sent(self, entry: Any) -> Waiting:
        delay = entry["DelaySeconds"]
        assert 0 <= delay <= 900
        return Waiting(entry["MessageBody"], entry["MessageGroupId"], later(self._clock(), delay), delay)

    def waiting(self, variable: str) -> list[Waiting]:
        """Everything in a queue, due or not."""
        return self._waiting[self.url(variable)]

    def take(self, variable: str, limit: int) -> list[Waiting]:
        """Receive messages that are due."""
        waiting = self.waiting(variable)
        taken = [each for each in waiting if each.due <= self._clock()][:limit]
        for each in taken:
            waiting.remove(each)
        return taken

    def put(self, variable: str, body: str, group: str = factories.SHOP.author, receives: int = 0) -> None:
        """Have a message in a queue."""
        self._waiting[self.url(variable)].append(Waiting(body, group, self._clock(), 0, receives))

    def put_back(self, variable: str, message: Waiting) -> None:
        """A message that was not acknowledged: hidden for a time, at last among the dead letters."""
        definition = queue_definitions()[variable]
        received = replace(message, receives=message.receives + 1)
        if received.receives >= MAX_RECEIVES and "RedrivePolicy" in definition:
            variable = variable.replace("_QUEUE_URL", "_DEAD_QUEUE_URL")
            self.waiting(variable).append(replace(received, due=self._clock(), receives=0))
        else:
            due = later(self._clock(), definition["VisibilityTimeout"])
            self.waiting(variable).append(replace(received, due=due))


class ScriptedChannel(MailChannel):
    """The mail channel, with a server that answers as it is told."""

    def __init__(self) -> None:
        self.sent: list[Letter] = []
        self.answers: dict[str, list[SendResult | Exception]] = {}
        self.by_default: SendResult = Accepted("250 Ok")
        self.on_send: Callable[[Letter], None] = lambda letter: None

    @contextmanager
    def session(self) -> Iterator[Session]:
        yield self

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        self.on_send(letter)
        self.sent.append(letter)
        answers = self.answers.get(letter.address)
        answer = answers.pop(0) if answers else self.by_default
        if isinstance(answer, Exception):
            raise answer
        return answer

    def addresses(self) -> Counter[str]:
        """How often each address was sent to."""
        return Counter(letter.address for letter in self.sent)


@dataclass
class Invocation:
    """A Lambda context: how much time is left, as the clock goes on."""

    clock: FakeClock
    seconds: float
    started: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def get_remaining_time_in_millis(self) -> int:
        passed = (self.clock() - self.started).total_seconds()
        return int((self.seconds - passed) * 1000)


class Database:
    """The client that the tables use, and what can go wrong with it."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        client: Any = base._shared_connection().client
        self._events = client.meta.events
        self._events.register_last("before-call.dynamodb", self._count)

    def _count(self, model: Any, **_: Any) -> None:
        self.requests[model.name] += 1

    def fail(
        self,
        operation: str,
        table: str = "",
        *,
        times: int = 1,
        if_body: str = "",
        error: Exception | None = None,
    ) -> None:
        """The next requests of a kind are not carried out."""
        left = [times]

        def refuse(params: Any, **_: Any) -> None:
            body = params["body"].decode() if isinstance(params["body"], bytes) else str(params["body"])
            if left[0] and f'"{table}' in body and if_body in body:
                left[0] -= 1
                raise error or EndpointConnectionError(endpoint_url="https://dynamodb")

        self._events.register_first(f"before-call.dynamodb.{operation}", refuse)

    def before(self, operation: str, table: str, happens: Callable[[], Any]) -> None:
        """Just before the next request of a kind something else happens, whole."""
        left = [1]

        def look(params: Any, **_: Any) -> None:
            body = params["body"].decode() if isinstance(params["body"], bytes) else str(params["body"])
            if left[0] and f'"{table}' in body:
                left[0] = 0
                happens()

        self._events.register_first(f"before-call.dynamodb.{operation}", look)

    def record(self, operation: str, table: str = "") -> list[Row]:
        """A list that grows by the body of each request of a kind."""
        seen: list[Row] = []

        def look(params: Any, **_: Any) -> None:
            body = json.loads(params["body"])
            if body.get("TableName", "").startswith(table):
                seen.append(body)

        self._events.register_first(f"before-call.dynamodb.{operation}", look)
        return seen

    def lose_answers(self, operation: str, table: str = "") -> list[str]:
        """Each request of a kind is carried out, its answer lost, and the SDK sends it again.

        Returns a list that grows by one entry for each lost answer.
        """
        lost: list[str] = []

        def again(attempts: int, request_dict: Any, **_: Any) -> float | None:
            body = request_dict["body"]
            text = body.decode() if isinstance(body, bytes) else str(body)
            if attempts == 1 and f'"{table}' in text:
                lost.append(text)
                return 0
            return None

        self._events.register_first(f"needs-retry.dynamodb.{operation}", again)
        return lost


class World:
    """Everything at once; see the module."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._dynamodb, sqs, _ = _clients()
        self.clock = FakeClock()
        deployed = deploy_to_moto(monkeypatch)
        self.tables = deployed.tables
        self.queues = Queues(sqs, deployed.urls, self.clock)
        monkeypatch.setattr(queues, "client", lambda: self.queues)
        monkeypatch.setattr(queues, "FIRST_PAUSE_SECONDS", 0.0)
        monkeypatch.setattr(time, "sleep", self.clock.advance)
        monkeypatch.setattr(outside, "clock", lambda: self.clock().timestamp())
        for module in (dead_letters, deliver, fan_out, mail_events, sweep, tick):
            monkeypatch.setattr(module, "utc_now", self.clock)
        self.channel = ScriptedChannel()
        monkeypatch.setitem(cast(dict[str, Any], CHANNELS), "mail", self.channel)
        self.database = Database()
        self.handlers: dict[str, Any] = {
            "FAN_OUT_EXPRESS_QUEUE_URL": fan_out.fan_out_express,
            "FAN_OUT_REGULAR_QUEUE_URL": fan_out.fan_out_regular,
            "DELIVERY_EXPRESS_QUEUE_URL": deliver.deliver_express,
            "DELIVERY_REGULAR_QUEUE_URL": deliver.deliver_regular,
            **dict.fromkeys(dead_letters.QUEUE_VARIABLES, dead_letters.dead_letters),
            "MAIL_EVENTS_QUEUE_URL": mail_events.mail_events,
        }
        """What reads each queue."""
        self.crashes: list[Exception] = []
        """What handlers raised."""
        self.checks = True
        """Whether `check` runs after each step. A test of very many recipients turns it off."""
        self._checked: dict[str, object] = {}
        """Of each dispatch, the state in which all was well."""

    # What there is before a test begins.

    def knows(self, users: Sequence[str], **fields: Any) -> None:
        """Contacts of users, in the embedded directory."""
        contacts = [
            Contact(user, **{"email": factories.address_of(user), "name": "Anna", "locale": "en", **fields})
            for user in users
        ]
        for start in range(0, len(contacts), base.MAX_PUTS):
            base.batch_put(contacts[start : start + base.MAX_PUTS])

    def unsubscribes(self, user: str, scope: str) -> None:
        add_scope(user, scope, self.clock())

    def erases(self, user: str, seconds: float = FUNCTION_SECONDS) -> bool:
        """An administrator erases a user; whether nothing is left to the sweep."""
        return erase(user, "administrator:anna", self.clock, lambda: seconds)

    def submit(self, users: Sequence[str] | None, **changes: Any) -> Dispatch:
        """Post a notification; its dispatch."""
        asked = factories.submission(users, **changes)
        accepted = submit_service.submit(asked, factories.SHOP, self.clock())
        self.check()
        return accepted.dispatch

    def configure(self, name: str, value: str) -> None:
        """Change a setting."""
        self._monkeypatch.setenv(name, value)
        settings.current.cache_clear()

    # What there is then.

    def table(self, variable: str) -> list[Row]:
        """All items of a table."""
        return list(items_of(self.tables[variable]))

    def rows(self) -> dict[str, Row]:
        """The users notifications by user; of one dispatch, where there is one only."""
        return {row["user_id"]: row for row in self.table("USERS_NOTIFICATIONS_TABLE")}

    def row(self, user: str) -> Row:
        return self.rows()[user]

    def statuses(self) -> dict[str, str]:
        return {user: row["status"] for user, row in self.rows().items()}

    def letters(self, dispatch: Dispatch) -> str:
        """The letters of a dispatch in the order of the recipients; a dot for none."""
        found = dict(letters_of_chunks(dispatch.id))
        return "".join(
            found.get(position // 100, {}).get(position % 100, ".")
            for position in range(int(dispatch.recipients))
        )

    def counts(self, dispatch: Dispatch) -> dict[str, int]:
        """How many recipients are in each status, those only that have any."""
        stored = stored_dispatch(dispatch.id)
        letters = [letter for _, chunk in letters_of_chunks(dispatch.id) for letter in chunk.values()]
        counts = count_by_status(letters, int(stored.recipients), is_cancelled=stored.is_cancelled)
        assert sum(counts.values()) == stored.recipients
        assert all(count >= 0 for count in counts.values())
        return {status: count for status, count in counts.items() if count}

    def cancel(self, dispatch: Dispatch) -> None:
        cancel_dispatch(dispatch.id, self.clock())

    # The functions.

    def fan_out(self, lane: Lane = Lane.REGULAR, limit: int = 100) -> int:
        """Hand the due messages of a lane's fan-out queue to their function; how many there were."""
        return self._work(f"FAN_OUT_{lane.upper()}_QUEUE_URL", 1, limit)

    def deliver(self, lane: Lane = Lane.REGULAR, limit: int = 1000, seconds: float | None = None) -> int:
        is_express = lane is Lane.EXPRESS
        default = 20.0 if is_express else FUNCTION_SECONDS
        variable = f"DELIVERY_{lane.upper()}_QUEUE_URL"
        return self._work(variable, 5 if is_express else 10, limit, seconds or default)

    def bury(self) -> int:
        """Hand all due dead letters to their function."""
        return sum(self._work(variable, 10, 1000) for variable in dead_letters.QUEUE_VARIABLES)

    def mail_events(self) -> int:
        """Hand what Amazon SES has told to its function; how many messages there were."""
        return self._work("MAIL_EVENTS_QUEUE_URL", 10, 1000)

    def tick(self) -> dict[str, int]:
        """What the rule does each minute; what it sends lies in the fan-out queues."""
        with as_a_worker():
            counts: dict[str, int] = tick.tick(RULE_EVENT, Invocation(self.clock, FUNCTION_SECONDS))
        self.check()
        return counts

    def sweep(self, seconds: float = FUNCTION_SECONDS) -> dict[str, int]:
        with as_a_worker():
            counts: dict[str, int] = sweep.sweep(RULE_EVENT, Invocation(self.clock, seconds))
        self.check()
        return counts

    def invoke(self, handler: Any, variable: str, bodies: Sequence[str], seconds: float) -> set[int]:
        """One invocation with these messages; the indexes of those that it does not acknowledge."""
        with as_a_worker():
            answer = handler(self.event(variable, bodies), Invocation(self.clock, seconds))
        failures = {int(failure["itemIdentifier"][1:]) for failure in answer["batchItemFailures"]}
        assert failures <= set(range(len(bodies)))
        return failures

    def event(self, variable: str, bodies: Sequence[str]) -> Row:
        """These messages of a queue, as Lambda hands them over."""
        records = [
            {
                "messageId": f"m{index}",
                "body": body,
                "eventSourceARN": _arn(self.queues.url(variable)),
                "attributes": {"MessageGroupId": factories.SHOP.author},
            }
            for index, body in enumerate(bodies)
        ]
        return {"Records": records}

    def settle(self, seconds: float = 0.0) -> None:
        """Run every function until no message is due, then move on to the next, for so many seconds."""
        end = later(self.clock(), seconds)
        while True:
            while any(
                work(lane) for lane in (Lane.EXPRESS, Lane.REGULAR) for work in (self.fan_out, self.deliver)
            ):
                pass
            self.bury()
            moments = [each.due for name in queue_definitions() for each in self.queues.waiting(name)]
            coming = [moment for moment in moments if moment > self.clock()]
            if not coming or min(coming) > end:
                return
            self.clock.now = min(coming)

    def live(self, seconds: float, every: float = RULE_SECONDS) -> list[float]:
        """Let time pass, the rules firing each minute; when letters were sent, in seconds from START."""
        sent: list[float] = []
        self.channel.on_send = lambda _: sent.append((self.clock() - factories.START).total_seconds())
        end = later(self.clock(), seconds)
        while (begin := self.clock()) < end:
            self.tick()
            self.sweep()
            until = min(later(begin, every), end)
            self.settle((until - begin).total_seconds())
            self.clock.now = until
        return sent

    def _work(self, variable: str, batch_size: int, limit: int, seconds: float = FUNCTION_SECONDS) -> int:
        handler, done = self.handlers[variable], 0
        while done < limit and (batch := self.queues.take(variable, min(batch_size, limit - done))):
            bodies = [each.body for each in batch]
            try:
                failures = self.invoke(handler, variable, bodies, seconds)
            except Exception as error:  # as Lambda has it: nothing of the batch is acknowledged
                self.crashes.append(error)
                failures = set(range(len(batch)))
            for index in failures:
                self.queues.put_back(variable, batch[index])
            done += len(batch)
            self.check()
        return done

    # What must always hold.

    def check(self) -> None:
        """Every dispatch's counts add up, and each recipient who is not final is held by something."""
        if not self.checks:
            return
        held: defaultdict[str, set[str | int]] = defaultdict(set)
        for dispatch_id, what in self._held():
            held[dispatch_id].add(what)
        unsubscribes = [Unsubscribe(**row) for row in self.table("UNSUBSCRIBES_TABLE")]
        rows, letters = self._by_dispatch("USERS_NOTIFICATIONS_TABLE"), self._by_dispatch("PROGRESS_TABLE")
        for item in self.table("DISPATCHES_TABLE"):
            of = item["id"]
            erased = {row.user_id for row in unsubscribes if row.erases(of)}
            state = item, rows[of], letters[of], held[of], erased
            if self._checked.get(of) != state:
                self._check(of, {row["user_id"]: row for row in rows[of]}, held[of], erased)
                self._checked[of] = state

    def _by_dispatch(self, variable: str) -> defaultdict[str, list[Row]]:
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.table(variable):
            found[row["dispatch_id"]].append(row)
        return found

    def _check(self, of: str, rows: Mapping[str, Row], held: set[str | int], erased: set[str]) -> None:
        dispatch = stored_dispatch(of)
        self.counts(dispatch)
        if dispatch.is_cancelled:
            return
        pending = {
            chunk
            for chunks in (dispatch.pending_chunks if dispatch.pending else [])
            for chunk in range(chunks.first, chunks.last)
        }
        for chunk in set(range(int(dispatch.chunks))) - pending:
            users = read_chunk(dispatch.audience_id, chunk) or []
            for user in set(users) - erased:
                row = rows.get(user)
                is_final = row is not None and Status(row["status"]).is_terminal
                is_unsent = row is not None and row.get("attention", "").startswith("unsent#")
                assert is_final or is_unsent or user in held or chunk in held, (
                    f"nothing holds {user} of {of}: {row}"
                )

    def _held(self) -> set[tuple[str, str | int]]:
        held: set[tuple[str, str | int]] = set()
        for variable in queue_definitions():
            if variable.startswith("MAIL_EVENTS"):
                continue  # it holds nobody
            for waiting in self.queues.waiting(variable):
                if "fan_out" in variable.lower():
                    message = load_fan_out(waiting.body)
                    if isinstance(message, DueMessage):
                        continue  # it holds nothing
                    chunks = range(message.chunks.first, message.chunks.last)
                    held |= {(message.dispatch_id, chunk) for chunk in chunks}
                else:
                    held.add((waiting.delivery.dispatch_id, waiting.delivery.user_id))
        return held


def stored_dispatch(dispatch_id: str) -> Dispatch:
    """A dispatch as it stands now."""
    found = Dispatch.one(dispatch_id, consistent=True)
    assert found is not None
    return found


def _arn(queue_url: str) -> str:
    return f"arn:aws:sqs:eu-central-1:123456789012:{queue_url.rpartition('/')[2]}"
