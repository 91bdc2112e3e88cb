"""Expiries: until when a dispatch is kept, and what it alone needs, by the settings."""

from datetime import datetime

from chalicelib import settings
from chalicelib.domain.retention import dispatch_expiry


def dispatch_kept_until(due: datetime, chunks: int) -> int:
    """Until when a dispatch that is due then, of so many chunks, is kept: in whole seconds."""
    configured = settings.current()
    return dispatch_expiry(due, chunks, configured.throttle_step_seconds, configured.retention_days)
