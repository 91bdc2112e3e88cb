"""Recipients: from a dispatch, a chunk and a position to a row's identity."""

from datetime import timedelta

from chalicelib import settings
from chalicelib.domain.fanning import chunk_due
from chalicelib.domain.times import iso
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.users_notifications import Recipient


def recipient_of(dispatch: Dispatch, user_id: str, chunk: int, position: int) -> Recipient:
    """The identity of one recipient's row."""
    configured = settings.current()
    due = chunk_due(dispatch.due, chunk, configured.throttle_step_seconds)
    return Recipient(
        user_id=user_id,
        dispatch_id=dispatch.id,
        notification_id=dispatch.notification_id,
        chunk=chunk,
        position=position,
        due_at=iso(due),
        expires_at=int((due + timedelta(days=configured.row_retention_days)).timestamp()),
    )
