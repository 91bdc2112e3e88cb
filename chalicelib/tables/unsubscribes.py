"""Unsubscribes: a user's refusal, of everything (`*`) or of some channels."""

from collections.abc import Iterable

from pynamodb.attributes import UnicodeAttribute, UnicodeSetAttribute

from chalicelib.tables.base import Table, batch_get

EVERYTHING = "*"


class Unsubscribe(Table):
    class Meta:
        table_name = ""

    table_variable = "UNSUBSCRIBES_TABLE"

    user_id = UnicodeAttribute(hash_key=True)
    scopes = UnicodeSetAttribute(null=True)  # the last scope that is taken away takes the attribute along


def refuses(scopes: Iterable[str], channel: str) -> bool:
    """Whether somebody with these unsubscribed scopes wants nothing by a channel."""
    return EVERYTHING in scopes or channel in scopes


def unsubscribed_among(user_ids: Iterable[str], channel: str) -> set[str]:
    """Who of these users wants nothing by a channel; may lag a moment behind (deliver checks again)."""
    found = batch_get({Unsubscribe: user_ids}, consistent=False)[Unsubscribe]
    return {row.user_id for row in found if refuses(row.scopes or (), channel)}


def add_scope(user_id: str, scope: str) -> None:
    """Unsubscribe a user; done again it changes nothing."""
    Unsubscribe.change(user_id, actions=[Unsubscribe.scopes.add({scope})])
