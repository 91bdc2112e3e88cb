"""Users notifications: the row of one user and one dispatch. A recipient without a row is queued.

Every write here is conditional, and each condition accepts the echo of its own write: the SDK may repeat
a write whose answer was lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.domain.lanes import Lane, shard_key
from chalicelib.domain.mail_events import EventKind
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso, parse
from chalicelib.tables.base import ConditionFailedError, Table, batch_get

MAX_REASON_LENGTH = 120
KEPT_ATTEMPTS = 2
MAX_RESULT_LENGTH = 24
"""In bytes. With these a row stays below 1,000 bytes, and a write of it costs one unit."""


class Attention(GlobalSecondaryIndex["UsersNotification"]):
    """Sparse: rows that somebody has to see to: `unsent#lane#shard`, or `failed#dispatch`."""

    class Meta:
        index_name = "attention"
        projection = KeysOnlyProjection()

    attention = UnicodeAttribute(hash_key=True)
    attention_at = UnicodeAttribute(range_key=True)


class UsersNotification(Table):
    class Meta:
        table_name = ""

    table_variable = "USERS_NOTIFICATIONS_TABLE"

    user_id = UnicodeAttribute(hash_key=True)
    dispatch_id = UnicodeAttribute(range_key=True)
    notification_id = UnicodeAttribute()
    chunk = NumberAttribute()
    position = NumberAttribute()
    address = UnicodeAttribute(null=True)
    status = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)
    provider_id = UnicodeAttribute(null=True)
    attempts = NumberAttribute(default=0)
    last_attempts = JSONAttribute(null=True)
    not_before = UnicodeAttribute(null=True)
    lease_owner = UnicodeAttribute(null=True)
    lease_until = UnicodeAttribute(null=True)
    attention = UnicodeAttribute(null=True)
    attention_at = UnicodeAttribute(null=True)
    sweeps = NumberAttribute(null=True)
    delivered = UnicodeAttribute(null=True)
    delayed = UnicodeAttribute(null=True)
    bounced = UnicodeAttribute(null=True)
    complained = UnicodeAttribute(null=True)
    rejected = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute()
    updated_at = UnicodeAttribute()
    expires_at = NumberAttribute()

    attention_index = Attention()

    @property
    def state(self) -> Status:
        return Status(self.status)

    @property
    def event_notes(self) -> dict[EventKind, str]:
        """What the provider told after it had taken the message (see `MailEvent.note`)."""
        notes = {kind: getattr(self, kind) for kind in EventKind}
        return {kind: note for kind, note in notes.items() if note is not None}


@dataclass(frozen=True)
class Recipient:
    """Whose row it is, and where they stand in the dispatch."""

    user_id: str
    dispatch_id: str
    notification_id: str
    chunk: int
    position: int
    due_at: str
    expires_at: int


@dataclass(frozen=True)
class Lease:
    """A claim on a row: who claims, and until when."""

    owner: str
    until: datetime


@dataclass(frozen=True)
class Claimed:
    """The row is ours until the lease runs out."""

    row: UsersNotification


@dataclass(frozen=True)
class Finished:
    """The row is final: there is nothing to send."""

    status: Status


@dataclass(frozen=True)
class Busy:
    """Another holds the row, or its time has not come: look again then."""

    until: datetime


def claim_for_sending(
    recipient: Recipient, address: str, lease: Lease, now: datetime
) -> Claimed | Finished | Busy:
    """Take a recipient's row for one sending, making it where there is none."""
    row = UsersNotification
    free = (
        row.user_id.does_not_exist()
        | (row.status == Status.UNSENT)
        | ((row.status == Status.QUEUED) & (row.not_before.does_not_exist() | (row.not_before <= iso(now))))
        | (
            (row.status == Status.SENDING)
            & ((row.lease_until <= iso(now)) | (row.lease_owner == lease.owner))
        )
    )
    actions = [
        row.status.set(Status.SENDING),
        row.lease_owner.set(lease.owner),
        row.lease_until.set(iso(lease.until)),
        row.address.set(address),
        row.attempts.set(row.attempts | 0),
        row.updated_at.set(iso(now)),
        *identity(recipient),
        row.attention.remove(),
        row.attention_at.remove(),
        row.not_before.remove(),
    ]
    try:
        claimed = row.change(
            recipient.user_id, recipient.dispatch_id, actions=actions, condition=free, returning=True
        )
    except ConditionFailedError as failure:
        return _why_not(failure)
    assert claimed is not None
    return Claimed(claimed)


def _why_not(failure: ConditionFailedError) -> Finished | Busy:
    found = UsersNotification.from_raw_data(failure.found)
    if found.state.is_terminal:
        return Finished(found.state)
    until = found.lease_until if found.state is Status.SENDING else found.not_before
    if until is None:
        raise failure
    return Busy(parse(until))


def identity(recipient: Recipient) -> list[Action]:
    """The actions that say whose row it is, where there is none yet."""
    row = UsersNotification
    return [
        row.notification_id.set(recipient.notification_id),
        row.chunk.set(recipient.chunk),
        row.position.set(recipient.position),
        # Whom somebody sends again by hand has later ones than the dispatch says.
        row.due_at.set(row.due_at | recipient.due_at),
        row.expires_at.set(row.expires_at | recipient.expires_at),
    ]


