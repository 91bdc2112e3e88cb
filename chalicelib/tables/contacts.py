"""Contacts: the embedded user directory."""

from pynamodb.attributes import UnicodeAttribute

from chalicelib.tables.base import Table


class Contact(Table):
    class Meta:
        table_name = ""

    table_variable = "CONTACTS_TABLE"

    user_id = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(null=True)
    email = UnicodeAttribute(null=True)
    chat_id = UnicodeAttribute(null=True)
    locale = UnicodeAttribute(null=True)
    time_zone = UnicodeAttribute(null=True)
