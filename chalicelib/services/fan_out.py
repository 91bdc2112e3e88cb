"""Fan out: a range of chunks of a dispatch becomes delivery messages; only exceptions become rows.

A chunk may be worked twice, or by two at once: who has no row is queued, and the claim decides who sends.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib import queues, settings
from chalicelib.channels import CHANNELS
from chalicelib.directory import DirectoryUnavailableError, Person
from chalicelib.directory.choice import directory
from chalicelib.domain.backoff import retry_pause
from chalicelib.domain.fanning import ChunkRange, chunk_due, delay_until, hop_delay
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage, FanOutMessage
from chalicelib.domain.statuses import Status, WhyUnsent
from chalicelib.domain.times import Clock
from chalicelib.observability import QUEUED, UNSENT, UNSUBSCRIBED, WRONG_CONTACT, about, logger, measure
from chalicelib.services.addressing import delivery_to, suppressed_of
from chalicelib.services.counting import count
from chalicelib.services.errors import MissingError
from chalicelib.services.hand_over import is_near
from chalicelib.services.naming import dimensions_of, names_of
from chalicelib.services.recipients import NotQueued, record_not_queued, settle_cancelled
from chalicelib.services.stopping import cancel_if_stopped
from chalicelib.tables.audiences import read_chunk
from chalicelib.tables.base import is_outage
from chalicelib.tables.dispatches import Dispatch, take_back
from chalicelib.tables.unsubscribes import read_unsubscribes

METRIC_OF = {
    Status.UNSUBSCRIBED: UNSUBSCRIBED,
    Status.WRONG_CONTACT: WRONG_CONTACT,
    Status.UNSENT: UNSENT,
}
"""As what those are counted for whom there is no message."""


def fan_out(message: FanOutMessage, lane: Lane, group: str, clock: Clock) -> None:
    """Work, split or put off one fan-out message of a tenant. Raises when it must come again."""
    try:
        _fan_out(message, lane, clock)
    except Exception as error:
        if not is_outage(error):
            raise
        # What has been done can be done again: an outage must not lead to the dead letters.
        logger.warning("put off", extra={"error": str(error)})
        delay = round(retry_pause(lane, 1))
        queues.send_or_raise(
            settings.current().queues(lane).fan_out, [queues.Outgoing(message.dump(), group, delay)]
        )


def _fan_out(message: FanOutMessage, lane: Lane, clock: Clock) -> None:
    dispatch = Dispatch.one(message.dispatch_id, consistent=True)
    if dispatch is None:
        raise MissingError(f"dispatch {message.dispatch_id}")
    with about(**names_of(dispatch)):  # a message of an earlier version does not say which notification
        _fan_out_dispatch(dispatch, message, lane, clock)


def _fan_out_dispatch(dispatch: Dispatch, message: FanOutMessage, lane: Lane, clock: Clock) -> None:
    if cancel_if_stopped(dispatch, clock()):
        _end_cancelled(dispatch, message)
        return
    if dispatch.pending and not is_near(dispatch.due, clock()):
        return  # it was put off since, and its mark holds it until then
    if _hop_delay(dispatch, message.chunks, clock):
        _send_on(lane, dispatch, [message.chunks], clock)
    elif message.chunks.is_one_chunk:
        _work_chunk(dispatch, message.chunks.first, lane, clock)
    else:
        _send_on(lane, dispatch, message.chunks.split(), clock)


def _end_cancelled(dispatch: Dispatch, message: FanOutMessage) -> None:
    chunk = message.chunks.first
    if message.chunks.is_one_chunk and (user_ids := read_chunk(dispatch.audience_id, chunk)):
        settle_cancelled(dispatch, chunk, dict(enumerate(user_ids)))


def _hop_delay(dispatch: Dispatch, chunks: ChunkRange, clock: Clock) -> int:
    step = settings.current().throttle_step_seconds
    return hop_delay(chunk_due(dispatch.due, chunks.first, step), clock())


def _send_on(lane: Lane, dispatch: Dispatch, parts: Sequence[ChunkRange], clock: Clock) -> None:
    """Send chunks back to the queue; those that it does not take become pending, and the sweep sends them."""
    outgoing = [
        queues.Outgoing(
            FanOutMessage(dispatch.id, part, dispatch.notification_id).dump(),
            dispatch.author,
            _hop_delay(dispatch, part, clock),
        )
        for part in parts
    ]
    refused = queues.send_all(settings.current().queues(lane).fan_out, outgoing)
    if refused:
        logger.warning("taken back", extra={"parts": len(refused)})
        take_back(dispatch, [parts[index] for index in refused])


def _work_chunk(dispatch: Dispatch, chunk: int, lane: Lane, clock: Clock) -> None:
    user_ids = read_chunk(dispatch.audience_id, chunk)
    if user_ids is None:
        raise MissingError(f"chunk {chunk} of audience {dispatch.audience_id}")
    sorted_out = _sort_out(dispatch, chunk, user_ids)
    exceptions = sorted_out.exceptions + _send(dispatch, chunk, sorted_out.deliveries, lane, clock)
    record_not_queued(dispatch, chunk, exceptions, sorted_out.erased, clock)
    figures = Counter(METRIC_OF[each.status] for each in exceptions)
    count(dispatch, figures, clock())
    figures[QUEUED] = len(user_ids) - len(exceptions) - len(sorted_out.erased)
    measure("fanned out", figures, **dimensions_of(dispatch), chunk=chunk, erased=len(sorted_out.erased))


@dataclass(frozen=True)
class _SortedOut:
    """The recipients of a chunk: who is sent to, who gets a row and why, and the positions of the erased."""

    deliveries: list[DeliveryMessage] = field(default_factory=list)
    exceptions: list[NotQueued] = field(default_factory=list)
    erased: list[int] = field(default_factory=list)


def _sort_out(dispatch: Dispatch, chunk: int, user_ids: Sequence[str]) -> _SortedOut:
    channel = CHANNELS[dispatch.type]
    # It may lag a moment behind: deliver checks again, and what is erased is erased a second time.
    unsubscribes = read_unsubscribes(user_ids, consistent=False)
    erased = {user_id for user_id, row in unsubscribes.items() if row.erases(dispatch.id)}
    refusing = {user_id for user_id, row in unsubscribes.items() if row.refuses(dispatch.type)} - erased
    people: Mapping[str, Person] | None
    try:
        people = directory().people(
            [each for each in user_ids if each not in refusing | erased], channel.contact_field
        )
    except DirectoryUnavailableError as error:
        logger.warning("directory unavailable", extra={"error": str(error)})
        people = None
    suppressed = suppressed_of(dispatch.type, people.values()) if people else {}
    found = _SortedOut()
    for position, user_id in enumerate(user_ids):
        if user_id in erased:
            found.erased.append(position)
            continue
        if user_id in refusing:
            found.exceptions.append(NotQueued(position, user_id, Status.UNSUBSCRIBED, "unsubscribed"))
            continue
        if people is None:
            found.exceptions.append(NotQueued(position, user_id, Status.UNSENT, WhyUnsent.DIRECTORY))
            continue
        delivery = delivery_to(people.get(user_id), dispatch, user_id, chunk, position, suppressed)
        if isinstance(delivery, str):
            found.exceptions.append(NotQueued(position, user_id, Status.WRONG_CONTACT, delivery))
        else:
            found.deliveries.append(delivery)
    return found


def _send(
    dispatch: Dispatch, chunk: int, deliveries: Sequence[DeliveryMessage], lane: Lane, clock: Clock
) -> list[NotQueued]:
    configured = settings.current()
    due = chunk_due(dispatch.due, chunk, configured.throttle_step_seconds)
    delay = delay_until(due, clock())
    refused = queues.send_all(
        configured.queues(lane).delivery,
        [queues.Outgoing(each.dump(), dispatch.author, delay) for each in deliveries],
    )
    return [
        NotQueued(each.position, each.user_id, Status.UNSENT, WhyUnsent.QUEUE, each.address)
        for each in (deliveries[index] for index in refused)
    ]
