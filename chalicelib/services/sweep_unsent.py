"""Unsent recipients: they go to their queue again, at a rate that one which has just come back can take."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chalicelib import queues, settings
from chalicelib.channels import CHANNELS
from chalicelib.directory import DirectoryUnavailableError
from chalicelib.directory.choice import directory
from chalicelib.domain.backoff import unsent_pause
from chalicelib.domain.fanning import delay_until
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage
from chalicelib.domain.retention import expiry_beside
from chalicelib.domain.statuses import Status, WhyUnsent
from chalicelib.domain.times import Clock, later, parse
from chalicelib.observability import EXPIRED, REQUEUED, WRONG_CONTACT, logger, measure
from chalicelib.services.addressing import delivery_to, suppressed_of
from chalicelib.services.counting import count_all, counts_of
from chalicelib.services.erasure import erase_rows
from chalicelib.services.stopping import cancel_stopped, frequencies_of, is_stopped
from chalicelib.tables.base import connect_tables, in_parallel
from chalicelib.tables.dispatches import Dispatch, read_dispatches
from chalicelib.tables.frequencies import Frequency
from chalicelib.tables.progress import clear_unsent_letter, set_letters
from chalicelib.tables.unsent import (
    RowKey,
    finish_unsent,
    keys_due,
    mark_requeued,
    postpone_unsent,
    settle_finished,
    unsent_marks,
    unsent_rows,
)
from chalicelib.tables.unsubscribes import read_unsubscribes
from chalicelib.tables.users_notifications import UsersNotification

PART = 100
"""Rows that are worked together: what one BatchGet reads, and the directory is asked for."""

PARTS_AT_ONCE = 8

TIME_KEPT_BACK_SECONDS = 15.0
"""No further parts are begun with less left: they take a few seconds, some more when the queue is slow.

What an outside directory may take comes on top.
"""


@contextmanager
def isolated(counts: Counter[str], **who: str) -> Iterator[None]:
    """What fails for one row, or one lane, must not keep the others waiting; the next run tries it again."""
    try:
        yield
    except Exception:
        logger.exception("not swept", extra=who)
        counts["errors"] += 1


def _names(row: UsersNotification) -> dict[str, str]:
    return {"user": row.user_id, "notification": row.notification_id, "dispatch": row.dispatch_id}


METRIC_OF = {"requeued": REQUEUED, "expired": EXPIRED, "wrong contact": WRONG_CONTACT}
"""As what it is counted what becomes of a row; of the others only the log tells."""
FINAL = (EXPIRED, WRONG_CONTACT)
"""What the minute's counts have of it, too: an end, which nobody else counts."""


@dataclass
class SweptRows:
    """What became of rows, in words: in all, and of each dispatch."""

    counts: Counter[str] = field(default_factory=Counter)
    activity: Counter[str] = field(default_factory=Counter)
    age: float | None = None
    """For how many seconds the oldest has been due."""
    _of: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def __add__(self, other: "SweptRows") -> "SweptRows":
        ages = [each.age for each in (self, other) if each.age is not None]
        return SweptRows(self.counts + other.counts, self.activity + other.activity, max(ages, default=None))

    def add(self, row: UsersNotification, word: str, number: int = 1) -> None:
        """So many rows of a dispatch came to this."""
        self.counts[word] += number
        self._of.setdefault((row.notification_id, row.dispatch_id), Counter())[word] += number

    def tell(self, lane: Lane, dispatches: Mapping[str, Dispatch]) -> None:
        """A line for each dispatch, however many its rows are; and what is counted of them."""
        for (notification_id, dispatch_id), words in self._of.items():
            channel = dispatches[dispatch_id].type if dispatch_id in dispatches else "unknown"
            figures = {METRIC_OF[word]: number for word, number in words.items() if word in METRIC_OF}
            self.activity += counts_of(channel, {each: figures[each] for each in figures if each in FINAL})
            fields: dict[str, Any] = {"lane": str(lane), "channel": channel}
            fields |= {word: number for word, number in words.items() if word not in METRIC_OF}
            measure("unsent swept", figures, notification=notification_id, dispatch=dispatch_id, **fields)


