"""Unsubscribe and subscribe again: by the user, by whoever manages users, and by the link in every mail."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib import security, settings
from chalicelib.channels import CHANNELS
from chalicelib.observability import logger
from chalicelib.services import audit
from chalicelib.services.cursors import page_of, read_place
from chalicelib.services.errors import ConflictError, InvalidFieldError, NotFoundError
from chalicelib.services.rights import Principal
from chalicelib.tables.unsubscribes import (
    EVERYTHING,
    Unsubscribe,
    add_scope,
    find,
    lift_tombstone,
    remove_scope,
    unsubscribes_page,
)


@dataclass(frozen=True)
class UnsubscribesPage:
    """Some refusals, the last changed first, and where the next ones begin."""

    unsubscribes: list[Unsubscribe]
    next_cursor: str | None


def read_link(token: str) -> tuple[str, str]:
    """(user id, scope) that a link speaks of; a link that this service did not sign is not found."""
    try:
        return security.read_link(settings.current().link_secret, token)
    except security.InvalidTokenError as error:
        raise NotFoundError(str(error)) from error


def unsubscribe_by_link(token: str, now: datetime) -> str:
    """Unsubscribe whom the link names from what it names; done again it changes nothing. The user's id."""
    user_id, scope = read_link(token)
    with audited("unsubscribed", user_id, who=f"user:{user_id}"):
        add_scope(user_id, scope, now)
    logger.info("unsubscribed", extra={"user": user_id, "scope": scope, "by": "link"})
    return user_id


def unsubscribe(user_id: str, channel: str | None, principal: Principal, now: datetime) -> Unsubscribe:
    """Unsubscribe a user from a channel, or (None) from everything; done again it changes nothing."""
    principal.check_is(user_id)
    with audited("unsubscribed", user_id):
        add_scope(user_id, _scope(channel), now)
    logger.info("unsubscribed", extra={"user": user_id, "scope": _scope(channel), "by": principal.author})
    return read(user_id, principal)


def subscribe(user_id: str, channel: str | None, principal: Principal, now: datetime) -> None:
    """Take a refusal back, of a channel or (None or *) of everything; done again it changes nothing.

    An erased user comes back by the second, once the erasure has ended: what was sent before stays erased.
    """
    principal.check_is(user_id)
    if channel == EVERYTHING:
        channel = None
    scope = channel if channel is None else _scope(channel)
    with audited("subscribed", user_id):
        if scope is None and not lift_tombstone(user_id, now):
            raise ConflictError("the user is just being erased; try again in a few minutes")
        remove_scope(user_id, scope, now)
    logger.info("subscribed", extra={"user": user_id, "scope": channel, "by": principal.author})


@contextmanager
def audited(action: str, user_id: str, who: str | None = None) -> Iterator[None]:
    """Have the audit log say what a user has refused before what is done within, and after it."""
    before = _told(user_id)
    yield
    audit.record(action, "unsubscribe", user_id, before=before, after=_told(user_id), who=who)


def _told(user_id: str) -> dict[str, Any]:
    found = find(user_id)
    return {"refuses": sorted(found.scopes or ()) if found else []}


def read(user_id: str, principal: Principal) -> Unsubscribe:
    """What a user refuses; NotFoundError for nothing."""
    principal.check_is(user_id)
    found = find(user_id)
    if found is None or not found.scopes:
        raise NotFoundError("the user refuses nothing")
    return found


def list_unsubscribes(cursor: str | None, limit: int) -> UnsubscribesPage:
    """Some refusals, the last changed first."""
    before = read_place(cursor)
    found, following = page_of(unsubscribes_page(before, limit + 1), limit)
    return UnsubscribesPage([row for row in found if row.scopes], following)


def _scope(channel: str | None) -> str:
    if channel is None or channel == EVERYTHING:
        return EVERYTHING
    if channel not in CHANNELS:
        raise InvalidFieldError("channel", f"unknown channel; there are: {', '.join(sorted(CHANNELS))}")
    return channel
