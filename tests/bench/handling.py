"""Handler time per record: what our own code costs when AWS and the mail server answer at once."""

import cProfile
import io
import pstats
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiosmtplib
import boto3
import pytest
from moto import mock_aws

from chalicelib import queues
from chalicelib.channels import CHANNELS
from chalicelib.channels.mail import MailChannel
from chalicelib.domain.fanning import CHUNK_SIZE, ChunkRange
from chalicelib.domain.messages import FanOutMessage
from chalicelib.kept import Kept
from chalicelib.observability import logger
from chalicelib.services import suppressing
from tests.bench import canned
from tests.bench.report import Figure, Section
from tests.bench.stage import Stage
from tests.support import factories
from tests.support.aws import World, use_test_account

ROUNDS = 5
TOP = 10
SECONDS = 60.0


class _InstantServer:
    """In place of the client of a mail server: takes everything, at once."""

    transport = None

    def __init__(self, **_: Any) -> None:
        self.is_connected = False
        self.taken = 0

    async def connect(self) -> None:
        self.is_connected = True

    async def mail(self, *_: Any, **__: Any) -> None: ...

    async def rcpt(self, *_: Any, **__: Any) -> None: ...

    async def data(self, message: bytes, **_: Any) -> aiosmtplib.SMTPResponse:
        assert message
        return aiosmtplib.SMTPResponse(250, "2.0.0 Taken")

    async def quit(self, **_: Any) -> None:
        self.is_connected = False

    def close(self) -> None:
        self.is_connected = False


@dataclass(frozen=True)
class Handled:
    """One invocation that can be repeated, what it calls, and how many records of work there are in it."""

    name: str
    records: int
    first_calls: list[canned.Call]
    """Those of the first invocation, which also reads secrets and notifications."""
    calls: list[canned.Call]
    event: dict[str, Any]
    invoke: Callable[[], None]


def _world(patch: pytest.MonkeyPatch) -> World:
    """The functions with real clients and the real mail channel; only what is outside of us is a stand-in."""
    world = World(patch)
    # What is read again after half a minute would come where another answer is recorded.
    patch.setattr(suppressing, "_prints", Kept(seconds=3600))
    world.checks = False  # its queues are not read: the handlers get what they work from here
    sqs = boto3.client("sqs", config=queues._CONFIG)
    patch.setattr(queues, "client", lambda: sqs)
    patch.setattr(aiosmtplib, "SMTP", _InstantServer)
    patch.setitem(cast(dict[str, Any], CHANNELS), "mail", MailChannel())
    for handler in logger.handlers:
        patch.setattr(handler, "stream", io.StringIO())
    return world


def _recorded(world: World, name: str, variable: str, bodies: list[str], records: int) -> Handled:
    handler = world.handlers[variable]

    def invoke() -> None:
        assert not world.invoke(handler, variable, bodies, SECONDS), f"{name} left messages in the queue"

    suppressing.forget()
    first = canned.record(invoke)
    _forget_rows(world)
    return Handled(name, records, first, canned.record(invoke), world.event(variable, bodies), invoke)


def _forget_rows(world: World) -> None:
    for row in world.table("USERS_NOTIFICATIONS_TABLE"):
        key = {name: {"S": row[name]} for name in ("user_id", "dispatch_id")}
        world._dynamodb.delete_item(TableName=world.tables["USERS_NOTIFICATIONS_TABLE"], Key=key)


@contextmanager
def handled_functions() -> Iterator[list[Handled]]:
    """The functions, recorded; their environment is set meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        use_test_account(patch)
        with mock_aws():  # for the record only: it answers before the wire does
            handled = _recorded_all(_world(patch))
        yield handled


def _recorded_all(world: World) -> list[Handled]:
    users = factories.user_ids(CHUNK_SIZE)
    world.knows(users)
    dispatch = world.submit(users)
    bodies = [
        factories.delivery(dispatch.id, user, position=position, name="Anna", locale="en").dump()
        for position, user in enumerate(users)
    ]
    chunk = FanOutMessage(dispatch.id, ChunkRange(0, 1)).dump()
    return [
        _recorded(world, "deliver, a batch of 10", "DELIVERY_REGULAR_QUEUE_URL", bodies[:10], 10),
        _recorded(world, "deliver, a batch of 5", "DELIVERY_EXPRESS_QUEUE_URL", bodies[:5], 5),
        _recorded(world, "fan out, a chunk of 100", "FAN_OUT_REGULAR_QUEUE_URL", [chunk], CHUNK_SIZE),
    ]


def _repeat(work: Callable[[], None], times: int) -> None:
    for _ in range(times):
        work()


def _microseconds(work: Callable[[], None], times: int) -> float:
    started = time.process_time()
    _repeat(work, times)
    return (time.process_time() - started) / times * 1e6


def measure(stage: Stage) -> Section:
    """The three handlers, each beside boto3 making the same calls."""
    times = 3 if stage.quick else 40
    figures: list[Figure] = []
    notes: list[str] = []
    with handled_functions() as handled:
        for each in handled:
            stage.tell(f"handler time: {each.name}")
            figures += _figures(each, times)
            notes += [f"Where *{each.name}* spends the time of our own code:", ""]
            notes += [*_costliest(each, times), ""]
    return Section("Handler time per record, with AWS and the mail server answering at once", figures, notes)


def _figures(handled: Handled, times: int) -> list[Figure]:
    own, whole, floor = [], [], []
    for _ in range(ROUNDS):
        with canned.at_the_sdk(handled.calls):
            own.append(_microseconds(handled.invoke, times))
        with canned.at_the_wire(handled.calls):
            whole.append(_microseconds(handled.invoke, times))
            floor.append(_microseconds(lambda: canned.make_again(handled.calls), times))
    base = statistics.median(floor)
    reference = f"boto3 alone making the same {len(handled.calls)} calls"
    per_record = {
        f"{handled.name}: our own code": statistics.median(own),
        f"{handled.name}: with the SDK": statistics.median(whole),
    }
    calls = len(handled.calls) / handled.records
    return [
        Figure(f"{handled.name}: calls of AWS", f"{calls:.2f} a record"),
        *(
            Figure(name, f"{microseconds / handled.records:,.0f} µs a record", microseconds / base, reference)
            for name, microseconds in per_record.items()
        ),
    ]


def _costliest(handled: Handled, times: int) -> list[str]:
    profile = cProfile.Profile()
    with canned.at_the_sdk(handled.calls):
        profile.runcall(lambda: _repeat(handled.invoke, times))
    entries: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in entries.values())
    ours = {place: entry for place, entry in entries.items() if "/chalicelib/" in place[0]}
    lines = ["| share | calls a record | function, with what it calls |", "| ---: | ---: | --- |"]
    for place, (_, calls, _, whole, _) in sorted(ours.items(), key=lambda entry: -entry[1][3])[:TOP]:
        lines.append(f"| {whole / total:.0%} | {calls / times / handled.records:.2f} | `{_named(*place)}` |")
    return lines


def _named(path: str, line: int, function: str) -> str:
    """A function of ours without the machine's paths."""
    return f"{path.rpartition('/chalicelib/')[2].removesuffix('.py')}:{line} {function}"
