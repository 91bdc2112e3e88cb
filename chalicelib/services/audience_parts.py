"""The parts of an audience: put, added from a file, and made into its whole."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chalicelib.domain.times import parse
from chalicelib.observability import logger
from chalicelib.services.audiences import OPEN_KEPT, record, visible
from chalicelib.services.errors import ConflictError, InvalidFieldError, NotFoundError, TooManyError
from chalicelib.services.rights import Principal
from chalicelib.tables.audience_headers import (
    MAX_RECIPIENTS,
    Audience,
    AudienceState,
    Part,
    end_completing,
    set_part,
    set_parts,
    start_completing,
)
from chalicelib.tables.audiences import ID_BYTES, ChunksMissingError, ids_in, read_packed, write_packed
from chalicelib.tables.base import ConditionFailedError

MAX_PARTS = 100
MAX_PART_USERS = 100_000

PARTS_OUTLIVE = timedelta(days=1)
"""What an open audience consists of expires after it, never before."""


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
            record("part put", audience, after={"part": number, "users": part.users})
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
            record("part put", audience, after={"parts": len(added), "users": users})
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
    record("completed", audience, after={"recipients": recipients})
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
