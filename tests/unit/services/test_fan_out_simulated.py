"""The real fan out under simulated queues: messages late, twice, in any order; time passes at a stroke."""

import heapq
import logging
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import queues
from chalicelib import settings as configuration
from chalicelib.channels import CHANNELS
from chalicelib.channels.base import Channel
from chalicelib.channels.mail import MailChannel
from chalicelib.directory import Person
from chalicelib.domain.fanning import CHUNK_SIZE, MAX_DELAY_SECONDS, ChunkRange, chunk_count
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage, FanOutMessage
from chalicelib.domain.times import later
from chalicelib.services import fan_out
from chalicelib.tables.dispatches import Dispatch
from tests.support import factories

FAN_OUT = factories.ENVIRONMENT["FAN_OUT_REGULAR_QUEUE_URL"]
VISIBILITY_SECONDS = 360
LONGEST_WAIT_SECONDS = 30


class EveryMailChannel(MailChannel):
    """Takes any address: how addresses are checked is tested elsewhere, and would take most of the time."""

    def address_of(self, contact: str | None) -> str | None:
        return contact


class Everybody:
    """A directory that knows everybody."""

    def people(self, user_ids: Sequence[str], contact_field: str) -> Mapping[str, Person]:
        return {user: Person(f"{user}@example.com") for user in user_ids}


@dataclass(order=True)
class Coming:
    """A fan-out message on its way."""

    at: datetime
    order: float
    message: FanOutMessage = field(compare=False)
    depth: int = field(compare=False)


@dataclass
class Simulation:
    """One dispatch under way. `users` of a chunk are numbers, so that a million need no memory."""

    recipients: int
    step: int
    chaos: random.Random | None = None
    """Makes messages late and has them come twice, in any order; without it all is at once and in time."""
    chunk_size: int = CHUNK_SIZE
    now: datetime = factories.START
    deepest: int = 0
    taken: Coming | None = None
    coming: list[Coming] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    worked: Counter[int] = field(default_factory=Counter)
    due: dict[int, list[datetime]] = field(default_factory=dict)
    batches: Counter[int] = field(default_factory=Counter)
    hops: int = 0
    messages: int = 0

    def read_chunk(self, audience_id: str, chunk: int) -> list[str]:
        first = chunk * self.chunk_size
        return [f"u{number}" for number in range(first, min(first + self.chunk_size, self.recipients))]

    def send_all(self, queue_url: str, messages: Sequence[queues.Outgoing]) -> list[int]:
        assert all(0 <= each.delay_seconds <= MAX_DELAY_SECONDS for each in messages)
        if queue_url == FAN_OUT:
            self.batches[len(messages)] += 1
            for each in messages:
                self._send_fan_out(FanOutMessage.load(each.body), later(self.now, each.delay_seconds))
        else:
            parsed = [DeliveryMessage.load(each.body) for each in messages]
            self.sent.update(each.user_id for each in parsed)
            (chunk,) = {each.chunk for each in parsed}
            assert [each.position for each in parsed] == list(range(len(parsed)))
            self.worked[chunk] += 1
            (delay,) = {each.delay_seconds for each in messages}
            self.due.setdefault(chunk, []).append(later(self.now, delay))
        return []

    def _send_fan_out(self, message: FanOutMessage, at: datetime) -> None:
        late = self.chaos.uniform(0, LONGEST_WAIT_SECONDS) if self.chaos else 0.0
        order = self.chaos.random() if self.chaos else 0.0
        is_hop = self.taken is not None and message == self.taken.message
        depth = 0 if self.taken is None else self.taken.depth + (not is_hop)
        self.hops += is_hop
        self.deepest = max(self.deepest, depth)
        heapq.heappush(self.coming, Coming(later(at, late), order, message, depth))
        self.messages += 1

    def run(self, dispatch: Dispatch) -> None:
        """Work everything that a dispatch becomes."""
        self._send_fan_out(FanOutMessage(dispatch.id, ChunkRange(0, int(dispatch.chunks))), self.now)
        while self.coming:
            self.taken = taken = heapq.heappop(self.coming)
            self.now = max(self.now, taken.at)
            if self.chaos and self.chaos.random() < 0.05:  # not acknowledged in time: it comes again
                again = later(self.now, VISIBILITY_SECONDS)
                heapq.heappush(self.coming, Coming(again, self.chaos.random(), taken.message, taken.depth))
            fan_out.fan_out(taken.message, Lane.REGULAR, "shop", lambda: self.now)