@dataclass(frozen=True)
class _Ready:
    row: UsersNotification
    dispatch: Dispatch
    message: DeliveryMessage


def sweep_unsent(
    lane: Lane, clock: Clock, remaining_seconds: Callable[[], float], counts: Counter[str]
) -> float | None:
    """Work what is due of a lane's unsent rows, `unsent_per_minute` at most: a part, then several at once.

    When nothing of a round gets anywhere, neither queue nor directory answers: more tries would only cost.
    Returns for how many seconds the oldest that was looked at has been due: 0 if there is none, None if it
    is nobody's turn.
    """
    kept_back = TIME_KEPT_BACK_SECONDS + directory().longest_seconds
    left, parts = settings.current().unsent_per_minute, 1
    age: float | None = None
    connect_tables()  # before the threads start
    while left > 0 and remaining_seconds() >= kept_back:
        marks = unsent_marks(lane, min(left, PART * parts))
        keys = keys_due(marks, clock())
        if not keys:
            if not marks and age is None:
                age = 0.0
            break
        handled = _sweep_parts(lane, keys, clock)
        counts.update(handled.counts)
        age = max([each for each in (age, handled.age) if each is not None], default=None)
        if handled.counts.total() == handled.counts["postponed"] + handled.counts["errors"]:
            break
        left, parts = left - len(keys), PARTS_AT_ONCE
    return age


def _sweep_parts(lane: Lane, keys: Sequence[RowKey], clock: Clock) -> SweptRows:
    parts = [keys[start : start + PART] for start in range(0, len(keys), PART)]
    swept = sum(in_parallel(lambda part: _sweep_part(lane, part, clock), parts), SweptRows())
    count_all(lane, swept.activity, clock())
    return swept


def _sweep_part(lane: Lane, keys: Sequence[RowKey], clock: Clock) -> SweptRows:
    swept = SweptRows()
    with isolated(swept.counts, lane=str(lane)):
        rows = unsent_rows(keys)
        overdue = (
            (clock() - parse(row.due_at)).total_seconds() for row in rows if row.state is Status.UNSENT
        )
        swept.age = max((max(each, 0.0) for each in overdue), default=None)
        _sweep_rows(lane, rows, clock, swept)
    return swept


def _sweep_rows(lane: Lane, rows: Sequence[UsersNotification], clock: Clock, swept: SweptRows) -> None:
    dispatches = read_dispatches({row.dispatch_id for row in rows})
    frequencies = frequencies_of(dispatches)
    unsubscribes = read_unsubscribes({row.user_id for row in rows}, consistent=True)
    waiting: list[tuple[UsersNotification, Dispatch]] = []
    for row in rows:
        with isolated(swept.counts, **_names(row)):
            dispatch = dispatches.get(row.dispatch_id)
            unsubscribe = unsubscribes.get(row.user_id)
            if unsubscribe and unsubscribe.erases(row.dispatch_id):
                swept.add(row, "erased", erase_rows([row], clock))
            elif row.state is not Status.UNSENT:
                _settle(row, row.state, clock)
            elif dispatch is not None and _is_cancelled(dispatch, frequencies, clock):
                swept.add(row, "cancelled", _finish(row, Status.CANCELLED, "cancelled", clock))
            elif reason := _hopeless(row, dispatch, clock):
                swept.add(row, "expired", _finish(row, Status.FAILED, reason, clock))
            elif dispatch is not None:
                waiting.append((row, dispatch))
    for channel in {dispatch.type for _, dispatch in waiting}:
        of_channel = [(row, dispatch) for row, dispatch in waiting if dispatch.type == channel]
        _requeue(lane, _addressed(channel, of_channel, clock, swept), clock, swept)
    swept.tell(lane, dispatches)


