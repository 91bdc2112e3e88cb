"""Things to test with, whole and valid: a test names only what it is about."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chalicelib.channels.base import Letter
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage
from chalicelib.domain.times import iso
from chalicelib.services.rights import Principal
from chalicelib.services.submit import Submission
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.users_notifications import Recipient

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SHOP = Principal("application", "shop")

ENVIRONMENT = {
    "PUBLIC_URL": "https://vestnik.example",
    "THROTTLE_STEP_SECONDS": "60",
    "DEFAULT_LOCALE": "en",
    "UNSENT_EXPIRES_HOURS": "72",
    "UNSENT_PER_MINUTE": "5000",
    "RETENTION_DAYS": "30",
    "SMTP_HOST": "127.0.0.1",
    "SMTP_PORT": "2525",
    "SMTP_SECURITY": "none",
    "SMTP_TIMEOUT_SECONDS": "10",
    "MAIL_FROM": "Vestnik <news@vestnik.example>",
    "TOKEN_SECRET_ARN": "token",
    "LINK_SECRET_ARN": "link",
    "SMTP_SECRET_ARN": "smtp",
    "ACCESS_TOKEN_MINUTES": "15",
    "REFRESH_TOKEN_DAYS": "7",
    "PANEL_IDLE_MINUTES": "60",
    "PANEL_SESSION_HOURS": "12",
    "AUDIT_DAYS": "400",
    "CONSUMERS": "10 2 50 4 2 20 12",
    "LOGIN_ATTEMPTS_PER_LOGIN": "10",
    "LOGIN_ATTEMPTS_PER_SOURCE": "50",
    "RATE_LIMIT_PER_MINUTE": "600",
    "CORS_ORIGINS": "",
    "USER_TOKEN_SECRET_ARN": "user-token",
    "MAIL_BY": "smtp",
    "SES_CONFIGURATION_SET": "vestnik",
    "TELEGRAM_API_URL": "https://api.telegram.org",
    "WEBHOOK_NETWORKS": "",
    "CHANNEL_RATES": "",
    "EXPRESS_SHARE_PERCENT": "30",
    "CHANNELS_SECRET_ARN": "channels",
    "DIRECTORY": "table",
    "GET_USERS_INFO_HOST": "",
    "GET_USER_INFO_HOST": "",
    "PAGE_SIZE_FOR_NUMBERS_INFO_HOST": "100",
    "NUMBER_OF_TRIES_TO_GET_USERS": "3",
    "USERS_SERVICE_TIMEOUT_SECONDS": "3",
    "USER_AUTH": "key",
    "AUTH_HOST": "",
    "AUTH_JWKS_URL": "",
    "FAN_OUT_EXPRESS_QUEUE_URL": "https://sqs/fan-out-express",
    "FAN_OUT_REGULAR_QUEUE_URL": "https://sqs/fan-out-regular",
    "DELIVERY_EXPRESS_QUEUE_URL": "https://sqs/delivery-express",
    "DELIVERY_REGULAR_QUEUE_URL": "https://sqs/delivery-regular",
}
"""A complete set of settings, as a deployment's functions have it."""

_numbers = itertools.count(1)


def user_id(number: int) -> str:
    """The id of a user who is always the same for a number."""
    return str(UUID(int=number))


def user_ids(count: int) -> list[str]:
    """Ids of so many users."""
    return [user_id(number) for number in range(1, count + 1)]


def address_of(user: str) -> str:
    """Where `World.knows` has a user be reached."""
    return f"user-{UUID(user).int}@example.com"


def submission(named: Sequence[str] | None, /, **changes: Any) -> Submission:
    """What a client asks for. It names users, or an audience among the changes."""
    users = None if named is None else [UUID(user) for user in named]
    asked = Submission(type="mail", title="Title", text="Text", users=users)
    return replace(asked, **changes)


def dispatch(**changes: Any) -> Dispatch:
    """A dispatch of a mail to one recipient, due at START; not written."""
    number = next(_numbers)
    fields: dict[str, Any] = {
        "id": f"dispatch-{number}",
        "notification_id": f"notification-{number}",
        "audience_id": f"audience-{number}",
        "type": "mail",
        "author": SHOP.author,
        "is_express": False,
        "recipients": 1,
        "chunks": 1,
        "due_at": iso(START),
    }
    return Dispatch(**{**fields, **changes})


def recipient(**changes: Any) -> Recipient:
    """A recipient of a dispatch."""
    fields = Recipient(
        user_id=user_id(1),
        dispatch_id="dispatch",
        notification_id="notification",
        chunk=0,
        position=0,
        due_at=iso(START),
        expires_at=int(START.timestamp()) + 30 * 86_400,
    )
    return replace(fields, **changes)


def delivery(dispatch_id: str = "dispatch", user: str | None = None, **changes: Any) -> DeliveryMessage:
    """A message to one recipient."""
    user = user or user_id(1)
    message = DeliveryMessage(dispatch_id, user, chunk=0, position=0, address=address_of(user))
    return replace(message, **changes)


def letter(**changes: Any) -> Letter:
    """A letter, ready to be rendered."""
    fields = Letter(
        id="0123456789abcdef0123456789abcdef",
        title="A new film",
        text="It is out today.\n\nCome and see.",
        address="anna@example.com",
        name="Anna",
        locale="en",
        unsubscribe_url="https://vestnik.example/api/v1/unsubscribes/link/" + "x" * 48 + "/",
    )
    return replace(fields, **changes)


BOTH_LANES = tuple(Lane)
