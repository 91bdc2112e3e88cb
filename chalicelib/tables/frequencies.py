"""Notification frequencies: what recurs."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.tables.base import Table


class Due(GlobalSecondaryIndex["Frequency"]):
    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    due = UnicodeAttribute(hash_key=True)
    next_run_at = UnicodeAttribute(range_key=True)


class Frequency(Table):
    class Meta:
        table_name = ""

    table_variable = "FREQUENCIES_TABLE"

    slug = UnicodeAttribute(hash_key=True)
    version = NumberAttribute()
    due = UnicodeAttribute(null=True)
    next_run_at = UnicodeAttribute(null=True)

    due_index = Due()
