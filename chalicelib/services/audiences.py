"""Audiences that clients make: in parts, completed once, then named by notifications and frequencies."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chalicelib.domain.fanning import chunk_count
from chalicelib.domain.ids import new_id
from chalicelib.domain.retention import LONGEST_AHEAD, is_kept
from chalicelib.domain.times import later, parse
from chalicelib.observability import logger
from chalicelib.services import audit
from chalicelib.services.cursors import page_of, read_place
from chalicelib.services.errors import ConflictError, InvalidFieldError, NotFoundError, TooManyError
from chalicelib.services.expiries import dispatch_kept_until
from chalicelib.services.rights import Principal
from chalicelib.tables.audience_headers import (
    MAX_RECIPIENTS,
    PASSING,
    Audience,
    AudienceState,
    Part,
    add_header,
    add_use,
    end_completing,
    headers_page,
    new_audience,
    read_header,
    remove_header,
    set_part,
    set_parts,
    start_completing,
    start_deleting,
)
from chalicelib.tables.audiences import (
    ID_BYTES,
    ChunksMissingError,
    ids_in,
    let_expire,
    read_packed,
    write_packed,
)
from chalicelib.tables.base import ConditionFailedError
from chalicelib.tables.frequencies import read_frequencies

MAX_PARTS = 100
MAX_PART_USERS = 100_000

OPEN_KEPT = timedelta(days=30)
"""So long after it was made an audience has to be complete; else it is gone."""
PASSING_KEPT = timedelta(days=2)
"""So long one that holds the ids of a form, for a preview and what is done with it then."""
PARTS_OUTLIVE = timedelta(days=1)
"""What an open audience consists of expires after it, never before."""

SETTLED_AFTER_SECONDS = 60
"""Longer than any request runs: whoever began something before has ended by then."""


def create(name: str | None, principal: Principal, now: datetime, *, is_passing: bool = False) -> Audience:
    """An audience without anybody, open for parts. A passing one is in no list of all, and soon gone."""
    audience = new_audience(new_id(now), principal.author, name, now)
    audience.expires_at = int((now + (PASSING_KEPT if is_passing else OPEN_KEPT)).timestamp())
    if is_passing:
        audience.listed = PASSING
    add_header(audience)
    logger.info("audience made", extra={"audience": audience.id, "author": audience.author})
    audit.record("made", "audience", audience.id, after={"name": name})
    return audience


def visible(audience_id: str, principal: Principal, now: datetime) -> Audience:
    """An audience as this principal may see it. Another application's is not found."""
    audience = read_header(audience_id, now)
    if audience is None or not principal.may_see(audience.author):
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
    """Some audiences, oldest first, and the cursor of the next ones.

    An application sees its own; an administrator those of an author, or of all.
    """
    after = read_place(cursor)
    author = author if principal.is_administrator else principal.author
    rows = headers_page(author, after, limit + 1, newest_first=newest_first)
    found, following = page_of(rows, limit)
    return [audience for audience in found if is_kept(audience.expires_at, now)], following


def put_part(
    audience_id: str, number: int, user_ids: Iterable[bytes], principal: Principal, now: datetime
) -> Audience:
    """Have these users (16 bytes each) as a part of an open audience, in the place of what it was before."""
    part, packed = _packed(number, user_ids)
    audience = visible(audience_id, principal, now)
    while audience.by_number.get(number) != part:
        _check_room(audience, part)
        write_packed(audience.key_of(part), packed, _parts_kept_until(audience))
        try:
            audience = set_part(audience, part)
            audit.record("part put", "audience", audience_id, after={"part": number, "users": part.users})
        except ConditionFailedError:
            # The part, or another, has become different since it was read: look whether there is still room.
            audience = visible(audience_id, principal, now)
    return audience


def stage_part(
    audience_id: str, parts: int, user_ids: Iterable[bytes], principal: Principal, now: datetime
) -> Part:
    """Have the ids of a part of a file, one of so many, lie ready for `add_parts`: nobody is in it yet."""
    part, packed = _packed(0, user_ids, is_staged=True)
    audience = visible(audience_id, principal, now)
    _check_open(audience)
    if parts > MAX_PARTS - len(audience.by_number):
        raise TooManyError(f"an audience has at most {MAX_PARTS} parts: {len(audience.by_number)} are there")
    write_packed(audience.key_of(part), packed, _parts_kept_until(audience))
    return part


