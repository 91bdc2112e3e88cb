"""Dead letters: what no worker could handle becomes a failure that everybody can see."""

import logging
from collections.abc import Sequence

from chalicelib import queues
from chalicelib.domain.fanning import CHUNK_SIZE, MAX_DELAY_SECONDS, delay_until
from chalicelib.domain.messages import DeliveryMessage, DueMessage, FanOutMessage
from chalicelib.domain.statuses import LETTERS, Status
from chalicelib.domain.times import Clock
from chalicelib.observability import DEAD_LETTER, logger, measure
from chalicelib.services.counting import count
from chalicelib.services.naming import dimensions_of
from chalicelib.services.recipients import (
    NotQueued,
    recipient_of,
    record_letters,
    record_not_queued,
    settle_cancelled,
)
from chalicelib.tables.audiences import read_chunk
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.unsubscribes import read_unsubscribes
from chalicelib.tables.users_notifications import Busy, Finished, fail_unless_held

REASON = "dead_letter"


def bury_delivery(message: DeliveryMessage, dead_queue_url: str, clock: Clock) -> None:
    """Mark one recipient failed; while somebody holds the row, look again when the lease has run out."""
    dispatch = _dispatch_of(message.dispatch_id)
    if dispatch is None:
        return
    if dispatch.is_cancelled:
        settle_cancelled(dispatch, message.chunk, {message.position: message.user_id})
        return
    if _erased(dispatch, [message.user_id]):
        record_letters(dispatch, message.chunk, {}, [message.position])
        return
    recipient = recipient_of(dispatch, message.user_id, message.chunk, message.position)
    match fail_unless_held(recipient, REASON, clock()):
        case Busy(until):
            delay = min(delay_until(until, clock()) + 1, MAX_DELAY_SECONDS)
            queues.send_or_raise(dead_queue_url, [queues.Outgoing(message.dump(), dispatch.author, delay)])
        case Finished(status):
            if status in LETTERS:
                record_letters(dispatch, message.chunk, {message.position: status})
        case None:
            record_letters(dispatch, message.chunk, {message.position: Status.FAILED})
            count(dispatch, {DEAD_LETTER: 1}, clock())
            measure(
                "recipient failed", {DEAD_LETTER: 1}, logging.ERROR,
                **dimensions_of(dispatch), user=message.user_id,
            )  # fmt: skip


def bury_fan_out(message: FanOutMessage, dead_queue_url: str, clock: Clock) -> None:
    """Mark every recipient of a chunk failed who has no row; a wider range is split first."""
    dispatch = _dispatch_of(message.dispatch_id)
    if dispatch is None:
        return
    if message.chunks.is_one_chunk:
        _bury_chunk(dispatch, message.chunks.first, clock)
        return
    parts = [
        FanOutMessage(dispatch.id, part, dispatch.notification_id).dump() for part in message.chunks.split()
    ]
    queues.send_or_raise(dead_queue_url, [queues.Outgoing(part, dispatch.author) for part in parts])


def bury_due(message: DueMessage) -> None:
    """Nothing is lost: whatever it names is due still, and each tick sends such a message anew."""
    logger.error(
        "due part failed",
        extra={"frequencies": message.frequencies, "dispatches": message.dispatches},
    )


def _bury_chunk(dispatch: Dispatch, chunk: int, clock: Clock) -> None:
    user_ids = read_chunk(dispatch.audience_id, chunk)
    if dispatch.is_cancelled:
        settle_cancelled(dispatch, chunk, dict(enumerate(user_ids or [])))
        return
    if user_ids is None:
        # Nobody knows any more who they were, but how many.
        failed = min(CHUNK_SIZE, int(dispatch.recipients) - chunk * CHUNK_SIZE)
        record_letters(dispatch, chunk, dict.fromkeys(range(failed), Status.FAILED))
    else:
        failed = _fail_without_row(dispatch, chunk, user_ids, clock)
    count(dispatch, {DEAD_LETTER: failed}, clock())
    measure(
        "chunk failed", {DEAD_LETTER: failed}, logging.ERROR,
        **dimensions_of(dispatch), chunk=chunk, is_kept=user_ids is not None,
    )  # fmt: skip


def _fail_without_row(dispatch: Dispatch, chunk: int, user_ids: Sequence[str], clock: Clock) -> int:
    """Mark failed who has no row; how many of the chunk are failed then."""
    erased = _erased(dispatch, user_ids)
    failed = [
        NotQueued(position, user_id, Status.FAILED, REASON)
        for position, user_id in enumerate(user_ids)
        if user_id not in erased
    ]
    positions = [position for position, user_id in enumerate(user_ids) if user_id in erased]
    standing = record_not_queued(dispatch, chunk, failed, positions, clock)
    return sum(status is Status.FAILED for status in standing.values())


def _erased(dispatch: Dispatch, user_ids: Sequence[str]) -> set[str]:
    found = read_unsubscribes(user_ids, consistent=True)
    return {user_id for user_id, row in found.items() if row.erases(dispatch.id)}


def _dispatch_of(dispatch_id: str) -> Dispatch | None:
    dispatch = Dispatch.one(dispatch_id, consistent=True)
    if dispatch is None:
        logger.error("dead letter of an unknown dispatch", extra={"dispatch": dispatch_id})
    return dispatch
