"""What a notification says, whoever has it sent: at once, or by a frequency."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

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
    template: str | None = None
    """`name`, or `name@version`: title and text come from it."""
    variables: Mapping[str, Any] | None = None


def checked(content: Content) -> Content:
    """The content as it is kept; InvalidFieldError for what its channel does not take.

    Of a template it is the version of this moment, with title and text as for nobody in particular.
    """
    if content.template is not None:
        return filled_in(content.template, content)
    if content.variables is not None:
        raise InvalidFieldError("variables", "are for a template, and none is named")
    check_content(content.type, content.title, content.text)
    return content


def filled_in(template: str, content: Content) -> Content:
    """What a template says; InvalidFieldError when it cannot with these variables."""
    # Who sends no templates does not load what they need.
    from chalicelib.services.templates import for_nobody

    if content.title or content.text:
        raise InvalidFieldError("title" if content.title else "text", "is the template's to say")
    said = for_nobody(template, content.type, content.variables or {})
    return replace(
        content, title=said.title, text=said.text, template=said.template, variables=said.variables
    )


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
        notification.template,
        notification.variables,
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
        template=content.template,
        variables=dict(content.variables) if content.variables is not None else None,
        content_id=content.content_id,
        is_express=content.is_express,
        author=author,
        created_at=created_at,
    )
