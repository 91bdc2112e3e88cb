"""Deliver: each message of a batch becomes one sending, at most once unless its end cannot be known."""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

from chalicelib import security, settings
from chalicelib.channels import CHANNELS
from chalicelib.channels.base import NotReadyError, Session
from chalicelib.channels.sandbox import SandboxSession
from chalicelib.domain.backoff import retry_pause
from chalicelib.domain.fanning import chunk_due, delay_until
from chalicelib.domain.lanes import Lane
from chalicelib.domain.results import Permanent, Retryable, SendResult, no_time_left
from chalicelib.domain.statuses import Status, WhyUnsent
from chalicelib.domain.times import Clock, later, parse
from chalicelib.observability import (
    about,
    comes_again,
    logger,
)
from chalicelib.services.aftermath import Aftermath, Incoming
from chalicelib.services.errors import MissingError
from chalicelib.services.hand_over import is_near
from chalicelib.services.letters import remember_notifications, write_letter
from chalicelib.services.outcomes import metric_of, outcome_of
from chalicelib.services.pacing import ComeBack, Turns
from chalicelib.services.recipients import final_statuses, recipient_of
from chalicelib.services.stopping import cancel_stopped, is_stopped
from chalicelib.services.suppressing import learn_of_address, suppressed_among
from chalicelib.tables.base import DATABASE_ERRORS, batch_get, is_outage
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.frequencies import Frequency
from chalicelib.tables.progress import clear_unsent_letter
from chalicelib.tables.unsubscribes import Unsubscribe
from chalicelib.tables.users_notifications import (
    Busy,
    Claimed,
    Finished,
    Lease,
    Outcome,
    UsersNotification,
    claim_for_sending,
    write_outcome,
)
from chalicelib.templating.errors import TEMPLATE_ERRORS

AFTER_SEND_SECONDS = 4.0
"""What an invocation keeps back for what follows a send: the outcome, the letters, the hops."""

OUTCOME_FIRST_PAUSE_SECONDS = 0.25
OUTCOME_LONGEST_PAUSE_SECONDS = 4.0
"""Between tries to record what was sent, after those of the SDK, which are over in a second or less."""

LEASE_MARGIN_SECONDS = 5.0
"""A lease outlives the invocation that took it by this much: clocks differ, and a write may be on its way."""


@dataclass(frozen=True)
class _Read:
    """What the whole batch needs to know, read at its start."""

    dispatches: dict[str, Dispatch]
    unsubscribes: dict[str, Unsubscribe]
    frequencies: dict[str, Frequency]
    suppressed: Mapping[str, str]
    """Why nothing is sent to a recipient any more, by the message's id."""


@dataclass(frozen=True)
class _Job:
    """A claimed recipient."""

    incoming: Incoming
    dispatch: Dispatch
    row: UsersNotification
    refused: Outcome | None
    """How it ends without a send: the user has unsubscribed, or the address is suppressed."""


