"""What the audit log has, but for the administrators that tests make."""

from typing import Any

from chalicelib.domain.times import utc_now
from chalicelib.services.audit import Filters, list_entries

BY_MANAGER = ("administrator:manager", "panel")
"""Who, and by what, in the panel's tests."""


def audited() -> list[tuple[tuple[str, str], str, str, str]]:
    """(who and by what), action, kind and about; oldest first."""
    found = list_entries(Filters(), None, 100, utc_now()).entries
    return [
        ((each.who, each.via), each.action, each.kind, each.about)
        for each in reversed(found)
        if each.kind != "administrator"
    ]


def audited_text() -> str:
    """Everything that entries say, as one text: to look for what they must not."""
    found: list[Any] = [
        each.attribute_values for each in list_entries(Filters(), None, 100, utc_now()).entries
    ]
    return str(found)
