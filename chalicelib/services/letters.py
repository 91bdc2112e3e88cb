"""From a notification and a delivery message to the letter that a channel sends."""

import hashlib

from chalicelib import security, settings
from chalicelib.channels.base import Letter, NotReadyError
from chalicelib.domain.messages import DeliveryMessage
from chalicelib.tables.base import batch_get
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.notifications import Notification

KEPT_NOTIFICATIONS = 32
"""Notifications a warm function remembers: they never change, and a dispatch reads the same one each time."""

_notifications: dict[str, Notification] = {}


def remember_notifications(wanted: set[str]) -> None:
    """Have these notifications at hand."""
    missing = wanted - _notifications.keys()
    if not missing:
        return
    found = batch_get({Notification: missing}, consistent=True)[Notification]
    room = max(KEPT_NOTIFICATIONS - len(found), 0)
    for old in [each for each in _notifications if each not in wanted][: max(len(_notifications) - room, 0)]:
        del _notifications[old]
    _notifications.update({each.id: each for each in found})


def write_letter(dispatch: Dispatch, message: DeliveryMessage, attempt: int) -> Letter:
    """The letter to one recipient, to whom there were so many attempts.

    NotReadyError or SecretUnavailableError when it cannot be written now; RenderingError or
    UnknownTemplateError when its template is not what it was when it was accepted.
    """
    configured = settings.current()
    if not configured.public_url:
        raise NotReadyError("PUBLIC_URL is empty, and every letter carries a link")
    notification = _notifications[dispatch.notification_id]
    link = security.sign_unsubscribe_link(
        security.read_secret(configured.link_secret), message.user_id, dispatch.type
    )
    locale = message.locale if message.locale in settings.LOCALES else configured.default_locale
    title, text, html = _said(notification, message, locale)
    return Letter(
        id=letter_id(message.dispatch_id, message.user_id),
        title=title,
        text=text,
        html=html,
        address=message.address,
        name=message.name,
        locale=locale,
        unsubscribe_url=f"{configured.public_url}/api/v1/unsubscribes/link/{link}/",
        notification_id=notification.id,
        dispatch_id=message.dispatch_id,
        user_id=message.user_id,
        content_id=notification.content_id,
        attempt=attempt,
    )


def _said(notification: Notification, message: DeliveryMessage, locale: str) -> tuple[str, str, str | None]:
    """(title, text, markup) for a recipient."""
    if not notification.template:
        return notification.title, notification.text, None
    from chalicelib.templating import catalogue, rendering

    template = catalogue.shipped().find(notification.template)
    recipient = rendering.Recipient(message.name, locale, message.time_zone)
    said = rendering.render(template, notification.type, notification.variables or {}, recipient)
    return said.title, said.text, said.html


def letter_id(dispatch_id: str, user_id: str) -> str:
    """One id for every sending of a dispatch to a user, so that a receiver can drop a second copy."""
    return hashlib.sha256(f"{dispatch_id}/{user_id}".encode()).hexdigest()[:32]
