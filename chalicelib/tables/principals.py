"""Who may create notifications: administrators, and the applications that they registered."""

from pynamodb.attributes import BooleanAttribute, UnicodeAttribute

from chalicelib.tables.base import Table


class Administrator(Table):
    class Meta:
        table_name = ""

    table_variable = "ADMINS_TABLE"

    login = UnicodeAttribute(hash_key=True)
    password_hash = UnicodeAttribute()
    is_active = BooleanAttribute(default=True)
    created_at = UnicodeAttribute()


class Application(Table):
    class Meta:
        table_name = ""

    table_variable = "APPLICATIONS_TABLE"

    slug = UnicodeAttribute(hash_key=True)
    password_hash = UnicodeAttribute()
    is_active = BooleanAttribute(default=True)
    created_at = UnicodeAttribute()