class Delivery:
    """The work on one batch of one lane."""

    def __init__(self, lane: Lane, clock: Clock, remaining_seconds: Callable[[], float]) -> None:
        self._lane = lane
        self._clock = clock
        self._remaining_seconds = remaining_seconds
        self._after = Aftermath()
        self._sessions: dict[str, Session] = {}
        self._turns = Turns(lane, clock)

    def run(self, batch: Sequence[Incoming]) -> list[str]:
        """Deliver a batch; the ids of the messages that must come again, because of something unforeseen."""
        with ExitStack() as stack:
            if read := self._read(batch):
                self._turns.take((each, self._channel_of(each, read)) for each in batch)
                for incoming in sorted(batch, key=self._turns.order):
                    self._one(incoming, read, stack)
            # Before the sessions are closed: a server may be slow to say good-bye.
            self._after.write(settings.current().queues(self._lane).delivery, self._clock)
        return sorted(set(self._after.failures))

    def _read(self, batch: Sequence[Incoming]) -> _Read | None:
        try:
            found = batch_get(
                {
                    Dispatch: [each.message.dispatch_id for each in batch],
                    Unsubscribe: [each.message.user_id for each in batch],
                    Frequency: [each.message.frequency for each in batch if each.message.frequency],
                },
                consistent=True,
            )
            dispatches = {each.id: each for each in found[Dispatch]}
            remember_notifications({each.notification_id for each in dispatches.values()})
            suppressed = suppressed_among(
                (each.id, dispatches[each.message.dispatch_id].type, each.message.address)
                for each in batch
                if each.message.dispatch_id in dispatches
            )
        except Exception as error:
            if not is_outage(error):
                raise
            for incoming in batch:
                with _about(incoming):
                    self._put_off(incoming, None, error)
            return None
        return _Read(
            dispatches,
            {each.user_id: each for each in found[Unsubscribe]},
            {each.slug: each for each in found[Frequency]},
            suppressed,
        )

    def _channel_of(self, incoming: Incoming, read: _Read) -> str | None:
        """The channel of a message that is due; None where nothing will be sent, as far as one can see."""
        dispatch = read.dispatches.get(incoming.message.dispatch_id)
        if dispatch is None or dispatch.type not in CHANNELS or self._is_over(dispatch, read):
            return None
        if dispatch.send_at and dispatch.due > self._clock():
            return None
        unsubscribe = read.unsubscribes.get(incoming.message.user_id)
        if unsubscribe and (unsubscribe.erases(dispatch.id) or unsubscribe.refuses(dispatch.type)):
            return None
        return str(dispatch.type) if incoming.id not in read.suppressed else None

    def _one(self, incoming: Incoming, read: _Read, stack: ExitStack) -> None:
        with _about(incoming):
            try:
                job = self._claim(incoming, read)
                if job:
                    self._settle(job, self._send(job, stack))
            except Exception:
                # Each message for itself: one that breaks must not take nine others to the dead letters.
                comes_again(incoming.id)
                self._after.failures.append(incoming.id)

    @contextmanager
    def _outages_put_off(self, incoming: Incoming, dispatch: Dispatch) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not is_outage(error):
                raise
            self._put_off(incoming, dispatch, error)

    def _put_off(self, incoming: Incoming, dispatch: Dispatch | None, error: Exception) -> None:
        """Before a send an outage costs nothing but time: it must not lead to the dead letters."""
        logger.warning("put off", extra={"id": incoming.id, "error": str(error)})
        self._after.hop(incoming, dispatch, round(retry_pause(self._lane, 1)))

    def _claim(self, incoming: Incoming, read: _Read) -> _Job | None:
        message = incoming.message
        dispatch = read.dispatches.get(message.dispatch_id)
        if dispatch is None:
            raise MissingError(f"dispatch {message.dispatch_id}")
        self._after.tally(dispatch).messages += 1
        if self._is_over(dispatch, read):
            self._end_cancelled(incoming, dispatch)
            return None
        unsubscribe = read.unsubscribes.get(message.user_id)
        if unsubscribe and unsubscribe.erases(dispatch.id):
            self._after.erased(incoming, dispatch)
            return None
        now = self._clock()
        if dispatch.send_at and dispatch.due > now:
            self._wait(incoming, dispatch, now)
            return None
        if not self._is_its_turn(incoming, dispatch):
            return None
        if not self._send_fits(dispatch.type):
            self._after.hop(incoming, dispatch, 0)
            return None
        now = self._clock()
        lease = Lease(os.urandom(8).hex(), later(now, self._remaining_seconds() + LEASE_MARGIN_SECONDS))
        recipient = recipient_of(dispatch, message.user_id, message.chunk, message.position)
        claim = None
        with self._outages_put_off(incoming, dispatch):
            claim = claim_for_sending(recipient, message.address, lease, now)
        match claim:
            case Finished(status):
                self._after.letter(incoming, dispatch, status)
            case Busy(until):
                self._after.hop(incoming, dispatch, delay_until(until, now))
            case Claimed(row):
                refused = None
                if unsubscribe is not None and unsubscribe.refuses(dispatch.type):
                    refused = Outcome(Status.UNSUBSCRIBED, now, int(row.attempts), "unsubscribed")
                elif reason := read.suppressed.get(incoming.id):
                    refused = Outcome(Status.WRONG_CONTACT, now, int(row.attempts), f"suppressed: {reason}")
                return _Job(incoming, dispatch, row, refused)
        return None

    def _is_its_turn(self, incoming: Incoming, dispatch: Dispatch) -> bool:
        """Wait for a turn that is near; to one that is not the message comes back."""
        match self._turns.wait(incoming):
            case ComeBack(later_on, delay_seconds):
                self._after.hop(later_on, dispatch, delay_seconds)
                return False
            case Exception() as error:
                if not is_outage(error):
                    raise error
                self._put_off(incoming, dispatch, error)
                return False
        return True

    def _is_over(self, dispatch: Dispatch, read: _Read) -> bool:
        """Whether it is cancelled, or a run whose frequency was stopped since the message was sent."""
        if dispatch.is_cancelled:
            return True
        return bool(dispatch.frequency) and is_stopped(dispatch, read.frequencies.get(dispatch.frequency))

    def _wait(self, incoming: Incoming, dispatch: Dispatch, now: datetime) -> None:
        """It was put off since the message was sent. Long before it is due, its mark holds it until then."""
        if dispatch.pending and not is_near(dispatch.due, now):
            return
        step = settings.current().throttle_step_seconds
        due = chunk_due(dispatch.due, incoming.message.chunk, step)
        self._after.hop(incoming, dispatch, delay_until(due, now))

    def _end_cancelled(self, incoming: Incoming, dispatch: Dispatch) -> None:
        """Acknowledge; who had come to an end before is counted as that, if its letter got lost."""
        message = incoming.message
        with self._outages_put_off(incoming, dispatch):
            if not dispatch.is_cancelled:
                cancel_stopped(dispatch, self._clock())
            for status in final_statuses(dispatch, {message.position: message.user_id}).values():
                self._after.letter(incoming, dispatch, status)

    def _send_fits(self, channel: str) -> bool:
        return self._seconds_to_send() >= CHANNELS[channel].longest_send_seconds()

    def _seconds_to_send(self) -> float:
        return self._remaining_seconds() - AFTER_SEND_SECONDS

    def _send(self, job: _Job, stack: ExitStack) -> SendResult | None:
        """The channel's answer, or None when there is nothing to ask."""
        if job.refused:
            return None
        channel = job.dispatch.type
        try:
            letter = write_letter(job.dispatch, job.incoming.message, int(job.row.attempts))
            session = self._session(channel, letter.address, stack)
        except (security.SecretUnavailableError, NotReadyError) as error:
            return Retryable(f"cannot send yet: {error}")
        except TEMPLATE_ERRORS as error:
            return Permanent(f"template: {error}")
        # Last of all, since what came before may have been slow: nothing is sent beyond the lease.
        if not self._send_fits(channel):
            return no_time_left()
        return session.send(letter, self._seconds_to_send)

    def _session(self, channel: str, address: str, stack: ExitStack) -> Session:
        """The channel's, opened at its first letter; for an address of the sandbox one that sends nothing."""
        if CHANNELS[channel].sandbox(address) is not None:
            return SandboxSession(CHANNELS[channel])
        if channel not in self._sessions:
            self._sessions[channel] = stack.enter_context(CHANNELS[channel].session())
        return self._sessions[channel]

    def _settle(self, job: _Job, result: SendResult | None) -> None:
        outcome = job.refused
        if outcome is None:
            assert result is not None
            outcome = outcome_of(job.row, result, self._lane, self._clock())
        if not self._record(job.row, outcome):
            # Another has claimed the row since. It comes again, since ours may be the message that holds it.
            logger.warning("lease lost", extra={"user": job.row.user_id, "result": str(outcome.status)})
            self._after.failures.append(job.incoming.id)
            return
        tally = self._after.tally(job.dispatch)
        tally.figures[metric_of(outcome.status, result)] += 1
        # What is only tried out must not call an operator.
        is_watched = CHANNELS[job.dispatch.type].sandbox(job.incoming.message.address) is None
        if result is not None and is_watched:
            tally.not_taken.append(0 if outcome.status is Status.SENT else 100)
        if outcome.status is Status.SENT and is_watched:
            tally.latencies.append(max((outcome.at - parse(job.row.due_at)).total_seconds(), 0.0))
        if outcome.status.is_terminal:
            self._after.letter(job.incoming, job.dispatch, outcome.status)
            learn_of_address(job.dispatch.type, job.incoming.message.address, result, self._clock())
            return
        delay = delay_until(outcome.not_before or outcome.at, self._clock())
        self._after.hop(job.incoming, job.dispatch, delay)
        if job.row.reason in tuple(WhyUnsent):
            # It was unsent, though the queue had taken it, and its letter still says so.
            message = job.incoming.message
            clear_unsent_letter(message.dispatch_id, message.chunk, message.position)

    def _record(self, row: UsersNotification, outcome: Outcome) -> bool:
        """Write the outcome. Of what was sent, again and again while there is time: else it is sent twice."""
        pause = OUTCOME_FIRST_PAUSE_SECONDS
        while True:
            before = self._remaining_seconds()
            try:
                return write_outcome(row, outcome)
            except DATABASE_ERRORS as error:
                took = before - self._remaining_seconds()
                ends = outcome.status is not Status.SENT or not is_outage(error)
                if ends or self._seconds_to_send() < pause + took:
                    raise
                logger.warning("outcome not written yet", extra={"user": row.user_id, "error": str(error)})
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(2 * pause, OUTCOME_LONGEST_PAUSE_SECONDS)


def _about(incoming: Incoming) -> AbstractContextManager[None]:
    """Have every line within name what the message is about."""
    return about(notification=incoming.message.notification_id, dispatch=incoming.message.dispatch_id)
