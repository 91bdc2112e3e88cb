"""Submit: take a notification in. After it returns, the notification is kept, whatever happens."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chalicelib.domain.fanning import chunk_count
from chalicelib.domain.ids import new_id
from chalicelib.domain.retention import is_kept
from chalicelib.domain.times import iso
from chalicelib.observability import ACCEPTED, DISPATCHES, about, measure
from chalicelib.services import audiences, audit, counting
from chalicelib.services.content import Content, checked, new_notification
from chalicelib.services.errors import ConflictingRepeatError, InvalidFieldError, TooManyError
from chalicelib.services.expiries import dispatch_kept_until
from chalicelib.services.hand_over import hand_over, is_near
from chalicelib.services.naming import dimensions_of
from chalicelib.services.rights import Principal
from chalicelib.services.send_times import check_send_at
from chalicelib.tables.audiences import write_audience
from chalicelib.tables.dispatches import Dispatch, add_pending
from chalicelib.tables.notifications import Notification
from chalicelib.tables.requests import Request, remember

MAX_USERS = 100_000
KEY_KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Submission:
    """What a client asks for: a notification to `users`, or to an audience.

    `key` is its Idempotency-Key, with the hash of the body that it came with.
    """

    type: str
    title: str
    text: str
    users: Sequence[UUID] | None = None
    audience_id: str | None = None
    is_express: bool = False
    content_id: str | None = None
    template: str | None = None
    """In place of title and text, which are empty then; with its `variables`."""
    variables: Mapping[str, Any] | None = None
    send_at: datetime | None = None
    key: str | None = None
    body_hash: str = ""

    @property
    def content(self) -> Content:
        """What is said."""
        return Content(
            self.type, self.title, self.text, self.is_express, self.content_id, self.template, self.variables
        )


@dataclass(frozen=True)
class Accepted:
    """What has been taken in; `is_repeat` when an earlier request had done so."""

    notification: Notification
    dispatch: Dispatch
    is_repeat: bool


@dataclass(frozen=True)
class _Ids:
    notification: str
    audience: str
    dispatch: str
    created_at: datetime
    is_repeat: bool = False


def submit(submission: Submission, principal: Principal, now: datetime) -> Accepted:
    """Check, write down, hand to fan out. Every write can be run again with the same ids."""
    content = checked(_pinned(submission, principal, now).content)
    _check(submission)
    _check_send_at(submission, principal, now)
    users = list(dict.fromkeys(submission.users or ()))
    recipients = len(users)
    if submission.audience_id is not None:
        recipients = _recipients(submission, submission.audience_id, principal, now)
    ids = _choose_ids(submission, principal, now)
    notification, dispatch = _rows(submission, content, principal, ids, recipients)
    with about(notification=ids.notification, dispatch=ids.dispatch):
        found = Dispatch.one(ids.dispatch, consistent=True) if ids.is_repeat else None
        figures = {} if found else {ACCEPTED: recipients, DISPATCHES: 1}
        if found is None:
            notification.put()
            if submission.audience_id is None:
                write_audience(ids.audience, users, int(dispatch.expires_at))
            # Last: what has a dispatch is complete. Its mark holds it until the queue does.
            found = add_pending(dispatch)
        if found.pending and is_near(found.due, now):
            hand_over([found], now)
        counting.count(dispatch, figures, now)
        measure(
            "accepted", figures, **dimensions_of(dispatch), recipients=recipients, author=principal.author
        )
        if figures:
            audit.record(
                "scheduled" if dispatch.send_at else "sent", "notification", notification.id,
                after=_told(dispatch, notification),
            )  # fmt: skip
    return Accepted(notification, dispatch, ids.is_repeat)


def _told(dispatch: Dispatch, notification: Notification) -> dict[str, Any]:
    """What the audit log says of it: not what it says, which may be about somebody."""
    return {
        "type": dispatch.type,
        "recipients": int(dispatch.recipients),
        "is_express": dispatch.is_express,
        **({"send_at": dispatch.send_at} if dispatch.send_at else {}),
        **({"template": notification.template} if notification.template else {}),
    }


def _check(submission: Submission) -> None:
    if submission.audience_id is not None:
        if submission.users is not None:
            raise InvalidFieldError("audience_id", "in place of users, not beside them")
        return
    if submission.users is None:
        raise InvalidFieldError("users", "required, or an audience_id in place of them")
    if not submission.users:
        raise InvalidFieldError("users", "at least one user is needed")
    if len(submission.users) > MAX_USERS:
        raise TooManyError(f"users: at most {MAX_USERS} in one request; make an audience for more")


def _pinned(submission: Submission, principal: Principal, now: datetime) -> Submission:
    """A repeat means the version of the first time, also when there is a newer one since."""
    if submission.template is None or "@" in submission.template:
        return submission
    known = _known_request(submission, principal, now)
    found = Notification.one(known.notification_id, consistent=True) if known else None
    return replace(submission, template=found.template) if found and found.template else submission


def _check_send_at(submission: Submission, principal: Principal, now: datetime) -> None:
    if submission.send_at is None or (
        submission.send_at <= now and _known_request(submission, principal, now)
    ):
        return  # a repeat is good also when its time has come since
    check_send_at(submission.send_at, now, now)


def _known_request(submission: Submission, principal: Principal, now: datetime) -> Request | None:
    """What an earlier request with the same key has left, if there was one."""
    known = Request.one(_request_key(submission, principal), consistent=True) if submission.key else None
    return known if known is not None and is_kept(known.expires_at, now) else None


def _recipients(submission: Submission, audience_id: str, principal: Principal, now: datetime) -> int:
    """How many a complete audience has. A repeat is good also when it has been deleted since."""
    try:
        return int(audiences.usable(audience_id, principal, now).recipients)
    except InvalidFieldError:
        known = _known_request(submission, principal, now)
        if known is None:
            raise
        dispatch = Dispatch.one(known.dispatch_id, consistent=True)
        if dispatch is None:
            raise
        return int(dispatch.recipients)


def _request_key(submission: Submission, principal: Principal) -> str:
    return hashlib.sha256(f"{principal.author}\0{submission.key}".encode()).hexdigest()


def _choose_ids(submission: Submission, principal: Principal, now: datetime) -> _Ids:
    fresh = _Ids(new_id(now), new_id(now), new_id(now), now)
    if submission.key is None:
        return fresh
    asked = Request(
        _request_key(submission, principal),
        body_hash=submission.body_hash,
        notification_id=fresh.notification,
        audience_id=fresh.audience,
        dispatch_id=fresh.dispatch,
        created_at=iso(now),
        expires_at=int((now + KEY_KEPT).timestamp()),
    )
    remembered = remember(asked, now)
    known = remembered.request
    if known.body_hash != submission.body_hash:
        raise ConflictingRepeatError("this Idempotency-Key came before with another body")
    return _Ids(
        known.notification_id,
        known.audience_id,
        known.dispatch_id,
        datetime.fromisoformat(known.created_at),
        remembered.is_repeat,
    )


def _rows(
    submission: Submission, content: Content, principal: Principal, ids: _Ids, recipients: int
) -> tuple[Notification, Dispatch]:
    due = submission.send_at or ids.created_at
    expires_at = dispatch_kept_until(due, chunk_count(recipients))
    notification = new_notification(content, ids.notification, principal.author, ids.created_at)
    notification.dispatch_id, notification.expires_at = ids.dispatch, expires_at
    dispatch = Dispatch(
        ids.dispatch,
        notification_id=ids.notification,
        audience_id=submission.audience_id or ids.audience,
        type=submission.type,
        author=principal.author,
        is_express=submission.is_express,
        recipients=recipients,
        chunks=chunk_count(recipients),
        due_at=iso(due),
        send_at=iso(due) if submission.send_at else None,
        expires_at=expires_at,
    )
    return notification, dispatch
