"""Requests: which ids were chosen for an Idempotency-Key, so that a repeat goes on with them."""

from dataclasses import dataclass
from datetime import datetime

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.tables.base import ConditionFailedError, Table


class Request(Table):
    class Meta:
        table_name = ""

    table_variable = "REQUESTS_TABLE"

    key = UnicodeAttribute(hash_key=True)
    body_hash = UnicodeAttribute()
    notification_id = UnicodeAttribute()
    audience_id = UnicodeAttribute()
    dispatch_id = UnicodeAttribute()
    created_at = UnicodeAttribute()
    expires_at = NumberAttribute()


@dataclass(frozen=True)
class Remembered:
    """What stands under a key: ours, or that of the request which this one repeats."""

    request: Request
    is_repeat: bool


def remember(request: Request, now: datetime) -> Remembered:
    """Write a request's record, or find the one that is there. Its own echo finds its own ids: no matter."""
    expired = Request.expires_at <= int(now.timestamp())
    try:
        request.put(condition=Request.key.does_not_exist() | expired)
    except ConditionFailedError as failure:
        found = Request.from_raw_data(failure.found)
        return Remembered(found, is_repeat=found.notification_id != request.notification_id)
    return Remembered(request, is_repeat=False)
