"""The mail channel with a provider that answers as the scenario says, and whose calls can fail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from chalicelib.channels.base import Letter, Session
from chalicelib.channels.mail import MailChannel
from chalicelib.domain.results import RateLimited, Retryable, SendResult, no_time_left
from tests.faults.functions import deliver_seconds
from tests.faults.points import SevenPoints
from tests.faults.scenarios import Answers, Scenario
from tests.faults.wire import Fault, Wire
from tests.support.factories import address_of


class UnforeseenError(Exception):
    """A fault of the product's own, which no code of it expects."""


class Provider(MailChannel):
    """In the place of the mail channel; keeps what a channel promises of its time."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def begin(self, scenario: Scenario, answers: Answers, points: SevenPoints) -> None:
        """For a new run."""
        self._scenario, self._answers, self._points = scenario, answers, points
        self._sends = dict.fromkeys(scenario.users, 0)

    @contextmanager
    def session(self) -> Iterator[Session]:
        yield cast(Session, self)

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        """See `Session.send`."""
        user = next(user for user in self._scenario.users if address_of(user) == letter.address)

        dispatch = self._points.dispatch_of(letter, user)

        def send(is_lost: bool) -> SendResult:
            if seconds_left() <= 0:
                return no_time_left()
            return self._take(letter, user, is_lost)

        answer = cast(SendResult, self._wire.channel("mail", send, _refused))
        self._points.answered(user, dispatch, answer)
        return answer

    def _take(self, letter: Letter, user: str, is_lost: bool) -> SendResult:
        dispatch = self._points.dispatch_of(letter, user)  # as it is now
        self._points.before_send(user, dispatch, deliver_seconds(self._scenario.lane))
        if user in self._scenario.breaks_for and not self._points.are_failed_sent_again:
            raise UnforeseenError("the product breaks here")
        answer = self._answers.of(user, self._sends[user])
        self._sends[user] += 1
        if not isinstance(answer, Retryable | RateLimited):
            self._points.take(letter, user, dispatch, answer_is_lost=is_lost)
        return answer


def _refused(fault: Fault) -> SendResult:
    if fault is Fault.THROTTLED:
        return RateLimited("429", retry_after_seconds=30)
    return Retryable("no answer" if fault is Fault.ANSWER_LOST else "451")
