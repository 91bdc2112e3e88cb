"""Unsent rows: found by their mark, and changed on the condition that it is still the one that was read."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from pynamodb.expressions.update import Action

from chalicelib.domain.lanes import Lane, shard_keys
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso
from chalicelib.tables.base import ConditionFailedError
from chalicelib.tables.users_notifications import (
    Recipient,
    UsersNotification,
    brief,
    identity,
    mark_failed,
    read_rows,
    unsent_mark,
)

RowKey = tuple[str, str]
"""User and dispatch."""


@dataclass(frozen=True, order=True)
class UnsentMark:
    """What the index has of an unsent row: when it is tried next, and which it is."""

    next_at: str
    user_id: str
    dispatch_id: str


def unsent_marks(lane: Lane, limit: int) -> list[UnsentMark]:
    """The unsent rows of a lane that are tried next, also those whose time is still to come."""
    marks = [
        UnsentMark(key.attention_at, key.user_id, key.dispatch_id)
        for shard in shard_keys(lane)
        for key in UsersNotification.attention_index.query(f"unsent#{shard}", limit=limit)
    ]
    return sorted(marks)[:limit]


def keys_due(marks: Iterable[UnsentMark], due_before: datetime) -> list[RowKey]:
    """The rows of these marks whose next try has come."""
    return [(each.user_id, each.dispatch_id) for each in marks if each.next_at <= iso(due_before)]


def unsent_keys(lane: Lane, due_before: datetime, limit: int) -> list[RowKey]:
    """The rows under an unsent mark whose next try has come, oldest first."""
    return keys_due(unsent_marks(lane, limit), due_before)


def unsent_rows(keys: Sequence[RowKey]) -> list[UsersNotification]:
    """Those of these rows that still are under an unsent mark.

    Some may be final already: their run ended between the row and what follows from it.
    """
    rows = read_rows(keys)
    marked = (rows[key] for key in keys if key in rows)
    return [row for row in marked if row.attention and row.attention.startswith("unsent#")]


def hold_unsent(
    recipient: Recipient, address: str, reason: str, lane: Lane, at: datetime, now: datetime
) -> Status:
    """Have the unsent index hold a recipient whose message was refused, from a moment on; what then stands.

    That is not unsent if the recipient is final, or another is just sending to them.
    """
    model = UsersNotification
    try:
        model.change(
            recipient.user_id,
            recipient.dispatch_id,
            actions=[
                model.status.set(Status.UNSENT),
                model.reason.set(brief(reason)),
                model.address.set(address),
                model.attempts.set(model.attempts | 0),
                model.updated_at.set(iso(now)),
                model.attention.set(unsent_mark(lane, recipient.user_id)),
                model.attention_at.set(iso(at)),
                *identity(recipient),
            ],
            condition=model.user_id.does_not_exist() | (model.status == Status.QUEUED),
        )
    except ConditionFailedError as failure:
        return model.from_raw_data(failure.found).state
    return Status.UNSENT


def mark_requeued(row: UsersNotification, now: datetime) -> bool:
    """An unsent row's message is queued: clear the mark that was read; False if it has become another."""
    model = UsersNotification
    return _resolve_unsent(
        row,
        [
            model.status.set(Status.QUEUED),
            model.updated_at.set(iso(now)),
            model.reason.remove(),
            model.attention.remove(),
            model.attention_at.remove(),
        ],
        Status.QUEUED,
    )


def postpone_unsent(row: UsersNotification, until: datetime, reason: str) -> bool:
    """An unsent row's message was refused again: try it next at `until`; False if it has changed since."""
    model = UsersNotification
    return _resolve_unsent(
        row,
        [
            model.attention_at.set(iso(until)),
            model.sweeps.set((row.sweeps or 0) + 1),
            model.reason.set(brief(reason)),
        ],
    )


def finish_unsent(row: UsersNotification, status: Status, reason: str, now: datetime) -> bool:
    """An unsent row becomes final without being sent; False if it has changed since.

    The mark stays, so that the row is found again until `settle_finished` follows its progress letter.
    """
    model = UsersNotification
    return _resolve_unsent(
        row,
        [
            model.status.set(status),
            model.reason.set(brief(reason)),
            model.updated_at.set(iso(now)),
        ],
        status,
    )


def settle_finished(row: UsersNotification, status: Status, now: datetime) -> None:
    """Take away the unsent mark of a row that is final; a failed one is marked as such instead."""
    model = UsersNotification
    actions = (
        mark_failed(row.dispatch_id, now)
        if status is Status.FAILED
        else [model.attention.remove(), model.attention_at.remove()]
    )
    # The status too: whom an operator has sent again meanwhile has the same mark, and must keep it.
    condition = (model.attention == row.attention) & (model.status == status)
    with suppress(ConditionFailedError):  # its own echo, or another run has done it
        model.change(row.user_id, row.dispatch_id, actions=actions, condition=condition)


def _resolve_unsent(row: UsersNotification, actions: list[Action], becomes: Status | None = None) -> bool:
    model = UsersNotification
    try:
        model.change(
            row.user_id,
            row.dispatch_id,
            actions=actions,
            condition=(model.status == Status.UNSENT) & (model.attention_at == row.attention_at),
        )
    except ConditionFailedError as failure:
        # An echo finds what it wrote itself. So does another run that did the same: what follows is the same.
        return failure.item is not None and model.from_raw_data(failure.item).state is becomes
    return True
