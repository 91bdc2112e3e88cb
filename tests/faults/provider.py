"""The channels with a provider that answers as the scenario says, and whose calls can fail."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from chalicelib.channels import CHANNELS
from chalicelib.channels.base import Channel, Letter, Session
from chalicelib.domain.results import Accepted, RateLimited, Retryable, SendResult, no_time_left
from tests.faults.functions import deliver_seconds
from tests.faults.points import SevenPoints
from tests.faults.scenarios import Answers, Scenario
from tests.faults.wire import Fault, Wire
from tests.support.factories import address_of


class UnforeseenError(Exception):
    """A fault of the product's own, which no code of it expects."""


RATE = 1.0
"""Messages a second of a channel that has a rate: so few that some come back for their slot."""


def addresses_of(user: str) -> dict[str, str]:
    """Where a user is reached, by the contact's fields."""
    number = UUID(user).int
    return {
        "email": address_of(user),
        "chat_id": str(number),
        "webhook_url": f"https://user-{number}.example.com/",
    }


class Provider(Channel):
    """In the place of a channel, whose class is its other half; keeps what a channel promises of its time."""

    _wire: Wire

    def begin(self, scenario: Scenario, answers: Answers, points: SevenPoints) -> None:
        """For a new run."""
        self._scenario, self._answers, self._points = scenario, answers, points
        self._sends = dict.fromkeys(scenario.users, 0)

    @contextmanager
    def session(self) -> Iterator[Session]:
        yield cast(Session, self)

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        """See `Session.send`."""
        user = next(user for user in self._scenario.users if self._address(user) == letter.address)
        dispatch = self._points.dispatch_of(letter, user)

        def send(is_lost: bool) -> SendResult:
            if seconds_left() <= 0:
                return no_time_left()
            return self._take(letter, user, is_lost)

        answer = cast(SendResult, self._wire.channel(self.name, send, _refused))
        self._points.answered(user, dispatch, answer)
        return answer

    def _address(self, user: str) -> str:
        return addresses_of(user)[self.contact_field]

    def _take(self, letter: Letter, user: str, is_lost: bool) -> SendResult:
        dispatch = self._points.dispatch_of(letter, user)  # as it is now
        self._points.before_send(user, dispatch, deliver_seconds(self._scenario.lane))
        if user in self._scenario.breaks_for and not self._points.are_failed_sent_again:
            raise UnforeseenError("the product breaks here")
        answer = self._answers.of(user, self._sends[user])
        self._sends[user] += 1
        if isinstance(answer, Accepted):
            self._points.take(letter, user, dispatch, answer_is_lost=is_lost)
        return answer


def providers(wire: Wire) -> Mapping[str, Provider]:
    """One for each channel that there is."""
    found = {}
    for name, channel in CHANNELS.items():
        rate = {"rate": RATE} if channel.rate else {}
        kind: Any = type(f"Provider of {name}", (Provider, type(channel)), {"_wire": wire, **rate})
        found[name] = kind()
    return found


def _refused(fault: Fault) -> SendResult:
    if fault is Fault.THROTTLED:
        return RateLimited("429", retry_after_seconds=30)
    return Retryable("no answer" if fault is Fault.ANSWER_LOST else "451")
