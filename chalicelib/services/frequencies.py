"""Notification frequencies: made, changed, paused and deleted. What they send, the tick sends.

A frequency's row is written last and names the rest, so that what breaks off can be repeated. Each change is
a new version, written in the place of the one that was read.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chalicelib.domain.eras import first_era, next_era
from chalicelib.domain.fanning import chunk_count
from chalicelib.domain.ids import new_id
from chalicelib.domain.lanes import shard_key
from chalicelib.domain.times import iso
from chalicelib.observability import logger
from chalicelib.services import audience_parts, audiences, audit
from chalicelib.services.content import Content, checked, content_of, new_notification
from chalicelib.services.cursors import page_of, read_place
from chalicelib.services.errors import (
    AlreadyThereError,
    ConflictError,
    InvalidFieldError,
    NotFoundError,
    OutdatedError,
    TooManyError,
)
from chalicelib.services.frequency_times import (
    check_gap,
    schedule_of,
    set_first_run,
    set_next_run,
    set_timing,
)
from chalicelib.services.names import check_name
from chalicelib.services.rights import Principal
from chalicelib.services.tick import look_at
from chalicelib.tables.audience_headers import Audience, remove_uses
from chalicelib.tables.frequencies import (
    Frequency,
    add_frequency,
    frequencies_page,
    put_version,
    read_frequency,
    remove_frequency,
)
from chalicelib.tables.listing import listed_shard
from chalicelib.tables.notifications import Notification, let_notification_expire

MAX_USERS = audience_parts.MAX_PART_USERS

AUDITED = (
    "cron", "time_zone", "starts_at", "ends_at", "is_paused", "type", "title", "is_express",
    "notification_id", "audience_id",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What a request wants of a frequency. What it does not name stays as it is."""

    timing: Mapping[str, Any] = field(default_factory=dict)
    """period, cron, time_zone, starts_at, ends_at; None takes one away."""
    content: Content | None = None
    notification_id: str | None = None
    """In place of `content`: a notification to take it from."""
    users: Sequence[UUID] | None = None
    audience_id: str | None = None
    """In place of `users`."""
    is_paused: bool | None = None


@dataclass(frozen=True)
class FrequencyView:
    """A frequency, and what it sends."""

    frequency: Frequency
    content: Content


def create(slug: str, wanted: Wanted, principal: Principal, now: datetime) -> FrequencyView:
    """A new frequency. AlreadyThereError when there is one of that slug."""
    check_name("slug", slug)
    if read_frequency(slug) is not None:
        raise _taken(slug)
    if wanted.users is None and wanted.audience_id is None:
        raise InvalidFieldError("users", "exactly one of users and audience_id is needed")
    if wanted.content is None and wanted.notification_id is None:
        raise InvalidFieldError("notification", "exactly one of notification and notification_id is needed")
    version = int(now.timestamp() * 1000)
    row = Frequency(
        slug,
        listed=listed_shard(slug),
        author=principal.author,
        version=version,
        eras=first_era(version),
        changed_by=os.urandom(8).hex(),
        created_at=iso(now),
        updated_at=iso(now),
        time_zone="UTC",
        is_paused=bool(wanted.is_paused),
    )
    set_timing(row, wanted.timing)
    if not schedule_of(row).next_runs(now, 1):
        raise InvalidFieldError("ends_at", "it would never run before its end")
    set_first_run(row, now)
    content = _set_content_and_audience(row, wanted, principal, now)
    row.due = _due_key(row)
    if not add_frequency(row):
        _release(row, now)
        raise _taken(slug)
    logger.info("frequency made", extra={"frequency": slug, "author": row.author})
    audit.record("created", "frequency", slug, after=audited(row))
    look_at(row, now)
    return FrequencyView(row, content)


def audited(row: Frequency) -> dict[str, Any]:
    """What the audit log says of a frequency. Another text is another notification."""
    return {
        **{name: getattr(row, name) for name in AUDITED if getattr(row, name) is not None},
        **{
            name: int(value) for name in ("period", "recipients") if (value := getattr(row, name)) is not None
        },
    }


def _done(before: Frequency, after: Frequency) -> str:
    if before.is_paused == after.is_paused:
        return "changed"
    return "paused" if after.is_paused else "resumed"


def _due_key(row: Frequency) -> str | None:
    """Where it waits for its next run, if it has one."""
    return shard_key(row.lane, row.slug) if row.next_run_at else None


def _taken(slug: str) -> AlreadyThereError:
    return AlreadyThereError(f"there is a frequency {slug!r} already")


def visible(slug: str, principal: Principal) -> Frequency:
    """A frequency as this principal may see it. Another application's is not found."""
    row = read_frequency(slug)
    if row is None or not principal.may_see(row.author):
        raise NotFoundError("there is no such notification frequency")
    return row


def find(slug: str, principal: Principal) -> FrequencyView:
    """A frequency with all that belongs to it."""
    row = visible(slug, principal)
    return FrequencyView(row, _content_of(row))


def listed(
    principal: Principal, author: str | None, cursor: str | None, limit: int
) -> tuple[list[Frequency], str | None]:
    """Some frequencies by slug, and the cursor of the next ones.

    An application sees its own; an administrator those of an author, or of all.
    """
    after = read_place(cursor)
    author = author if principal.is_administrator else principal.author
    return page_of(frequencies_page(author, after, limit + 1), limit)


