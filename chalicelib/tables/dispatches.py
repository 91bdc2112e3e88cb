"""Dispatches: one sending of one notification to one audience."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.domain.lanes import Lane, shard_key, shard_keys
from chalicelib.domain.times import iso, parse
from chalicelib.tables.base import ConditionFailedError, Table, batch_get


class ByNotification(GlobalSecondaryIndex["Dispatch"]):
    class Meta:
        index_name = "by_notification"
        projection = KeysOnlyProjection()

    notification_id = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class Pending(GlobalSecondaryIndex["Dispatch"]):
    """Sparse: the dispatches whose fan-out message may not have been sent."""

    class Meta:
        index_name = "pending"
        projection = KeysOnlyProjection()

    pending = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class Dispatch(Table):
    class Meta:
        table_name = ""

    table_variable = "DISPATCHES_TABLE"

    id = UnicodeAttribute(hash_key=True)
    notification_id = UnicodeAttribute()
    audience_id = UnicodeAttribute()
    type = UnicodeAttribute()
    author = UnicodeAttribute()
    is_express = BooleanAttribute()
    recipients = NumberAttribute()
    chunks = NumberAttribute()
    due_at = UnicodeAttribute()
    pending = UnicodeAttribute(null=True)
    cancelled_at = UnicodeAttribute(null=True)
    expires_at = NumberAttribute(null=True)

    by_notification = ByNotification()
    pending_index = Pending()

    @property
    def lane(self) -> Lane:
        return Lane.of(self.is_express)

    @property
    def due(self) -> datetime:
        return parse(self.due_at)

    @property
    def is_cancelled(self) -> bool:
        return self.cancelled_at is not None


def add_pending(dispatch: Dispatch) -> bool:
    """Write a dispatch with its pending mark, unless it is there. False when it is there and already sent.

    Its own echo finds the mark that it wrote itself, and so is told True like the first.
    """
    dispatch.pending = shard_key(dispatch.lane, dispatch.id)
    try:
        dispatch.put(condition=Dispatch.id.does_not_exist())
    except ConditionFailedError as failure:
        return failure.item is None or "pending" in failure.item
    return True


def keep_dispatch(dispatch_id: str, until: int) -> None:
    """Keep a dispatch at least until then; one that is kept for good, or longer, stays so."""
    row = Dispatch
    with suppress(ConditionFailedError):  # its own echo, too
        row.change(dispatch_id, actions=[row.expires_at.set(until)], condition=row.expires_at < until)


def unmark_pending(dispatch_id: str) -> None:
    """Remove the pending mark: its fan-out message is in the queue."""
    Dispatch.change(dispatch_id, actions=[Dispatch.pending.remove()], condition=Dispatch.id.exists())


def cancel_dispatch(dispatch_id: str, now: datetime) -> None:
    """Mark a dispatch cancelled, unless it is so already; its pending mark stays, and is swept as ever."""
    row = Dispatch
    with suppress(ConditionFailedError):  # its own echo, or another has just done it
        row.change(
            dispatch_id,
            actions=[row.cancelled_at.set(iso(now))],
            condition=row.id.exists() & row.cancelled_at.does_not_exist(),
        )


def pending_since(lane: Lane, due_before: datetime, limit: int) -> list[Dispatch]:
    """Dispatches still marked pending though they were due before a moment, oldest first."""
    found = [
        (key.due_at, key.id)
        for shard in shard_keys(lane)
        for key in Dispatch.pending_index.query(shard, Pending.due_at <= iso(due_before), limit=limit)
    ]
    oldest = [dispatch_id for _, dispatch_id in sorted(found)[:limit]]
    dispatches = read_dispatches(oldest)
    return [dispatches[each] for each in oldest if each in dispatches and dispatches[each].pending]


def read_dispatches(dispatch_ids: Iterable[str]) -> dict[str, Dispatch]:
    """The dispatches of these ids that there are, read consistently."""
    found = batch_get({Dispatch: dispatch_ids}, consistent=True)[Dispatch]
    return {dispatch.id: dispatch for dispatch in found}


def dispatches_of(notification_id: str, first_id: str | None) -> list[Dispatch]:
    """All dispatches of a notification, oldest first; the first is named, since the index may lag behind."""
    ids = {key.id for key in Dispatch.by_notification.query(notification_id)}
    if first_id:
        ids.add(first_id)
    dispatches = read_dispatches(ids)
    return [dispatches[each] for each in sorted(dispatches)]
