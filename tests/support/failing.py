"""Recipients who have failed, while time passes."""

from collections.abc import Sequence

from chalicelib.domain.times import iso, later, utc_now
from chalicelib.services.send_again import SETTLED_AFTER_SECONDS
from tests.support.deployment import Deployment, Person


def two_minutes_have_passed(vestnik: Deployment, dispatch_id: str, persons: Sequence[Person]) -> None:
    """Have these recipients of a dispatch failed so long ago that they can be sent to again."""
    earlier = later(utc_now(), -SETTLED_AFTER_SECONDS - 1)
    for person in persons:
        row = vestnik.row("USERS_NOTIFICATIONS_TABLE", user_id=person.user_id, dispatch_id=dispatch_id)
        assert row is not None
        vestnik.put("USERS_NOTIFICATIONS_TABLE", {**row, "attention_at": iso(earlier)})
