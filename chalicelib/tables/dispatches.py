"""Dispatches: one sending of one notification to one audience."""

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.domain.fanning import ChunkRange, joined
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
    """Sparse: the dispatches of which some fan-out message may not be in its queue."""

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
    send_at = UnicodeAttribute(null=True)  # when a client wants it sent, if not at once
    pending = UnicodeAttribute(null=True)
    # The ranges of chunks that are pending, if not all are; each with a mark of its own (`take_back`).
    waiting = UnicodeSetAttribute(null=True)
    cancelled_at = UnicodeAttribute(null=True)
    expires_at = NumberAttribute(null=True)

    # Of a run of a frequency: its slug, the version that the run belongs to, its moment in the schedule, and
    # until when the runs are that this one stands for: it was late, and others had been missed.
    frequency = UnicodeAttribute(null=True)
    frequency_version = NumberAttribute(null=True)
    run_at = UnicodeAttribute(null=True)
    covers_until = UnicodeAttribute(null=True)

    by_notification = ByNotification()
    pending_index = Pending()

    @property
    def lane(self) -> Lane:
        return Lane.of(self.is_express)

    @property
    def due(self) -> datetime:
        return parse(self.due_at)

    @property
    def pending_chunks(self) -> list[ChunkRange]:
        """What the pending mark stands for: the chunks that have to be sent to fan out."""
        if not self.waiting:
            return [ChunkRange(0, int(self.chunks))]
        return joined(ChunkRange.parse(each.partition(" ")[0]) for each in self.waiting)

    @property
    def is_cancelled(self) -> bool:
        return self.cancelled_at is not None


def add_pending(dispatch: Dispatch) -> Dispatch:
    """Write a dispatch with its pending mark, unless it is there; what stands there then.

    Its own echo finds what it wrote itself, with the mark, and so is told the same as the first.
    """
    dispatch.pending = shard_key(dispatch.lane, dispatch.id)
    try:
        dispatch.put(condition=Dispatch.id.does_not_exist())
    except ConditionFailedError as failure:
        return Dispatch.from_raw_data(failure.found)
    return dispatch


def put_off_to(dispatch: Dispatch, send_at: datetime, expires_at: int, now: datetime) -> bool:
    """Have a dispatch that is not due yet sent at another time; False if it is due, cancelled or changed.

    It is pending from now on, even if it was in the queue already: what comes early from there looks again.
    """
    row = Dispatch
    try:
        row.change(
            dispatch.id,
            actions=[
                row.due_at.set(iso(send_at)),
                row.send_at.set(iso(send_at)),
                row.pending.set(shard_key(dispatch.lane, dispatch.id)),
                row.waiting.remove(),
                row.expires_at.set(expires_at),
            ],
            condition=(row.due_at == dispatch.due_at)
            & (row.due_at > iso(now))
            & row.cancelled_at.does_not_exist(),
        )
    except ConditionFailedError as failure:
        found = Dispatch.from_raw_data(failure.item) if failure.item else None
        return found is not None and found.due_at == iso(send_at) and not found.is_cancelled  # its own echo
    return True


def keep_dispatch(dispatch_id: str, until: int) -> None:
    """Keep a dispatch at least until then; one that is kept for good, or longer, stays so."""
    row = Dispatch
    with suppress(ConditionFailedError):  # its own echo, too
        row.change(dispatch_id, actions=[row.expires_at.set(until)], condition=row.expires_at < until)


def set_free(dispatch_id: str) -> None:
    """Have a run of a frequency stand for itself, whatever becomes of the frequency."""
    row = Dispatch
    with suppress(ConditionFailedError):
        row.change(dispatch_id, actions=[row.frequency.remove()], condition=row.id.exists())


def take_back(dispatch: Dispatch, ranges: Iterable[ChunkRange]) -> None:
    """Have the pending mark hold chunks whose fan-out messages the queue did not take.

    No two times are alike: whoever removes what was held before must not remove this, though its chunks are
    the same.
    """
    row, mark = Dispatch, os.urandom(4).hex()
    row.change(
        dispatch.id,
        actions=[
            row.waiting.add({f"{each} {mark}" for each in joined(ranges)}),
            row.pending.set(shard_key(dispatch.lane, dispatch.id)),
        ],
        condition=row.id.exists(),
    )


def make_due_at(dispatch: Dispatch, due: datetime, expires_at: int) -> bool:
    """Have a pending dispatch that is late be due anew; False if it is pending no more, or was changed."""
    row = Dispatch
    try:
        row.change(
            dispatch.id,
            actions=[row.due_at.set(iso(due)), row.expires_at.set(expires_at)],
            condition=row.pending.exists() & (row.due_at == dispatch.due_at),
        )
    except ConditionFailedError as failure:
        found = Dispatch.from_raw_data(failure.item) if failure.item else None
        if found is None or found.due_at != iso(due):  # else it is its own echo
            return False
    dispatch.due_at = iso(due)
    return True


def unmark_pending(dispatch: Dispatch) -> None:
    """Remove the pending mark that was read: its fan-out messages are in the queue.

    What has been put off since, or taken back, keeps it.
    """
    row = Dispatch
    same = row.waiting == dispatch.waiting if dispatch.waiting else row.waiting.does_not_exist()
    with suppress(ConditionFailedError):
        row.change(
            dispatch.id,
            actions=[row.pending.remove(), row.waiting.remove()],
            condition=row.id.exists() & (row.due_at == dispatch.due_at) & same,
        )


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


def pending_between(lane: Lane, after: datetime, until: datetime, limit: int) -> list[str]:
    """The ids of pending dispatches that become due in a span of time, at most so many of each shard."""
    span = Pending.due_at.between(iso(after), iso(until))
    return [
        key.id for shard in shard_keys(lane) for key in Dispatch.pending_index.query(shard, span, limit=limit)
    ]


def read_dispatches(dispatch_ids: Iterable[str]) -> dict[str, Dispatch]:
    """The dispatches of these ids that there are, read consistently."""
    found = batch_get({Dispatch: dispatch_ids}, consistent=True)[Dispatch]
    return {dispatch.id: dispatch for dispatch in found}


def dispatches_of(
    notification_id: str, first_id: str | None, before: str | None, limit: int
) -> list[Dispatch]:
    """Some dispatches of a notification, newest first: those before an id, if one is given.

    Its first is named, since the index may lag behind.
    """
    condition = ByNotification.id < before if before else None
    found = Dispatch.by_notification.query(notification_id, condition, scan_index_forward=False, limit=limit)
    ids = [key.id for key in found]
    if first_id and first_id not in ids and (before is None or first_id < before):
        ids = sorted([*ids, first_id], reverse=True)[:limit]
    dispatches = read_dispatches(ids)
    return [dispatches[each] for each in ids if each in dispatches]
