"""Unsubscribe by the link that every mail carries."""

from datetime import datetime

from chalicelib import security, settings
from chalicelib.observability import logger
from chalicelib.services.errors import NotFoundError
from chalicelib.tables.unsubscribes import add_scope


def read_link(token: str) -> tuple[str, str]:
    """(user id, scope) that a link speaks of; a link that this service did not sign is not found."""
    try:
        secret = security.read_secret(settings.current().link_secret)
        return security.read_unsubscribe_link(secret, token)
    except security.InvalidTokenError as error:
        raise NotFoundError(str(error)) from error


def unsubscribe_by_link(token: str, now: datetime) -> str:
    """Unsubscribe whom the link names from what it names; done again it changes nothing. The user's id."""
    user_id, scope = read_link(token)
    add_scope(user_id, scope, now)
    logger.info("unsubscribed", extra={"user": user_id, "scope": scope, "by": "link"})
    return user_id
