"""Retention: until when the items of a dispatch are kept, as the whole seconds that TTL takes.

A row is kept RETENTION_DAYS from its own due time. What a row names (notification, dispatch, progress, the
audience that was made for it) is kept `LONGEST_IN_FLIGHT` beyond its last row: nothing on its way ever finds
that it is gone.
"""

from datetime import datetime, timedelta

from chalicelib.domain.fanning import chunk_due

LONGEST_IN_FLIGHT = timedelta(days=16)
"""An unsent row is tried for 14 days at most, who waits for a provider waits a day at most; and one more."""

LONGEST_AHEAD = timedelta(days=366)
"""So far ahead something can be posted that is to be sent at a time: a year, whichever it is."""


def row_expiry(due: datetime, retention_days: int) -> int:
    """Until when a row that is due then is kept."""
    return int((due + timedelta(days=retention_days)).timestamp())


def expiry_beside(row_expires_at: int) -> int:
    """Until when that is kept which a row names."""
    return row_expires_at + int(LONGEST_IN_FLIGHT.total_seconds())


def dispatch_expiry(due: datetime, chunks: int, step_seconds: int, retention_days: int) -> int:
    """Until when a dispatch is kept, and all that it alone needs: its last chunk is due later than it."""
    return expiry_beside(row_expiry(chunk_due(due, chunks - 1, step_seconds), retention_days))


def is_kept(expires_at: float | None, now: datetime) -> bool:
    """Whether an item still counts: TTL may take days to remove it."""
    return expires_at is None or expires_at > now.timestamp()
