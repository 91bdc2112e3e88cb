"""Hand over: what is pending of dispatches goes to their fan-out queues, and they lose their mark."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib import queues, settings
from chalicelib.domain.fanning import delay_until
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import FanOutMessage
from chalicelib.domain.times import later
from chalicelib.observability import logger
from chalicelib.services.naming import names_of
from chalicelib.tables.base import DATABASE_ERRORS, in_parallel
from chalicelib.tables.dispatches import Dispatch, unmark_pending

LOOKAHEAD_SECONDS = 120
"""So far ahead what is due is made ready, and waits in its queue for the very second. Twice what is between
two ticks: one that is late, or does not come, delays nothing."""


def is_near(due: datetime, now: datetime) -> bool:
    """Whether something is due so soon that its message can wait in the queue; else the tick comes for it."""
    return due <= later(now, LOOKAHEAD_SECONDS)


def hand_over(dispatches: Sequence[Dispatch], now: datetime) -> list[Dispatch]:
    """Send pending dispatches to fan out, none before it is due; those that were taken.

    Whatever fails leaves the mark, and so the dispatch to the sweep.
    """
    taken = [each for lane in Lane for each in _send([d for d in dispatches if d.lane is lane], lane, now)]
    if taken:
        Dispatch.table()  # connected before the threads start
        in_parallel(_unmark, taken)
    return taken


def log_handed_over(dispatches: Sequence[Dispatch]) -> None:
    """Tell of dispatches that have gone to fan out, where nothing else tells."""
    for dispatch in dispatches:
        logger.info("handed over", extra=names_of(dispatch))


def _send(dispatches: Sequence[Dispatch], lane: Lane, now: datetime) -> list[Dispatch]:
    messages = [(each, chunks) for each in dispatches for chunks in each.pending_chunks]
    outgoing = [
        queues.Outgoing(
            FanOutMessage(each.id, chunks, each.notification_id).dump(),
            each.author,
            delay_until(each.due, now),
        )
        for each, chunks in messages
    ]
    refused = queues.send_all(settings.current().queues(lane).fan_out, outgoing) if outgoing else []
    pending = {messages[index][0].id: messages[index][0] for index in refused}
    for dispatch in pending.values():
        logger.warning("dispatch stays pending", extra={**names_of(dispatch), "why": "queue"})
    return [each for each in dispatches if each.id not in pending]


def _unmark(dispatch: Dispatch) -> None:
    try:
        unmark_pending(dispatch)
    except DATABASE_ERRORS as error:
        # It is kept and on its way: to fail now would make the client post it again.
        logger.warning("dispatch stays pending", extra={**names_of(dispatch), "why": str(error)})