def add_parts(audience_id: str, staged: Sequence[Part], principal: Principal, now: datetime) -> Audience:
    """Have all staged parts of a file in an open audience, or none, in the place of nothing.

    What was added before, by a request whose answer was lost, is not added twice.
    """
    if not staged:
        raise InvalidFieldError("users", "at least one user is needed")
    audience = visible(audience_id, principal, now)
    while True:
        there = {(each.users, each.hash) for each in audience.by_number.values() if each.is_staged}
        more = [each for each in dict.fromkeys(staged) if (each.users, each.hash) not in there]
        if not more:
            return audience
        _check_open(audience)
        free = [number for number in range(1, MAX_PARTS + 1) if number not in audience.by_number]
        if len(more) > len(free):
            raise TooManyError(
                f"an audience has at most {MAX_PARTS} parts: {len(audience.by_number)} are there"
            )
        added = [replace(each, number=number) for each, number in zip(more, free, strict=False)]
        users = sum(each.users for each in added)
        _check_users(int(audience.users) + users)
        try:
            audience = set_parts(audience, added)
        except ConditionFailedError:
            # Another has added a part, or completed it, since it was read: behind that, if there is room.
            audience = visible(audience_id, principal, now)
        else:
            told = {"parts": len(added), "users": users}
            audit.record("part put", "audience", audience_id, after=told)
            return audience


def users_of_parts(audience: Audience) -> list[UUID]:
    """The users of an audience that may still be open, each once."""
    return [UUID(bytes=each) for each in _in_parts(audience)]


def _packed(number: int, user_ids: Iterable[bytes], *, is_staged: bool = False) -> tuple[Part, bytes]:
    packed = b"".join(dict.fromkeys(user_ids))
    digest = hashlib.sha256(packed).hexdigest()[:32]
    part = Part(number, len(packed) // ID_BYTES, digest, is_staged)
    if not part.users:
        raise InvalidFieldError("users", "at least one user is needed")
    if part.users > MAX_PART_USERS:
        raise TooManyError(f"users: at most {MAX_PART_USERS} in one part")
    return part, packed


def _parts_kept_until(audience: Audience) -> datetime:
    until = audience.expires_at
    end = datetime.fromtimestamp(int(until), UTC) if until else parse(audience.created_at) + OPEN_KEPT
    return end + PARTS_OUTLIVE


def _check_room(audience: Audience, part: Part) -> None:
    _check_open(audience)
    before = audience.by_number.get(part.number)
    _check_users(int(audience.users) - (before.users if before else 0) + part.users)


def _check_open(audience: Audience) -> None:
    if audience.state != AudienceState.OPEN:
        raise ConflictError(f"the audience is {audience.state}: its parts cannot be changed any more")


def _check_users(users: int) -> None:
    if users > MAX_RECIPIENTS:
        raise TooManyError(f"an audience has at most {MAX_RECIPIENTS} users; with this part it had {users}")


def complete(audience_id: str, principal: Principal, now: datetime) -> Audience:
    """Have each user of all parts once, where dispatches read them. Run again after a failure, it goes on."""
    audience = visible(audience_id, principal, now)
    if audience.state == AudienceState.COMPLETE:
        return audience
    if not audience.by_number:
        raise ConflictError("the audience has no part yet")
    try:
        audience = start_completing(audience_id, now)
    except ConditionFailedError as failure:
        return _completed_by_another(failure)
    recipients = _write_whole(audience)
    try:
        audience = end_completing(audience_id, recipients, now)
    except ConditionFailedError as failure:
        return _completed_by_another(failure)
    logger.info("audience complete", extra={"audience": audience.id, "recipients": recipients})
    audit.record("completed", "audience", audience_id, after={"recipients": recipients})
    return audience


def _completed_by_another(failure: ConditionFailedError) -> Audience:
    found = Audience.from_raw_data(failure.item) if failure.item else None
    if found is None:
        raise NotFoundError("there is no such audience") from failure
    if found.state != AudienceState.COMPLETE:
        raise ConflictError(f"the audience is {found.state}") from failure
    return found


def _write_whole(audience: Audience) -> int:
    seen = _in_parts(audience)
    write_packed(audience.id, b"".join(seen), expires_at=None)
    return len(seen)


def _in_parts(audience: Audience) -> dict[bytes, None]:
    seen: dict[bytes, None] = {}
    for part in audience.by_number.values():
        try:
            packed = read_packed(audience.key_of(part), part.chunks)
        except ChunksMissingError as error:
            raise ConflictError(
                f"part {part.number} has expired: delete this audience and make another"
            ) from error
        seen.update(dict.fromkeys(ids_in(packed)))  # the first place of each counts
    return seen


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
    audit.record("deleted", "audience", audience_id, before={"name": audience.name})


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