def _is_cancelled(dispatch: Dispatch, frequencies: Mapping[str, Frequency], clock: Clock) -> bool:
    """Whether a dispatch is cancelled, or a run of a frequency that was stopped: cancelled from now on."""
    if not dispatch.is_cancelled and is_stopped(dispatch, frequencies.get(str(dispatch.frequency))):
        cancel_stopped(dispatch, clock())
    return dispatch.is_cancelled


def _hopeless(row: UsersNotification, dispatch: Dispatch | None, clock: Clock) -> str | None:
    """Why no further try makes sense, if it is so."""
    if dispatch is None:
        return "its dispatch is gone"
    if dispatch.type not in CHANNELS:
        return f"unknown channel {dispatch.type}"
    if parse(row.due_at) + timedelta(hours=settings.current().unsent_expires_hours) <= clock():
        return f"expired unsent: {row.reason}"
    return None


def _addressed(
    channel: str,
    waiting: Sequence[tuple[UsersNotification, Dispatch]],
    clock: Clock,
    swept: SweptRows,
) -> list[_Ready]:
    """The rows with whom to send to: asked of the directory again, which may have been what was missing."""
    try:
        people = directory().people([row.user_id for row, _ in waiting], CHANNELS[channel].contact_field)
    except DirectoryUnavailableError as error:
        logger.warning("directory unavailable", extra={"error": str(error)})
        for row, _ in waiting:
            with isolated(swept.counts, **_names(row)):
                swept.add(row, "postponed", _postpone(row, WhyUnsent.DIRECTORY, clock))
        return []
    suppressed = suppressed_of(channel, people.values())
    ready: list[_Ready] = []
    for row, dispatch in waiting:
        with isolated(swept.counts, **_names(row)):
            person = people.get(row.user_id)
            found = delivery_to(person, dispatch, row.user_id, int(row.chunk), int(row.position), suppressed)
            if isinstance(found, str):
                swept.add(row, "wrong contact", _finish(row, Status.WRONG_CONTACT, found, clock))
            else:
                ready.append(_Ready(row, dispatch, found))
    return ready


def _requeue(lane: Lane, ready: Sequence[_Ready], clock: Clock, swept: SweptRows) -> None:
    """Send first, then clear the mark that was read: in between both hold the recipient, never none."""
    refused = set(
        queues.send_all(
            settings.current().queues(lane).delivery,
            [
                # What the throttle has put off is unsent, but not due yet.
                queues.Outgoing(
                    each.message.dump(), each.dispatch.author, delay_until(parse(each.row.due_at), clock())
                )
                for each in ready
            ],
        )
    )
    for index, each in enumerate(ready):
        with isolated(swept.counts, **_names(each.row)):
            if index in refused:
                swept.add(each.row, "postponed", _postpone(each.row, WhyUnsent.QUEUE, clock))
                continue
            swept.add(each.row, "requeued")
            if mark_requeued(each.row, clock()):
                clear_unsent_letter(each.row.dispatch_id, int(each.row.chunk), int(each.row.position))


def _postpone(row: UsersNotification, reason: str, clock: Clock) -> int:
    until = later(clock(), unsent_pause(int(row.sweeps or 0) + 1))
    return int(postpone_unsent(row, until, reason))


def _finish(row: UsersNotification, status: Status, reason: str, clock: Clock) -> int:
    if not finish_unsent(row, status, reason, clock()):
        return 0
    _settle(row, status, clock)
    return 1


def _settle(row: UsersNotification, status: Status, clock: Clock) -> None:
    """What follows from a final row: first its letter, then the mark by which a next run would find it."""
    expires_at = expiry_beside(int(row.expires_at))
    set_letters(row.dispatch_id, int(row.chunk), {int(row.position): status}, expires_at)
    settle_finished(row, status, clock())
