"""Every call that leaves a process, to AWS or to a channel, and what can happen at each.

Calls are not listed anywhere: whatever passes here is one, so that a call added later is covered too.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import FrameType
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.faults.batches import BATCHES, Answer, CarryOut, Params, in_part


class Fault(StrEnum):
    """What happens at one call."""

    THROTTLED = "throttled"
    SERVER_ERROR = "server error"
    ECHO = "answer lost, the SDK sends it again"
    LATE_ECHO = "answer lost, others go on, the SDK sends it again"
    ANSWER_LOST = "answer lost for good"
    DIES_BEFORE = "the process dies before it"
    DIES_AFTER = "the process dies after it"
    PART_ONCE = "done in part"
    PART = "done in part, again and again"
    SECOND_COPY = "a second copy of the message is worked"
    SWEEP = "the sweep runs"
    SWEEP_LATER = "the sweep runs, more than a minute later"
    WAKES_LATE = "lease and visibility run out, another goes on, the first wakes up"
    CANCEL = "the dispatch is cancelled"
    OPERATOR = "an operator sends again what has failed"
    ERASE = "a recipient is erased"
    TICK = "the tick runs, and what it finds is worked"
    PUT_OFF = "the dispatch is put off"
    CHANGE = "the frequency is changed"
    PAUSE = "the frequency is paused"
    DELETE = "the frequency is deleted"


BOUNDARY = (
    Fault.SECOND_COPY,
    Fault.SWEEP,
    Fault.SWEEP_LATER,
    Fault.WAKES_LATE,
    Fault.CANCEL,
    Fault.OPERATOR,
    Fault.ERASE,
    Fault.TICK,
    Fault.PUT_OFF,
    Fault.CHANGE,
    Fault.PAUSE,
    Fault.DELETE,
)
"""What happens between two calls."""
PARTIAL = (Fault.PART_ONCE, Fault.PART)


class Kind(StrEnum):
    """What a call asks."""

    AWS = "aws"
    BATCH = "aws, a batch"
    CHANNEL = "channel"
    END = "the end of a process"
    """Lambda takes the messages out of the queue, or the answer goes to the client."""


FAULTS: dict[Kind, tuple[Fault, ...]] = {
    Kind.AWS: tuple(fault for fault in Fault if fault not in PARTIAL),
    Kind.BATCH: tuple(Fault),
    Kind.CHANNEL: tuple(fault for fault in Fault if fault not in (*PARTIAL, Fault.ECHO, Fault.LATE_ECHO)),
    Kind.END: (Fault.DIES_BEFORE, *BOUNDARY),
}


class ProcessDiedError(BaseException):
    """The end of a process in the middle of its work: no code of the product may catch it."""


@dataclass
class Process:
    """A function at work, or a client's request."""

    name: str
    again: Callable[[], None]
    """Work the same message once more, whole, in another process."""
    is_dead: bool = False
    refused: set[str] = field(default_factory=set)
    """Parts of batches that are left undone as long as this process lives."""


@dataclass(frozen=True)
class Call:
    """One call: its place in the run, what it is, and how long after the start it is made."""

    number: int
    kind: Kind
    name: str
    after_seconds: float = 0.0


@dataclass(frozen=True)
class Surroundings:
    """What the wire needs of the world around it."""

    throttle_code: Callable[[str], str]
    seconds_since_start: Callable[[], float]
    boundary: Callable[[Fault, Process], None]
    after_step: Callable[[], None]


