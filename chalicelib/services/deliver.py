"""Deliver: each message of a batch becomes one sending, at most once unless its end cannot be known."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from chalicelib import queues, security, settings
from chalicelib.channels import CHANNELS
from chalicelib.channels.base import Letter, Session
from chalicelib.domain.backoff import attempt_limit, retry_pause
from chalicelib.domain.fanning import delay_until
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage
from chalicelib.domain.results import Accepted, Permanent, RateLimited, Retryable, SendResult
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import Clock, later
from chalicelib.observability import logger
from chalicelib.services.recipients import recipient_of
from chalicelib.tables import activity
from chalicelib.tables.base import DATABASE_ERRORS, batch_get
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.notifications import Notification
from chalicelib.tables.progress import set_letters
from chalicelib.tables.unsubscribes import Unsubscribe, refuses
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

AFTER_SEND_SECONDS = 4.0
"""What an invocation keeps back for what follows a send: the outcome, the letters, the hops."""

LEASE_MARGIN_SECONDS = 5.0
"""A lease outlives the invocation that took it by this much: clocks differ, and a write may be on its way."""

KEPT_NOTIFICATIONS = 32
"""Notifications a warm function remembers: they never change, and a dispatch reads the same one each time."""

_notifications: dict[str, Notification] = {}


class MissingError(Exception):
    """What a message names is not there."""


@dataclass(frozen=True)
class Incoming:
    """A message of the batch, and the id by which it is reported."""

    id: str
    message: DeliveryMessage


@dataclass(frozen=True)
class _Read:
    """What the whole batch needs to know, read at its start."""

    dispatches: dict[str, Dispatch]
    scopes: dict[str, set[str]]


@dataclass
class _Aftermath:
    """What is written once for the whole batch: letters, hops, counts; and what has to come again."""

    letters: dict[tuple[str, int], dict[int, Status]] = field(default_factory=dict)
    lettered: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    hops: list[tuple[str, queues.Outgoing]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def letter(self, incoming: Incoming, status: Status) -> None:
        message = incoming.message
        chunk = (message.dispatch_id, message.chunk)
        self.letters.setdefault(chunk, {})[message.position] = status
        self.lettered.setdefault(chunk, []).append(incoming.id)

    def hop(self, incoming: Incoming, group: str, delay_seconds: int) -> None:
        """Go on later: a new message, and the old one is acknowledged. To hide would count as a receive."""
        self.hops.append((incoming.id, queues.Outgoing(incoming.message.dump(), group, delay_seconds)))


class Delivery:
    """The work on one batch of one lane."""

    def __init__(self, lane: Lane, clock: Clock, remaining_seconds: Callable[[], float]) -> None:
        self._lane = lane
        self._clock = clock
        self._remaining_seconds = remaining_seconds
        self._after = _Aftermath()
        self._sessions: dict[str, Session] = {}

    def run(self, batch: Sequence[Incoming]) -> list[str]:
        """Deliver a batch; the ids of the messages that must come again, because of something unforeseen."""
        read = self._read(batch)
        with ExitStack() as stack:
            for incoming in batch:
                try:
                    self._one(incoming, read, stack)
                except Exception:
                    # Each message for itself: one that breaks must not take nine others to the dead letters.
                    logger.exception("message must come again", extra={"id": incoming.id})
                    self._after.failures.append(incoming.id)
        self._finish()
        logger.info("delivered", extra={"batch": len(batch), **self._after.counts})
        return sorted(set(self._after.failures))

    def _read(self, batch: Sequence[Incoming]) -> _Read:
        found = batch_get(
            {
                Dispatch: [each.message.dispatch_id for each in batch],
                Unsubscribe: [each.message.user_id for each in batch],
            },
            consistent=True,
        )
        dispatches = {each.id: each for each in found[Dispatch]}
        _remember_notifications({each.notification_id for each in dispatches.values()})
        return _Read(dispatches, {each.user_id: each.scopes for each in found[Unsubscribe]})

    def _one(self, incoming: Incoming, read: _Read, stack: ExitStack) -> None:
        message = incoming.message
        dispatch = read.dispatches.get(message.dispatch_id)
        if dispatch is None:
            raise MissingError(f"dispatch {message.dispatch_id}")
        if dispatch.is_cancelled:
            return
        if not self._send_fits(dispatch.type):
            self._after.hop(incoming, dispatch.author, 0)
            return
        now = self._clock()
        lease = Lease(os.urandom(8).hex(), later(now, self._remaining_seconds() + LEASE_MARGIN_SECONDS))
        recipient = recipient_of(dispatch, message.user_id, message.chunk, message.position)
        match claim_for_sending(recipient, message.address, lease, now):
            case Finished(status):
                self._after.letter(incoming, status)
            case Busy(until):
                self._after.hop(incoming, dispatch.author, delay_until(until, now))
            case Claimed(row):
                refused = refuses(read.scopes.get(message.user_id, ()), dispatch.type)
                self._settle(
                    incoming, dispatch, row, None if refused else self._send(dispatch, message, stack)
                )

    def _send_fits(self, channel: str) -> bool:
        return self._remaining_seconds() >= CHANNELS[channel].longest_send_seconds() + AFTER_SEND_SECONDS

    def _send(self, dispatch: Dispatch, message: DeliveryMessage, stack: ExitStack) -> SendResult:
        if not self._send_fits(dispatch.type):
            return RateLimited("no time left to send", retry_after_seconds=0)
        if dispatch.type not in self._sessions:
            self._sessions[dispatch.type] = stack.enter_context(CHANNELS[dispatch.type].session())
        notification = _notifications[dispatch.notification_id]
        try:
            return self._sessions[dispatch.type].send(_letter(notification, dispatch, message))
        except security.SecretUnavailableError as error:
            return Retryable(f"secret unavailable: {error}")

    def _settle(
        self, incoming: Incoming, dispatch: Dispatch, row: UsersNotification, result: SendResult | None
    ) -> None:
        outcome = self._outcome(row, result)
        if not write_outcome(row, outcome):
            # Another has claimed the row since, by a message of its own, which holds the recipient.
            logger.warning(
                "lease lost",
                extra={"dispatch": dispatch.id, "user": row.user_id, "result": str(outcome.status)},
            )
            return
        self._after.counts[f"{dispatch.type} {outcome.status}"] += 1
        if outcome.status.is_terminal:
            self._after.letter(incoming, outcome.status)
        else:
            until = outcome.not_before or outcome.at
            self._after.hop(incoming, dispatch.author, delay_until(until, self._clock()))

    def _outcome(self, row: UsersNotification, result: SendResult | None) -> Outcome:
        now, attempts = self._clock(), int(row.attempts)
        match result:
            case None:
                return Outcome(Status.UNSUBSCRIBED, now, attempts, "unsubscribed")
            case Accepted(provider_id):
                return Outcome(Status.SENT, now, attempts + 1, provider_id=provider_id)
            case Permanent(reason):
                return Outcome(Status.FAILED, now, attempts + 1, reason)
            case RateLimited(reason, seconds):
                return Outcome(Status.QUEUED, now, attempts, reason, not_before=later(now, seconds))
            case Retryable(reason) if attempts + 1 >= attempt_limit(self._lane):
                return Outcome(Status.FAILED, now, attempts + 1, f"given up: {reason}")
            case Retryable(reason):
                pause = retry_pause(self._lane, attempts + 1)
                return Outcome(Status.QUEUED, now, attempts + 1, reason, not_before=later(now, pause))

    def _finish(self) -> None:
        """Write what concerns the whole batch. Whoever it fails for comes again, and finds a final row."""
        after = self._after
        for (dispatch_id, chunk), statuses in after.letters.items():
            try:
                set_letters(dispatch_id, chunk, statuses)
            except DATABASE_ERRORS as error:
                logger.warning("progress not recorded", extra={"dispatch": dispatch_id, "error": str(error)})
                after.failures += after.lettered[(dispatch_id, chunk)]
        delivery_queue = settings.current().queues(self._lane).delivery
        refused = queues.send_all(delivery_queue, [outgoing for _, outgoing in after.hops])
        after.failures += [after.hops[index][0] for index in refused]
        if after.counts:
            self._count()

    def _count(self) -> None:
        try:
            activity.count(self._after.counts, self._clock())
        except DATABASE_ERRORS as error:
            logger.warning("activity not counted", extra={"error": str(error)})  # a statistic, no promise


def _remember_notifications(wanted: set[str]) -> None:
    missing = wanted - _notifications.keys()
    if not missing:
        return
    found = batch_get({Notification: missing}, consistent=True)[Notification]
    while len(_notifications) + len(found) > KEPT_NOTIFICATIONS and _notifications:
        oldest = next(iter(_notifications))
        if oldest in wanted:
            break
        del _notifications[oldest]
    _notifications.update({each.id: each for each in found})


def _letter(notification: Notification, dispatch: Dispatch, message: DeliveryMessage) -> Letter:
    configured = settings.current()
    link = security.sign_unsubscribe_link(
        security.read_secret(configured.link_secret), message.user_id, dispatch.type
    )
    return Letter(
        id=letter_id(message.dispatch_id, message.user_id),
        title=notification.title,
        text=notification.text,
        address=message.address,
        name=message.name,
        locale=message.locale if message.locale in settings.LOCALES else configured.default_locale,
        unsubscribe_url=f"{configured.public_url}/api/v1/unsubscribes/link/{link}/",
    )


def letter_id(dispatch_id: str, user_id: str) -> str:
    """One id for every sending of a dispatch to a user, so that a receiver can drop a second copy."""
    return hashlib.sha256(f"{dispatch_id}/{user_id}".encode()).hexdigest()[:32]
