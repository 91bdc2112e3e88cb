"""Notifications: what is said."""

from pynamodb.attributes import BooleanAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.tables.base import Table


class ByMonth(GlobalSecondaryIndex["Notification"]):
    class Meta:
        index_name = "by_month"
        projection = KeysOnlyProjection()

    month = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class Notification(Table):
    class Meta:
        table_name = ""

    table_variable = "NOTIFICATIONS_TABLE"

    id = UnicodeAttribute(hash_key=True)
    month = UnicodeAttribute()
    type = UnicodeAttribute()
    title = UnicodeAttribute()
    text = UnicodeAttribute()
    content_id = UnicodeAttribute(null=True)
    is_express = BooleanAttribute()
    author = UnicodeAttribute()
    created_at = UnicodeAttribute()
    dispatch_id = UnicodeAttribute(null=True)  # its first: the index of dispatches lags a moment behind

    by_month = ByMonth()