class Wire:
    """Where all calls pass. `choose` says what happens at each."""

    def __init__(
        self, surroundings: Surroundings, serve: Callable[[str, str, Params], Answer | None]
    ) -> None:
        self._around = surroundings
        self._serve = serve
        self._running: list[Process] = []
        self._is_off = 0
        self.calls: list[Call] = []
        self.choose: Callable[[Call], Fault | None] = lambda call: None

    # Processes.

    @contextmanager
    def process(self, name: str, again: Callable[[], None]) -> Iterator[Process]:
        """What is called meanwhile is called by this process."""
        process = Process(name, again)
        self._running.append(process)
        try:
            yield process
        finally:
            self._running.pop()

    @contextmanager
    def off(self) -> Iterator[None]:
        """Meanwhile calls are the test's own: none of them is counted, none fails."""
        self._is_off += 1
        try:
            yield
        finally:
            self._is_off -= 1

    # Calls.

    def install(self, monkeypatch: Any) -> None:
        """From now on every call of every botocore client passes here."""
        original = BaseClient._make_api_call  # type: ignore[attr-defined]

        def make_api_call(client: Any, operation: str, params: Params) -> Answer:
            service = client.meta.service_model.service_name

            def carry_out(asked: Params) -> Answer:
                served = self._serve(service, operation, asked)
                return original(client, operation, asked) if served is None else served

            if self._is_off:
                return carry_out(params)
            return self._aws(service, operation, params, carry_out)

        monkeypatch.setattr(BaseClient, "_make_api_call", make_api_call)

    def channel(
        self, name: str, send: Callable[[bool], Answer], refused: Callable[[Fault], Answer]
    ) -> Answer:
        """A sending by a channel: `send(the answer will be lost)`; `refused` is what the product is told when
        the provider takes nothing, or when nobody knows whether it took it."""
        call, fault = self._begin(Kind.CHANNEL, f"{name} in {_caller()}")
        if fault is Fault.THROTTLED or fault is Fault.SERVER_ERROR:
            self._around.after_step()
            return refused(fault)
        is_lost = fault is Fault.ANSWER_LOST
        answer = self._at(call, fault, {}, lambda _: send(is_lost))
        return refused(Fault.ANSWER_LOST) if is_lost else answer

    def end_of_process(self, name: str, done: Callable[[], None]) -> None:
        """What the platform does when a process has ended well."""
        call, fault = self._begin(Kind.END, name)
        self._at(call, fault, {}, lambda _: done())

    def _aws(self, service: str, operation: str, params: Params, carry_out: CarryOut) -> Answer:
        kind = Kind.BATCH if operation in BATCHES else Kind.AWS
        call, fault = self._begin(kind, f"{service} {operation} in {_caller()}")
        if fault is Fault.THROTTLED or fault is Fault.SERVER_ERROR:
            self._around.after_step()
            raise _refusal(operation, fault, self._around.throttle_code(service))
        if operation in BATCHES and (fault in PARTIAL or self._process.refused):
            carry_out = in_part(
                operation,
                carry_out,
                self._process.refused,
                strikes=fault in PARTIAL,
                stays=fault is Fault.PART,
            )
        if fault is Fault.ECHO:
            _ignoring_failures(carry_out, params)
        if fault is Fault.LATE_ECHO:
            _ignoring_failures(carry_out, params)
            self._around.boundary(fault, self._process)
        if fault is Fault.ANSWER_LOST:
            _ignoring_failures(carry_out, params)
            self._around.after_step()
            raise ReadTimeoutError(endpoint_url=f"https://{service}")
        return self._at(call, fault, params, carry_out)

    @property
    def running(self) -> str | None:
        """Which process calls now; None when it is the test itself."""
        return self._process.name if self._running and not self._is_off else None

    @property
    def _process(self) -> Process:
        return self._running[-1]

    def _begin(self, kind: Kind, name: str) -> tuple[Call, Fault | None]:
        process = self._process
        if process.is_dead:
            raise ProcessDiedError
        after = self._around.seconds_since_start()
        call = Call(len(self.calls), kind, f"{process.name}: {name}", after)
        self.calls.append(call)
        fault = self.choose(call)
        if fault in BOUNDARY:
            self._around.boundary(fault, process)
        elif fault is Fault.DIES_BEFORE:
            self._die(process)
        return call, fault

    def _at(self, call: Call, fault: Fault | None, params: Params, carry_out: CarryOut) -> Answer:
        if fault is Fault.DIES_AFTER:
            _ignoring_failures(carry_out, params)
            self._die(self._process)
        try:
            return carry_out(params)
        finally:
            self._around.after_step()

    def _die(self, process: Process) -> None:
        process.is_dead = True
        self._around.after_step()
        raise ProcessDiedError


def _ignoring_failures(carry_out: CarryOut, params: Params) -> None:
    # A condition that does not hold is an answer too, and it is lost.
    with suppress(Exception):
        carry_out(params)


def _refusal(operation: str, fault: Fault, throttle_code: str) -> ClientError:
    code, status = (throttle_code, 400) if fault is Fault.THROTTLED else ("InternalServerError", 500)
    response: Any = {
        "Error": {"Code": code, "Message": "injected"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
    }
    return ClientError(response, operation)


def _caller() -> str:
    """The function of the product that makes the call: the innermost below the plumbing."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("chalicelib.") and module not in ("chalicelib.tables.base", "chalicelib.queues"):
            return f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "unknown"