@dataclass(frozen=True)
class Outcome:
    """How a sending ended: values, not increments, since the write may be repeated."""

    status: Status
    at: datetime
    attempts: int
    reason: str | None = None
    provider_id: str | None = None
    not_before: datetime | None = None


def write_outcome(row: UsersNotification, outcome: Outcome) -> bool:
    """Record how a sending ended, if the row is still ours; False when another has taken it since."""
    model = UsersNotification
    attempt = {"at": iso(outcome.at), "result": _result(outcome)}
    actions: list[Action] = [
        model.status.set(outcome.status),
        model.updated_at.set(iso(outcome.at)),
        model.attempts.set(outcome.attempts),
        model.last_attempts.set([*(row.last_attempts or []), attempt][-KEPT_ATTEMPTS:]),
        model.reason.set(brief(outcome.reason)) if outcome.reason else model.reason.remove(),
    ]
    if outcome.provider_id:
        actions.append(model.provider_id.set(brief(outcome.provider_id)))
    if outcome.not_before:
        actions.append(model.not_before.set(iso(outcome.not_before)))
    if outcome.status is Status.FAILED:
        actions += mark_failed(row.dispatch_id, outcome.at)
    try:
        model.change(
            row.user_id, row.dispatch_id, actions=actions, condition=model.lease_owner == row.lease_owner
        )
    except ConditionFailedError:
        return False
    return True


def brief(text: str) -> str:
    """As much of a reason as a row has room for, counted in bytes."""
    return text.encode()[:MAX_REASON_LENGTH].decode(errors="ignore")


def _result(outcome: Outcome) -> str:
    """An attempt's result in a few words, in ASCII: JSON makes six bytes of any other letter."""
    words = outcome.reason or str(outcome.status)
    return words[:MAX_RESULT_LENGTH].encode("ascii", "replace").decode()


def mark_failed(dispatch_id: str, at: datetime) -> list[Action]:
    """The actions that put a row among the failed ones of its dispatch."""
    row = UsersNotification
    return [row.attention.set(failed_mark(dispatch_id)), row.attention_at.set(iso(at))]


def failed_mark(dispatch_id: str) -> str:
    """Where the failed rows of a dispatch stand in the attention index."""
    return f"failed#{dispatch_id}"


def unsent_mark(lane: Lane, user_id: str) -> str:
    """Where an unsent row stands in the attention index."""
    return f"unsent#{shard_key(lane, user_id)}"


def add_exception(
    recipient: Recipient, status: Status, reason: str, lane: Lane, now: datetime, address: str | None = None
) -> Status:
    """Write the row of a recipient who was not queued, unless there is one; the status that then stands."""
    row = UsersNotification(
        recipient.user_id,
        recipient.dispatch_id,
        notification_id=recipient.notification_id,
        chunk=recipient.chunk,
        position=recipient.position,
        address=address,
        status=status,
        reason=brief(reason),
        due_at=recipient.due_at,
        updated_at=iso(now),
        expires_at=recipient.expires_at,
    )
    if status is Status.UNSENT:
        row.attention, row.attention_at = unsent_mark(lane, recipient.user_id), iso(now)
    elif status is Status.FAILED:
        row.attention, row.attention_at = failed_mark(recipient.dispatch_id), iso(now)
    try:
        row.put(condition=UsersNotification.user_id.does_not_exist())
    except ConditionFailedError as failure:
        return UsersNotification.from_raw_data(failure.found).state
    return status


def fail_unless_held(recipient: Recipient, reason: str, now: datetime) -> Finished | Busy | None:
    """Mark a recipient failed whose message nobody could handle.

    None when it is so now. Busy while a lease on the row is live. An unsent row stays: the sweep holds it.
    """
    row = UsersNotification
    free = (
        row.user_id.does_not_exist()
        | (row.status == Status.QUEUED)
        | ((row.status == Status.SENDING) & (row.lease_until <= iso(now)))
    )
    actions = [
        row.status.set(Status.FAILED),
        row.reason.set(brief(reason)),
        row.attempts.set(row.attempts | 0),
        row.updated_at.set(iso(now)),
        row.not_before.remove(),
        row.lease_owner.remove(),  # who held it and wakes up late has lost it
        *identity(recipient),
        *mark_failed(recipient.dispatch_id, now),
    ]
    try:
        row.change(recipient.user_id, recipient.dispatch_id, actions=actions, condition=free)
    except ConditionFailedError as failure:
        found = row.from_raw_data(failure.found)
        if found.state is Status.SENDING:
            return Busy(parse(found.lease_until))
        if found.state is Status.FAILED and found.updated_at == iso(now):
            return None  # its own echo
        return Finished(found.state)
    return None


def read_rows(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], UsersNotification]:
    """The rows of these (user, dispatch) that there are, read consistently."""
    found = batch_get({UsersNotification: keys}, consistent=True)[UsersNotification]
    return {(row.user_id, row.dispatch_id): row for row in found}
