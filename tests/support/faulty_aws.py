"""AWS that fails: microburst in front of an emulator, its faults drawn from a seed, every request remembered.

    with FaultyAws(emulator.endpoint_url, seed="42") as aws:
        ...  # with AWS_ENDPOINT_URL=aws.endpoint_url

The k-th request of an operation meets the same fault for the same seed, whatever comes between.
"""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from microburst.app import make_app
from microburst.core.pipeline import Microburst
from microburst.rules import RuleEngine

from localstack.ports import LOOPBACK, free_port

CALL_SECONDS = 10.0


class Fault(StrEnum):
    """What can happen to a request."""

    THROTTLED = "throttled"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    RESET = "reset"
    LOST_ANSWER = "lost answer"
    SLOW = "slow"
    TOO_LATE = "too late"

    @property
    def is_carried_out(self) -> bool:
        """Whether the request has its effect all the same."""
        return self in (Fault.LOST_ANSWER, Fault.SLOW, Fault.TOO_LATE)


RULES: Mapping[Fault, Sequence[Mapping[str, Any]]] = {
    Fault.THROTTLED: [
        # microburst puts SQS's old namespace before the code, by which the SDK no longer sees that it may ask
        # again: the status says it. Else each batch refused once would wait minutes for the sweep.
        {"service": "sqs", "error": {"code": "ThrottlingException", "status": 503}},
        {"error": {"code": "ThrottlingException", "status": 400}},
    ],
    Fault.INTERNAL: [{"error": {"code": "InternalServerError", "status": 500}}],
    Fault.UNAVAILABLE: [{"error": {"code": "ServiceUnavailable", "status": 503}}],
    Fault.RESET: [{"reset": True}],
    Fault.LOST_ANSWER: [{"response": {"abort_frac": 0.5}}],
    Fault.SLOW: [{"latency": 300}],
    # Later than the functions wait for (3 s): carried out when they have already asked again.
    Fault.TOO_LATE: [{"latency": 3_500}],
}
"""As microburst reads them; the first that matches counts."""

CHANCES: Mapping[Fault, float] = {
    Fault.THROTTLED: 0.02,
    Fault.INTERNAL: 0.01,
    Fault.UNAVAILABLE: 0.01,
    Fault.RESET: 0.015,
    Fault.LOST_ANSWER: 0.02,
    Fault.SLOW: 0.02,
    Fault.TOO_LATE: 0.002,
}
"""Of any request: about one in ten is disturbed. The SDK's repeats get over most of that."""


@dataclass(frozen=True)
class Outage:
    """From its `first` request on, so many requests of an operation in a row are refused: no repeat helps."""

    operation: str
    first: int
    requests: int


@dataclass(frozen=True)
class Request:
    """A request as it came, and the fault that it met."""

    operation: str
    at: float
    raw: bytes
    fault: Fault | None

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


class FaultyAws:
    """The proxy, in a thread of its own."""

    def __init__(
        self,
        upstream: str,
        seed: str = "",
        outages: Sequence[Outage] = (),
        chances: Mapping[Fault, float] = CHANCES,
    ) -> None:
        self.endpoint_url = f"http://{LOOPBACK}:{free_port()}"
        self._schedule = FaultSchedule(seed, outages, chances)
        self._microburst = Microburst(upstream)
        self._microburst.engine = self._schedule
        self._runner = web.AppRunner(make_app(self._microburst), access_log=None, shutdown_timeout=1.0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-aws", daemon=True)

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in its order."""
        return list(self._schedule.requests)

    @contextmanager
    def away(self, operation: str) -> Iterator[None]:
        """Refuse every request of an operation meanwhile."""
        self._schedule.away.add(operation)
        try:
            yield
        finally:
            self._schedule.away.remove(operation)

    def faults(self) -> Counter[str]:
        """How many requests met each fault."""
        return Counter(str(each.fault) for each in self.requests if each.fault)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, int(self.endpoint_url.rpartition(":")[2])).start()

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=CALL_SECONDS)


class FaultSchedule:
    """Stands where microburst's own engine stands, which draws from the process's one random generator."""

    def __init__(self, seed: str, outages: Sequence[Outage], chances: Mapping[Fault, float]) -> None:
        self._seed = seed
        self._outages = outages
        self._chances = chances
        self.away: set[str] = set()
        self._engines = {fault: RuleEngine() for fault in Fault}
        for fault, engine in self._engines.items():
            engine.set_rules(RULES[fault])
        self._numbers: Counter[str] = Counter()
        self.requests: list[Request] = []

    @property
    def rules(self) -> list[Any]:
        return [rule for engine in self._engines.values() for rule in engine.rules]

    def decide(self, context: Any) -> Any:
        """microburst's decision about a request: None to pass it on."""
        operation = f"{context.service}.{context.operation}"
        self._numbers[operation] += 1
        fault = self._fault(operation, self._numbers[operation])
        self.requests.append(Request(operation, time.time(), context.body or b"{}", fault))
        return self._engines[fault].decide(context) if fault else None

    def _fault(self, operation: str, number: int) -> Fault | None:
        if operation in self.away:
            return Fault.UNAVAILABLE
        for outage in self._outages:
            if outage.operation == operation and 0 <= number - outage.first < outage.requests:
                return Fault.UNAVAILABLE
        drawn = random.Random(f"{self._seed} {operation} {number}").random()
        for fault, chance in self._chances.items():
            drawn -= chance
            if drawn < 0:
                return fault
        return None
