"""Audiences that clients make: in parts, completed once, then named by notifications and frequencies."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from chalicelib.domain.fanning import chunk_count
from chalicelib.domain.ids import new_id
from chalicelib.domain.retention import LONGEST_AHEAD, is_kept
from chalicelib.domain.times import later, parse
from chalicelib.observability import logger
from chalicelib.services import audit
from chalicelib.services.cursors import page_of, read_place
from chalicelib.services.errors import ConflictError, InvalidFieldError, NotFoundError
from chalicelib.services.expiries import dispatch_kept_until
from chalicelib.services.rights import Principal
from chalicelib.tables.audience_headers import (
    Audience,
    AudienceState,
    add_header,
    add_use,
    end_completing,
    headers_page,
    new_audience,
    new_passing_audience,
    read_header,
    remove_header,
    start_deleting,
)
from chalicelib.tables.audiences import (
    ID_BYTES,
    let_expire,
    write_packed,
)
from chalicelib.tables.base import ConditionFailedError
from chalicelib.tables.frequencies import read_frequencies

OPEN_KEPT = timedelta(days=30)
"""So long after it was made an audience has to be complete; else it is gone."""
PASSING_KEPT = timedelta(days=2)
"""So long one that holds the ids of a form, for a preview and what is done with it then."""

SETTLED_AFTER_SECONDS = 60
"""Longer than any request runs: whoever began something before has ended by then."""


def create(name: str | None, principal: Principal, now: datetime, *, is_passing: bool = False) -> Audience:
    """An audience without anybody, open for parts. A passing one is in no list, and soon gone."""
    make = new_passing_audience if is_passing else new_audience
    audience = make(new_id(now), principal.author, name, now)
    audience.expires_at = int((now + (PASSING_KEPT if is_passing else OPEN_KEPT)).timestamp())
    add_header(audience)
    logger.info("audience made", extra={"audience": audience.id, "author": audience.owner})
    record("made", audience, after={"name": name})
    return audience


def record(
    action: str,
    audience: Audience,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down what has been done to an audience; a passing one changes nothing for anybody."""
    if not audience.is_passing:
        audit.record(action, "audience", audience.id, before, after)


def visible(audience_id: str, principal: Principal, now: datetime) -> Audience:
    """An audience as this principal may see it. Another application's is not found."""
    audience = read_header(audience_id, now)
    if audience is None or not principal.may_see(audience.owner):
        raise NotFoundError("there is no such audience")
    return audience


def usable(audience_id: str, principal: Principal, now: datetime) -> Audience:
    """A complete audience that this principal may send to; InvalidFieldError says why not."""
    try:
        audience = visible(audience_id, principal, now)
    except NotFoundError as error:
        raise InvalidFieldError("audience_id", str(error)) from error
    if audience.state != AudienceState.COMPLETE:
        raise InvalidFieldError("audience_id", f"the audience is {audience.state}, and must be complete")
    return audience


def listed(
    principal: Principal,
    author: str | None,
    cursor: str | None,
    limit: int,
    now: datetime,
    *,
    newest_first: bool = False,
) -> tuple[list[Audience], str | None]:
    """Some audiences, oldest first or newest, and the cursor of the next ones.

    An application sees its own; an administrator those of an author, or of all.
    """
    after = read_place(cursor)
    author = author if principal.is_administrator else principal.author
    rows = headers_page(author, after, limit + 1, newest_first=newest_first)
    found, following = page_of(rows, limit)
    return [audience for audience in found if is_kept(audience.expires_at, now)], following


def make_whole(name: str, users: Sequence[UUID], author: str, now: datetime) -> Audience:
    """A complete audience at once. If it breaks off, what there is of it is listed and can be deleted."""
    packed = b"".join(dict.fromkeys(user.bytes for user in users))
    audience = new_audience(new_id(now), author, name, now)
    audience.state, audience.users = AudienceState.COMPLETING, len(packed) // ID_BYTES
    add_header(audience)
    write_packed(audience.id, packed, expires_at=None)
    return end_completing(audience.id, int(audience.users), now)


def delete(audience_id: str, principal: Principal, now: datetime) -> None:
    """Delete an audience that no frequency uses. What was dispatched to it goes on: its ids stay a while."""
    audience = visible(audience_id, principal, now)
    if reason := end(audience_id, now):
        raise ConflictError(reason)
    record("deleted", audience, before={"name": audience.name})


def end(audience_id: str, now: datetime) -> str | None:
    """Delete an audience, or say why it has to stay. Run again after a failure, it goes on."""
    while audience := read_header(audience_id, now):
        if used_by := frequencies_of(audience, now):
            return f"the audience is used by the frequency {', '.join(used_by)}"
        is_fresh = parse(audience.changed_at) > later(now, -SETTLED_AFTER_SECONDS)
        if audience.state == AudienceState.COMPLETING and is_fresh:
            return "the audience is just being completed: try again in a minute"
        with suppress(ConditionFailedError):  # it has changed since: look again
            start_deleting(audience, now)
            if audience.state != AudienceState.OPEN:
                chunks = chunk_count(int(audience.recipients or audience.users))
                # What was posted to it may be sent as late as that.
                let_expire(audience.id, chunks, kept_until(chunks, now + LONGEST_AHEAD))
            remove_header(audience.id)
            logger.info("audience deleted", extra={"audience": audience.id})
            break
    return None


def kept_until(chunks: int, now: datetime) -> datetime:
    """When no dispatch that was made before needs its ids any more, nor anybody who looks at it."""
    return datetime.fromtimestamp(dispatch_kept_until(now, chunks), UTC)


def frequencies_of(audience: Audience, now: datetime) -> list[str]:
    """The slugs of the frequencies that need an audience.

    A mark that its frequency does not have is left over from a request that broke off, unless it is fresh.
    """
    marks = {mark: mark.split(" ") for mark in audience.used_by or ()}
    found = read_frequencies({slug for slug, _, _ in marks.values()})
    settled = later(now, -SETTLED_AFTER_SECONDS).timestamp()
    return sorted(
        {
            slug
            for mark, (slug, since, _) in marks.items()
            if int(since) > settled or ((row := found.get(slug)) and row.audience_use == mark)
        }
    )


def use(audience: Audience, slug: str, now: datetime) -> str:
    """Have a frequency need an audience from now on; the mark, which the frequency has to keep."""
    mark = f"{slug} {int(now.timestamp())} {os.urandom(4).hex()}"
    try:
        add_use(audience.id, mark)
    except ConditionFailedError as failure:
        raise InvalidFieldError("audience_id", "the audience is being deleted") from failure
    return mark
