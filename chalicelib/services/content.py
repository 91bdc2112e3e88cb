"""What a notification says, whoever has it sent: at once, or by a frequency."""

from dataclasses import dataclass
from datetime import datetime

from chalicelib.channels import CHANNELS
from chalicelib.domain.times import iso
from chalicelib.services.errors import InvalidFieldError
from chalicelib.tables.notifications import Notification, author_month


@dataclass(frozen=True)
class Content:
    """What is said, and by which channel."""

    type: str
    title: str
    text: str
    is_express: bool = False
    content_id: str | None = None


def check_content(type_: str, title: str, text: str) -> None:
    """InvalidFieldError for what its channel does not take."""
    channel = CHANNELS.get(type_)
    if channel is None:
        raise InvalidFieldError("type", f"unknown channel; there are: {', '.join(sorted(CHANNELS))}")
    if channel.length(title) > channel.limits.title:
        raise InvalidFieldError("title", f"at most {channel.limits.title} characters by {channel.name}")
    if channel.length(text) > channel.limits.text:
        raise InvalidFieldError("text", f"at most {channel.limits.text} characters by {channel.name}")


def content_of(notification: Notification) -> Content:
    """What a notification says."""
    return Content(
        notification.type,
        notification.title,
        notification.text,
        notification.is_express,
        notification.content_id,
    )


def new_notification(content: Content, notification_id: str, author: str, at: datetime) -> Notification:
    """The row of a notification that says this; not written, and not dispatched."""
    created_at = iso(at)
    return Notification(
        notification_id,
        month=created_at[:7],
        author_month=author_month(author, created_at[:7]),
        type=content.type,
        title=content.title,
        text=content.text,
        content_id=content.content_id,
        is_express=content.is_express,
        author=author,
        created_at=created_at,
    )
