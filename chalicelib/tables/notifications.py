"""Notifications: what is said."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.tables.base import ConditionFailedError, Table, batch_get
from chalicelib.tables.listing import keys_page


class ByMonth(GlobalSecondaryIndex["Notification"]):
    class Meta:
        index_name = "by_month"
        projection = KeysOnlyProjection()

    month = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class ByAuthor(GlobalSecondaryIndex["Notification"]):
    class Meta:
        index_name = "by_author"
        projection = KeysOnlyProjection()

    author_month = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class Notification(Table):
    class Meta:
        table_name = ""

    table_variable = "NOTIFICATIONS_TABLE"

    id = UnicodeAttribute(hash_key=True)
    month = UnicodeAttribute()
    author_month = UnicodeAttribute(null=True)
    type = UnicodeAttribute()
    title = UnicodeAttribute()
    text = UnicodeAttribute()
    template = UnicodeAttribute(
        null=True
    )  # name@version; title and text are as it speaks to nobody in particular
    variables = JSONAttribute(null=True)  # what the template is filled in with
    content_id = UnicodeAttribute(null=True)
    is_express = BooleanAttribute()
    author = UnicodeAttribute()
    created_at = UnicodeAttribute()
    expires_at = NumberAttribute(null=True)  # none: a notification that recurs is kept
    dispatch_id = UnicodeAttribute(null=True)  # its first: the index of dispatches lags a moment behind
    frequency = UnicodeAttribute(null=True)  # the slug of the one that sends it, again and again

    by_month = ByMonth()
    by_author = ByAuthor()


def author_month(author: str, month: str) -> str:
    """Where an author's notifications of a month (2026-11) stand in their index."""
    return f"{author}#{month}"


def set_content(
    notification_id: str, title: str, text: str, variables: Mapping[str, Any] | None = None
) -> None:
    """Have a notification say something else, if it is there. Done again it is the same."""
    row = Notification
    actions = [row.title.set(title), row.text.set(text)]
    if variables is not None:
        actions.append(row.variables.set(variables))
    with suppress(ConditionFailedError):
        row.change(notification_id, actions=actions, condition=row.id.exists())


def let_notification_expire(notification_id: str, at: datetime) -> None:
    """Have a notification go at a time, if it is there. Done again it is the same."""
    with suppress(ConditionFailedError):
        Notification.change(
            notification_id,
            actions=[Notification.expires_at.set(int(at.timestamp()))],
            condition=Notification.id.exists(),
        )


def notifications_page(
    author: str | None, month: str, before: str | None, limit: int
) -> list[tuple[str, Notification | None]]:
    """Some of a month, of one author or of all, newest first: the ids, and what is there still."""
    index, key = (
        (Notification.by_author, author_month(author, month)) if author else (Notification.by_month, month)
    )
    ids = [entry.id for entry in keys_page(index, [key], before, limit, newest_first=True)]
    found = {row.id: row for row in batch_get({Notification: ids}, consistent=True)[Notification]}
    return [(each, found.get(each)) for each in ids]


def keep_notification(notification_id: str, until: int) -> None:
    """Keep a notification at least until then; one that is kept for good, or longer, stays so."""
    row = Notification
    with suppress(ConditionFailedError):  # its own echo, too
        row.change(notification_id, actions=[row.expires_at.set(until)], condition=row.expires_at < until)
