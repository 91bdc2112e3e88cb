"""Notifications of any channel, end to end: contacts by the API, what is posted, and what became of it."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.statuses import Status
from chalicelib.services.suppressing import FILTER_KEPT_SECONDS
from chalicelib.tables.suppressions import suppression_id
from tests.support.deployment import COLD_SECONDS, Deployment, Sent
from tests.support.waiting import wait_until

TITLE, TEXT = "News", "There is something new."


def new_user(vestnik: Deployment, manager: str, **contact: str) -> str:
    """A user whom nobody knew, with this contact; their id. `manager` is an Authorization header."""
    user_id = str(uuid.uuid4())
    vestnik.ask("PUT", f"/api/v1/contacts/{user_id}/", contact, manager)
    return user_id


def post(vestnik: Deployment, channel: str, users: Sequence[str], *, express: bool = True) -> Sent:
    """A notification to these users by a channel."""
    made = vestnik.ask(
        "POST", "/api/v1/notifications/",
        {"type": channel, "title": TITLE, "text": TEXT, "is_express": express, "users": list(users)},
    )  # fmt: skip
    return Sent(made["id"], made["dispatch_id"], made["recipients"])


def row_of(vestnik: Deployment, sent: Sent, user_id: str) -> Mapping[str, Any] | None:
    """A recipient's row."""
    return vestnik.row("USERS_NOTIFICATIONS_TABLE", user_id=user_id, dispatch_id=sent.dispatch_id)


def row_with(
    vestnik: Deployment, sent: Sent, user_id: str, timeout: float = COLD_SECONDS, **fields: Any
) -> Mapping[str, Any]:
    """A recipient's row, as soon as these of its fields are so."""

    def as_wanted() -> Mapping[str, Any] | None:
        row = row_of(vestnik, sent, user_id)
        return row if row and all(row.get(name) == value for name, value in fields.items()) else None

    row = wait_until(as_wanted, timeout, f"{fields} of {user_id}")
    assert row is not None
    return row


def wait_until_suppressed(vestnik: Deployment, channel: str, address: str) -> str:
    """Wait until nothing is sent to an address any more; the reason."""
    row = wait_until(
        lambda: vestnik.row("SUPPRESSIONS_TABLE", id=suppression_id(channel, address)),
        COLD_SECONDS, f"{address} is suppressed",
    )  # fmt: skip
    assert row is not None
    return str(row["reason"])


def wrong_contact(vestnik: Deployment, channel: str, user_id: str) -> Sent:
    """A notification whose recipient is a wrong contact: functions know of a suppression a little later."""
    found: list[Sent] = []

    def is_known() -> bool:
        found.append(post(vestnik, channel, [user_id]))
        wait_until(lambda: ends(row_of(vestnik, found[-1], user_id)), COLD_SECONDS, "an end")
        return vestnik.counts(found[-1])["wrong_contact"] == 1

    wait_until(is_known, 2 * FILTER_KEPT_SECONDS, f"{user_id} is suppressed")
    return found[-1]


def ends(row: Mapping[str, Any] | None) -> bool:
    """Whether nothing follows any more."""
    return row is not None and Status(row["status"]).is_terminal