@contextmanager
def simulated(simulation: Simulation) -> Iterator[Dispatch]:
    """The real service, with what is around it taken over by a simulation."""
    dispatch = factories.dispatch(
        recipients=simulation.recipients, chunks=-(-simulation.recipients // simulation.chunk_size)
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in factories.ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("THROTTLE_STEP_SECONDS", str(simulation.step))
        configuration.current.cache_clear()
        patch.setattr(Dispatch, "one", lambda *keys, consistent: dispatch)
        patch.setattr(fan_out, "read_chunk", simulation.read_chunk)
        patch.setattr(fan_out, "read_unsubscribes", lambda user_ids, consistent: {})
        patch.setattr(fan_out, "suppressed_of", lambda channel, people: {})
        patch.setattr(fan_out, "directory", Everybody)
        patch.setattr(fan_out, "logger", logging.getLogger("simulation"))  # 10,000 lines are no help
        patch.setattr(queues, "send_all", simulation.send_all)
        patch.setitem(cast(dict[str, Channel], CHANNELS), "mail", EveryMailChannel())
        yield dispatch
    configuration.current.cache_clear()


def test_a_million_recipients_four_deep_and_none_early() -> None:
    # One recipient stands for each hundred: it is the chunks that make the tree.
    simulation = Simulation(recipients=10_000, step=60, chunk_size=1)
    with simulated(simulation) as dispatch:
        simulation.run(dispatch)
    assert simulation.deepest == 4
    assert set(simulation.worked.values()) == {1}
    assert len(simulation.worked) == 10_000
    for chunk, moments in simulation.due.items():
        assert moments == [later(factories.START, chunk * 60)]
    assert max(simulation.batches) == 10
    assert simulation.messages - simulation.hops == 11_111
    assert simulation.hops > 0
    assert simulation.now - factories.START == timedelta(seconds=9_999 * 60 - MAX_DELAY_SECONDS)


def test_without_a_throttle_everything_is_due_at_once() -> None:
    simulation = Simulation(recipients=1_000, step=0, chunk_size=1)
    with simulated(simulation) as dispatch:
        simulation.run(dispatch)
    assert {moment for moments in simulation.due.values() for moment in moments} == {factories.START}
    assert simulation.hops == 0


@settings(max_examples=6)
@given(st.integers(1, 100_000), st.integers(0, 3_600), st.integers(0, 2**32))
def test_every_user_is_queued_and_nobody_early_whatever_the_queue_does(
    recipients: int, step: int, seed: int
) -> None:
    # Above a few thousand it is only more of the same: one stands for ten there.
    chunk_size = CHUNK_SIZE if recipients <= 20_000 else 10
    count = recipients if recipients <= 20_000 else recipients // 10
    simulation = Simulation(count, step, random.Random(seed), chunk_size)
    with simulated(simulation) as dispatch:
        simulation.run(dispatch)
    chunks = int(dispatch.chunks)
    assert set(simulation.worked) == set(range(chunks))
    assert set(simulation.sent) == {f"u{number}" for number in range(count)}
    for chunk, moments in simulation.due.items():
        due = later(factories.START, chunk * step)
        assert min(moments) >= due
        # Its messages were sent before they were due, or as soon as the fan-out message had come.
        assert min(moments) <= later(due, 5 * LONGEST_WAIT_SECONDS)


@settings(max_examples=12)
@given(st.integers(1, 100_000))
def test_every_recipient_has_one_chunk_and_one_position(recipients: int) -> None:
    simulation = Simulation(recipients, step=60)
    chunks = [simulation.read_chunk("", chunk) for chunk in range(chunk_count(recipients))]
    assert sum(map(len, chunks)) == recipients
    assert all(0 < len(chunk) <= CHUNK_SIZE for chunk in chunks)
