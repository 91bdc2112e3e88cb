"""Failed rows: found by the mark of their dispatch, and made unsent when somebody wants them sent again."""

from collections.abc import Iterator
from datetime import datetime

from chalicelib.domain.lanes import Lane
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso
from chalicelib.tables.base import MAX_KEYS, ConditionFailedError
from chalicelib.tables.users_notifications import UsersNotification, failed_mark, read_rows, unsent_mark

REASON = "sent again by hand"


def failed_rows(dispatch_id: str) -> Iterator[UsersNotification]:
    """The failed rows of a dispatch, oldest failure first; read a hundred at once."""
    keys: list[tuple[str, str]] = []
    for key in UsersNotification.attention_index.query(failed_mark(dispatch_id), page_size=MAX_KEYS):
        keys.append((key.user_id, key.dispatch_id))
        if len(keys) == MAX_KEYS:
            yield from _still_failed(keys)
            keys.clear()
    yield from _still_failed(keys)


def _still_failed(keys: list[tuple[str, str]]) -> Iterator[UsersNotification]:
    rows = read_rows(keys)  # the index lags behind
    return (rows[key] for key in keys if key in rows and rows[key].state is Status.FAILED)


def reopen_failed(row: UsersNotification, lane: Lane, now: datetime, expires_at: int) -> bool:
    """A failed row becomes unsent, due now, with all attempts before it; False if it is not failed any more.

    The unsent mark holds it from this very write on: the sweep takes it from there.
    """
    model = UsersNotification
    actions = [
        model.status.set(Status.UNSENT),
        model.reason.set(REASON),
        model.attempts.set(0),
        model.due_at.set(iso(now)),
        model.updated_at.set(iso(now)),
        model.expires_at.set(expires_at),
        model.attention.set(unsent_mark(lane, row.user_id)),
        model.attention_at.set(iso(now)),
        model.sweeps.remove(),
        model.not_before.remove(),
        model.lease_owner.remove(),
    ]
    try:
        model.change(row.user_id, row.dispatch_id, actions=actions, condition=model.status == Status.FAILED)
    except ConditionFailedError as failure:
        # An echo finds what it wrote itself. So does another operator at the same moment: no matter.
        found = model.from_raw_data(failure.found)
        return found.state is Status.UNSENT and found.reason == REASON
    return True
