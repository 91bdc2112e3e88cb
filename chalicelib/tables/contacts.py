"""Contacts: the embedded user directory."""

from collections.abc import Mapping
from typing import Any

from pynamodb.attributes import JSONAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.tables.base import Table


class ByChat(GlobalSecondaryIndex["Contact"]):
    """Sparse: whose chat it is."""

    class Meta:
        index_name = "by_chat"
        projection = KeysOnlyProjection()

    chat_id = UnicodeAttribute(hash_key=True)


class Contact(Table):
    """A user as the directory knows them.

    The addresses of mail and Telegram have attributes of their own; those of other channels are in `others`.
    """

    class Meta:
        table_name = ""

    table_variable = "CONTACTS_TABLE"

    user_id = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(null=True)
    email = UnicodeAttribute(null=True)
    chat_id = UnicodeAttribute(null=True)
    others = JSONAttribute(null=True)
    locale = UnicodeAttribute(null=True)
    time_zone = UnicodeAttribute(null=True)

    by_chat = ByChat()

    def address(self, field: str) -> str | None:
        """Where the user is reached by the channel that reads this field."""
        found = getattr(self, field) if field in OWN_ATTRIBUTES else (self.others or {}).get(field)
        return str(found) if found else None


OWN_ATTRIBUTES = frozenset({"email", "chat_id"})


def contact_of(user_id: str, addresses: Mapping[str, str | None], **known: Any) -> Contact:
    """The row of a contact that has these addresses, each by its field; not written."""
    own: dict[str, Any] = {field: each for field, each in addresses.items() if field in OWN_ATTRIBUTES}
    others = {field: each for field, each in addresses.items() if each and field not in OWN_ATTRIBUTES}
    return Contact(user_id, **own, others=others or None, **known)


def users_of_chat(chat_id: str, limit: int) -> list[str]:
    """Who is reached in a chat, so many at most; a contact that was written just now may be missing."""
    return [each.user_id for each in Contact.by_chat.query(chat_id, limit=limit)]
