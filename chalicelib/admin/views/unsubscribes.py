"""Unsubscribes: who refuses what; somebody is unsubscribed here, and subscribed again."""

from uuid import UUID

from chalice.app import Response

from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import Visit
from chalicelib.channels import CHANNELS
from chalicelib.services import unsubscribing
from chalicelib.services.errors import InvalidFieldError, NotFoundError
from chalicelib.services.rights import Access
from chalicelib.tables.unsubscribes import Unsubscribe

section = Section("unsubscribes")

PAGE = 25
NO_USER = "Not a user id: a UUID is needed."


@section.page("/unsubscribes", access=Access.MANAGE)
def show_list(visit: Visit) -> Response:
    """Who refuses anything, the last changed first; with a user's id, that one."""
    if wanted := visit.query.get("user", "").strip():
        try:
            return visit.go("unsubscribes", str(UUID(wanted)))
        except ValueError:
            visit.errors["user"] = visit.say(NO_USER)
    page = unsubscribing.list_unsubscribes(visit.query.get("cursor"), PAGE)
    return visit.show("unsubscribes/list.html", page=page, channels=_channels())


@section.action("/unsubscribes", access=Access.MANAGE, again=show_list)
def unsubscribe(visit: Visit) -> Response:
    """Unsubscribe a user from a channel, or from everything."""
    try:
        user_id = str(UUID(visit.form.text("user_id")))
    except ValueError as error:
        raise InvalidFieldError("user_id", NO_USER) from error
    unsubscribing.unsubscribe(user_id, visit.form.text("channel") or None, visit.principal, visit.now)
    return visit.go("unsubscribes", user_id, done="unsubscribed")


@section.page("/unsubscribes/{user_id}", access=Access.MANAGE)
def show_one(visit: Visit, user_id: UUID) -> Response:
    """What a user refuses."""
    found = _found(visit, str(user_id))
    return visit.show("unsubscribes/one.html", user_id=str(user_id), refused=found, channels=_channels(found))


@section.action("/unsubscribes/{user_id}/subscribe", access=Access.MANAGE, again=show_one)
def subscribe(visit: Visit, user_id: UUID) -> Response:
    """Subscribe a user again, to a channel or to everything."""
    channel = visit.form.text("channel") or None
    unsubscribing.subscribe(str(user_id), channel, visit.principal, visit.now)
    return visit.go("unsubscribes", str(user_id), done="subscribed")


def _found(visit: Visit, user_id: str) -> Unsubscribe | None:
    try:
        return unsubscribing.read(user_id, visit.principal)
    except NotFoundError:
        return None


def _channels(refused: Unsubscribe | None = None) -> list[tuple[str, str]]:
    """What can still be refused."""
    return [(each, each) for each in sorted(CHANNELS) if refused is None or not refused.refuses(each)]
