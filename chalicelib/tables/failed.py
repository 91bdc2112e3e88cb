"""Failed rows: found by the mark of their dispatch, and made unsent when somebody wants them sent again."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from chalicelib.domain.lanes import Lane
from chalicelib.domain.statuses import Status, WhyUnsent
from chalicelib.domain.times import iso
from chalicelib.tables.base import MAX_KEYS, ConditionFailedError
from chalicelib.tables.users_notifications import (
    Attention,
    UsersNotification,
    failed_mark,
    read_rows,
    unsent_mark,
)


def failed_rows(dispatch_id: str, failed_before: datetime) -> Iterator[UsersNotification]:
    """Rows of a dispatch that failed before a moment, oldest failure first; read a hundred at once."""
    keys: list[tuple[str, str]] = []
    for key in UsersNotification.attention_index.query(
        failed_mark(dispatch_id), Attention.attention_at <= iso(failed_before), page_size=MAX_KEYS
    ):
        keys.append((key.user_id, key.dispatch_id))
        if len(keys) == MAX_KEYS:
            yield from still_failed(keys, failed_before)
            keys.clear()
    yield from still_failed(keys, failed_before)


def still_failed(keys: Sequence[tuple[str, str]], failed_before: datetime) -> Iterator[UsersNotification]:
    """Those of these (user, dispatch) rows that have failed before a moment, and have not been sent again."""
    rows = read_rows(keys)
    failed = (rows[key] for key in keys if key in rows and rows[key].state is Status.FAILED)
    return (row for row in failed if (row.attention_at or "") <= iso(failed_before))


def reopen_failed(row: UsersNotification, lane: Lane, now: datetime, expires_at: int) -> bool:
    """A failed row becomes unsent, due now, with all attempts before it; False if it is not failed any more.

    The unsent mark holds it from this very write on: the sweep takes it from there.
    """
    model = UsersNotification
    actions = [
        model.status.set(Status.UNSENT),
        model.reason.set(WhyUnsent.AGAIN),
        model.attempts.set(0),
        model.due_at.set(iso(now)),
        model.updated_at.set(iso(now)),
        model.expires_at.set(expires_at),
        model.attention.set(unsent_mark(lane, row.user_id)),
        model.attention_at.set(iso(now)),
        model.last_attempts.remove(),
        model.sweeps.remove(),
        model.not_before.remove(),
        model.lease_owner.remove(),
    ]
    try:
        model.change(row.user_id, row.dispatch_id, actions=actions, condition=model.status == Status.FAILED)
    except ConditionFailedError as failure:
        # An echo finds what it wrote itself. So does another operator at the same moment: no matter.
        if failure.item is None:
            return False  # its time to be kept was over
        found = model.from_raw_data(failure.item)
        return found.state is Status.UNSENT and found.reason == WhyUnsent.AGAIN
    return True