def change(
    slug: str, wanted: Wanted, principal: Principal, now: datetime, version: int | None = None
) -> FrequencyView:
    """Make the next version. OutdatedError unless it is `version` that is changed, where one is named."""
    row = visible(slug, principal)
    _check_version(row, version)
    if row.is_deleting:
        raise ConflictError("the frequency is being deleted")
    before = Frequency.from_raw_data(row.serialize())
    if wanted.timing:
        set_timing(row, wanted.timing)
    if wanted.is_paused is not None:
        row.is_paused = wanted.is_paused
    set_next_run(row, now, changed_timing=bool(wanted.timing))
    content = _set_content_and_audience(row, wanted, principal, now)
    if not _put_next(row, now):
        _release(row, now, unless=before)
        raise ConflictError("another request has changed the frequency at the same moment")
    _release(before, now, unless=row)
    logger.info("frequency changed", extra={"frequency": slug, "version": int(row.version)})
    audit.record(_done(before, row), "frequency", slug, before=audited(before), after=audited(row))
    look_at(row, now)
    return FrequencyView(row, content)


def delete(slug: str, principal: Principal, now: datetime, version: int | None = None) -> None:
    """It runs no more; then what is its own goes, and last itself. Run again after a failure, it goes on."""
    row = visible(slug, principal)
    if not row.is_deleting:  # else it goes on, whatever the version that breaking off has left
        _check_version(row, version)
        row.is_deleting = True
        set_next_run(row, now)
        if not _put_next(row, now):
            raise ConflictError("another request has changed the frequency at the same moment")
    _release(row, now)
    remove_frequency(row)
    logger.info("frequency deleted", extra={"frequency": slug})
    audit.record("deleted", "frequency", slug, before=audited(row))


def _check_version(row: Frequency, version: int | None) -> None:
    if version is not None and row.version != version:
        raise OutdatedError(f"the frequency has the version {int(row.version)} by now")


def _put_next(row: Frequency, now: datetime) -> bool:
    read = row.changed_by
    row.version, row.changed_by, row.updated_at = row.version + 1, os.urandom(8).hex(), iso(now)
    row.eras, row.due = next_era(row.eras, int(row.version), now, row.next_run_at), _due_key(row)
    return put_version(row, read)


def _set_content_and_audience(row: Frequency, wanted: Wanted, principal: Principal, now: datetime) -> Content:
    """Write what is wanted anew, and have the row name it. All is checked before anything is written."""
    content = _wanted_content(wanted, principal)
    audience = _wanted_audience(wanted, principal, now)
    users = list(dict.fromkeys(wanted.users or ()))
    if wanted.timing or users or audience is not None:
        check_gap(row, int(audience.recipients) if audience else len(users) or int(row.recipients), now)
    if users:
        audience = audiences.make_whole(f"frequency {row.slug}", users, row.author, now)
    if audience is not None:
        row.audience_id, row.recipients = audience.id, audience.recipients
        row.owns_audience = wanted.users is not None
        row.audience_use = audiences.use(audience, row.slug, now)
    if content is None:
        return _content_of(row)
    notification = new_notification(content, new_id(now), row.author, now)
    notification.frequency = row.slug
    notification.put()
    row.notification_id = notification.id
    row.type, row.title, row.is_express = content.type, content.title, content.is_express
    return content


def _wanted_audience(wanted: Wanted, principal: Principal, now: datetime) -> Audience | None:
    """The audience that is named; its ids, if those are, have been looked at and become one later."""
    if wanted.users is None:
        return (
            audiences.usable(wanted.audience_id, principal, now) if wanted.audience_id is not None else None
        )
    if wanted.audience_id is not None:
        raise InvalidFieldError("audience_id", "exactly one of users and audience_id is needed")
    if not wanted.users:
        raise InvalidFieldError("users", "at least one user is needed")
    if len(wanted.users) > MAX_USERS:
        raise TooManyError(f"users: at most {MAX_USERS} in one request; make an audience for more")
    return None


def _wanted_content(wanted: Wanted, principal: Principal) -> Content | None:
    if wanted.notification_id is None:
        return checked(wanted.content) if wanted.content is not None else None
    if wanted.content is not None:
        raise InvalidFieldError(
            "notification_id", "exactly one of notification and notification_id is needed"
        )
    found = Notification.one(wanted.notification_id, consistent=True)
    if found is None or not principal.may_see(found.author):
        raise InvalidFieldError("notification_id", "there is no such notification")
    return _taken_over(content_of(found))


def _taken_over(content: Content) -> Content:
    """What another notification says; a template has to be there still."""
    if content.template is None:
        return content
    try:
        return checked(replace(content, title="", text=""))
    except InvalidFieldError as error:
        raise InvalidFieldError("notification_id", f"it cannot be sent any more: {error}") from error


def _content_of(row: Frequency) -> Content:
    found = Notification.one(row.notification_id, consistent=True)
    if found is None:
        raise NotFoundError("the notification of this frequency is not kept any more")
    return content_of(found)


def _release(row: Frequency, now: datetime, unless: Frequency | None = None) -> None:
    """Let go what a version has and the one that stays (`unless`) has not. Done again it changes nothing."""
    if unless is None or unless.notification_id != row.notification_id:
        chunks = chunk_count(int(row.recipients))
        let_notification_expire(row.notification_id, audiences.kept_until(chunks, now))
    if unless is not None and unless.audience_use == row.audience_use:
        return
    remove_uses(row.audience_id, [row.audience_use])
    if row.owns_audience:
        audiences.end(row.audience_id, now)  # it stays if somebody has found another use for it
