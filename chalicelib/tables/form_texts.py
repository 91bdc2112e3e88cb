"""Long texts of forms, for a while: in the table of audiences, where a form puts ids aside, too."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.tables.audiences import AudienceChunk, ByAuthor, Listed
from chalicelib.tables.base import Table

TEXT = -2
"""The place of a text: no chunk and no header has it."""


class FormText(Table):
    class Meta:
        table_name = ""

    table_variable = AudienceChunk.table_variable

    part = UnicodeAttribute(hash_key=True)
    chunk = NumberAttribute(range_key=True)
    text = UnicodeAttribute()
    expires_at = NumberAttribute()

    # No text stands in them. PynamoDB knows a table as the first of its models says it.
    by_author = ByAuthor()
    listed_index = Listed()


def write_text(name: str, text: str, expires_at: int) -> None:
    """Have a text under a name. Written again, it is kept longer."""
    FormText(_key(name), TEXT, text=text, expires_at=expires_at).put()


def read_text(name: str) -> FormText | None:
    """The text of a name, if there is one."""
    return FormText.one(_key(name), TEXT, consistent=True)


def _key(name: str) -> str:
    return f"text of a form#{name}"
