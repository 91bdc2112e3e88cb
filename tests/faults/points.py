"""The seven points of the design, checked while a run goes on and when it has come to rest."""

import logging
import re
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from chalicelib.channels.base import Letter
from chalicelib.domain.backoff import FIRST_PAUSE_SECONDS, JITTER
from chalicelib.domain.messages import DeliveryMessage, DueMessage, load_fan_out
from chalicelib.domain.results import RateLimited, Retryable, SendResult
from chalicelib.domain.statuses import Status, status_of_letter
from chalicelib.domain.times import Clock, later, parse
from chalicelib.services.letters import letter_id
from tests.faults.scenarios import CHUNK_SIZE, Scenario
from tests.faults.sqs import Sqs
from tests.faults.tables import Row, Tables
from tests.faults.timetable import Timetable
from tests.faults.violations import ViolationError, demand


@dataclass(frozen=True)
class Acceptance:
    """A channel has taken a letter. What the sender knows of it depends on what happens next."""

    letter: str
    lease_owner: str
    lease_until: datetime
    answer_is_lost: bool


Key = tuple[str, str]
"""(user, dispatch): of whom a row is."""


@lru_cache(maxsize=4096)
def _held_by(variable: str, body: str) -> tuple[str, str | range] | None:
    """(dispatch, user or chunks) that a message holds, if it holds anybody."""
    if not variable.startswith("FAN_OUT"):
        delivery = DeliveryMessage.load(body)
        return delivery.dispatch_id, delivery.user_id
    message = load_fan_out(body)
    if isinstance(message, DueMessage):
        return None  # what it names is due still, and is held by that
    return message.dispatch_id, range(message.chunks.first, message.chunks.last)


def held_by_mark(dispatch: Row) -> Callable[[int], bool]:
    """Which chunks the pending mark of a dispatch holds: those that wait for a queue, or else all."""
    if "pending" not in dispatch:
        return lambda chunk: False
    if not dispatch.get("waiting"):
        return lambda chunk: True
    ranges = [map(int, re.findall(r"\d+", waiting)) for waiting in dispatch["waiting"]]
    waiting_chunks = {chunk for first, last in ranges for chunk in range(first, last)}
    return lambda chunk: chunk in waiting_chunks


class SevenPoints:
    """What is watched in one run."""

    def __init__(self, tables: Tables, sqs: Sqs, clock: Clock, scenario: Scenario) -> None:
        self._tables, self._sqs, self._clock = tables, sqs, clock
        self._users = users = scenario.users
        self._chunks = [users[start : start + CHUNK_SIZE] for start in range(0, len(users), CHUNK_SIZE)]
        self._lane = scenario.lane
        self._timetable = Timetable(tables, clock, scenario.timing)
        self._final: dict[Key, str] = {}
        self._not_before: dict[Key, datetime] = {}
        self.unsubscribed_at: dict[str, datetime] = {}
        self.accepted: dict[Key, list[Acceptance]] = defaultdict(list)
        self.log: list[str] = []
        self.erased: set[str] = set()
        """Of whom nothing is kept but a tombstone, and a letter without a name."""
        self.are_watched = True
        """No, where it is not the scenario's own notification that is worked on."""
        self.are_failed_sent_again = False
        """From now on who is failed may become unsent, and be counted as failed for a moment longer."""

    # After each call.

    def after_step(self) -> None:
        """Points 1 and 3, and that counts tell the truth, at this very moment."""
        if not self.are_watched:
            return
        rows = {
            (row["user_id"], row["dispatch_id"]): row
            for row in self._tables.rows("USERS_NOTIFICATIONS_TABLE")
        }
        self._nothing_final_changes(rows)
        held = self._held()
        self._timetable.after_step()
        for dispatch in self._tables.rows("DISPATCHES_TABLE"):
            self._everything_of_it_is_there(dispatch)
            self._letters_tell_the_truth(dispatch, rows)
            if "cancelled_at" in dispatch:
                continue
            is_held_by_mark = held_by_mark(dispatch)
            for chunk, users in enumerate(self._chunks):
                if not is_held_by_mark(chunk):
                    for user in users:
                        self._is_held(user, dispatch["id"], rows.get((user, dispatch["id"])), held)

    def _nothing_final_changes(self, rows: Mapping[Key, Row]) -> None:
        for key, status in self._final.items():
            if self.are_failed_sent_again and status == Status.FAILED:
                continue
            if key[0] in self.erased and key not in rows:
                continue
            now = rows[key]["status"] if key in rows else "gone"
            demand(now == status, 2, f"the final row of {key} was {status} and is {now}")
        self._final |= {key: row["status"] for key, row in rows.items() if Status(row["status"]).is_terminal}

    def _held(self) -> set[Key]:
        held: set[Key] = set()
        for variable, message in self._sqs.all():
            demand(self._lane.upper() in variable, 3, f"a message of the {self._lane} lane is in {variable}")
            holds = _held_by(variable, message.body)
            if holds is None:
                continue
            dispatch, whom = holds
            users = (
                [whom] if isinstance(whom, str) else [user for chunk in whom for user in self._chunks[chunk]]
            )
            held |= {(user, dispatch) for user in users}
        return held

    def _everything_of_it_is_there(self, dispatch: Row) -> None:
        notifications = {row["id"] for row in self._tables.rows("NOTIFICATIONS_TABLE")}
        demand(dispatch["notification_id"] in notifications, 1, "a dispatch without its notification")
        chunks = {
            int(row["chunk"])
            for row in self._tables.rows("AUDIENCES_TABLE")
            if row["part"].startswith(dispatch["audience_id"]) and "user_ids" in row
        }
        demand(chunks == set(range(len(self._chunks))), 1, f"a dispatch with the chunks {chunks} only")

    def _letters_tell_the_truth(self, dispatch: Row, rows: Mapping[Key, Row]) -> None:
        for user, letter in self._letters(dispatch["id"]):
            said, row = status_of_letter(letter), rows.get((user, dispatch["id"]))
            if user in self.erased and (row is None or said is Status.CANCELLED):
                continue  # a row that came after the tombstone is lettered anew, and goes with the next sweep
            if said.is_terminal and not (self.are_failed_sent_again and said is Status.FAILED):
                demand(
                    row is not None and row["status"] == said, 5, f"{user} is counted as {said}, and is {row}"
                )

    def _letters(self, dispatch_id: str) -> Iterator[tuple[str, str]]:
        for item in self._tables.rows("PROGRESS_TABLE"):
            for name, letter in item.items():
                if item["dispatch_id"] == dispatch_id and name.startswith("p"):
                    yield self._chunks[int(item["chunk"])][int(name[1:])], letter

    def _is_held(self, user: str, dispatch_id: str, row: Row | None, held: set[Key]) -> None:
        if user in self.erased:
            return  # the tombstone is their end
        if row is not None:
            if Status(row["status"]).is_terminal:
                return
            if row["status"] == Status.UNSENT and row.get("attention", "").startswith("unsent#"):
                demand(bool(row.get("reason")), 5, f"{user} is unsent without a reason")
                return
        demand((user, dispatch_id) in held, 1, f"nothing holds {user}, whose row is {row}")

    # At each send.

    def dispatch_of(self, letter: Letter, user: str) -> Row:
        """The dispatch that a letter to a user is of: its id follows from both."""
        for dispatch in self._tables.rows("DISPATCHES_TABLE"):
            if letter_id(dispatch["id"], user) == letter.id:
                return dispatch
        raise ViolationError(f"point 2: a letter to {user} has an id of no dispatch")

    def before_send(self, user: str, dispatch: Row, function_seconds: float) -> None:
        """Points 2 and 4, its time, and what a channel asked for when it said "try later"."""
        key = (user, dispatch["id"])
        row = self._row(key)
        demand(
            user not in self.erased or row is not None, 4,
            f"{user} is sent to, and was erased before the claim",
        )  # fmt: skip
        assert row is not None
        now = self._clock()
        demand(not Status(row["status"]).is_terminal, 2, f"{user} is sent to, and is {row['status']}")
        for earlier in self.accepted[key]:
            demand(
                earlier.answer_is_lost or earlier.lease_until <= now, 2,
                f"{user} is sent to though another, who holds the row, has sent",
            )  # fmt: skip
        demand(parse(row["lease_until"]) > now, 2, f"{user} is sent to beyond the lease")
        demand(
            self._not_before.get(key, now) <= now, 2, f"{user} is sent to before the time that was asked for"
        )
        self._timetable.before_send(dispatch, row, function_seconds)
        unsubscribed = self.unsubscribed_at.get(user, now)
        demand(
            (now - unsubscribed).total_seconds() <= function_seconds, 4, f"{user} has unsubscribed long ago"
        )

    def take(self, letter: Letter, user: str, dispatch: Row, *, answer_is_lost: bool) -> None:
        """The channel has accepted a letter."""
        row = self._row((user, dispatch["id"]))
        assert row is not None
        self._timetable.take(dispatch, user)
        self.accepted[user, dispatch["id"]].append(
            Acceptance(letter.id, row["lease_owner"], parse(row["lease_until"]), answer_is_lost)
        )

    def answered(self, user: str, dispatch: Row, result: SendResult) -> None:
        """The product has got an answer."""
        now, key = self._clock(), (user, dispatch["id"])
        if isinstance(result, RateLimited):
            self._not_before[key] = later(now, result.retry_after_seconds)
        elif isinstance(result, Retryable):
            self._not_before[key] = later(now, FIRST_PAUSE_SECONDS[self._lane] * (1 - JITTER))

    def _row(self, key: Key) -> Row | None:
        rows = self._tables.rows("USERS_NOTIFICATIONS_TABLE")
        return next((row for row in rows if (row["user_id"], row["dispatch_id"]) == key), None)

    @property
    def second_sends(self) -> int:
        """How often somebody was sent what they had already."""
        return sum(len(acceptances) - 1 for acceptances in self.accepted.values() if acceptances)

    # At rest.

    def at_rest(self, expected: Mapping[str, frozenset[Status]], secrets: Sequence[str]) -> None:
        """Everybody has come to what was to be expected, once, and nothing is left over."""
        demand(not list(self._sqs.all()), 1, "messages are left")
        self._timetable.at_rest()
        for dispatch in self._tables.rows("DISPATCHES_TABLE"):
            self._has_come_to_rest(dispatch, expected)
        self._no_secret(secrets)

    def _has_come_to_rest(self, dispatch: Row, expected: Mapping[str, frozenset[Status]]) -> None:
        demand("pending" not in dispatch, 1, "the dispatch is still pending")
        is_cancelled = "cancelled_at" in dispatch
        rows = {
            row["user_id"]: row
            for row in self._tables.rows("USERS_NOTIFICATIONS_TABLE")
            if row["dispatch_id"] == dispatch["id"]
        }
        letters = dict(self._letters(dispatch["id"]))
        shown: Counter[Status] = Counter()
        for user, allowed in expected.items():
            if user in self.erased:
                self._nothing_is_kept(user, rows.get(user), letters.get(user), is_cancelled)
                continue
            allowed = allowed | {Status.CANCELLED} if is_cancelled else allowed
            row = rows.get(user)
            status = Status(row["status"]) if row else Status.QUEUED
            if is_cancelled and not status.is_terminal:
                status = Status.CANCELLED
            demand(status in allowed, 1, f"{user} has come to {row}, not to one of {sorted(allowed)}")
            counted = status_of_letter(letters.get(user), is_cancelled=is_cancelled)
            demand(counted is status, 5, f"{user} is {status} and is counted as {counted}")
            shown[status] += 1
            if row:
                self._is_visible(user, row, is_cancelled)
            self._was_sent_once(user, status, row, dispatch["id"])

    def _nothing_is_kept(self, user: str, row: Row | None, letter: str | None, is_cancelled: bool) -> None:
        """An erased user has no row and no contact, and is counted as what they had come to, or cancelled."""
        demand(row is None, 7, f"{user} is erased, and there is {row}")
        contacts = [each for each in self._tables.rows("CONTACTS_TABLE") if each["user_id"] == user]
        demand(not contacts, 7, f"{user} is erased, and there is {contacts}")
        tombstones = [each for each in self._tables.rows("UNSUBSCRIBES_TABLE") if each["user_id"] == user]
        demand(
            len(tombstones) == 1 and "erased_at" in tombstones[0] and "erasing" not in tombstones[0], 7,
            f"{user} is erased, and the tombstone is {tombstones}",
        )  # fmt: skip
        counted = status_of_letter(letter, is_cancelled=is_cancelled)
        demand(counted.is_terminal, 5, f"{user} is erased, and counted as {counted}")

    def _is_visible(self, user: str, row: Row, is_cancelled: bool) -> None:
        mark = row.get("attention")
        if row["status"] == Status.FAILED:
            demand(mark == f"failed#{row['dispatch_id']}", 5, f"{user} is failed, and nobody sees it: {row}")
        elif not is_cancelled or Status(row["status"]).is_terminal:
            demand(mark is None, 5, f"{user} is {row['status']}, and still marked {mark}")
        if Status(row["status"]).is_terminal and row["status"] != Status.SENT:
            demand(bool(row.get("reason")), 5, f"{user} is {row['status']} without a reason")

    def _was_sent_once(self, user: str, status: Status, row: Row | None, dispatch_id: str) -> None:
        """Whoever is `sent` was accepted by the one who says so, and by that one once.

        Any other acceptance was not recorded, and `before_send` has seen that nobody could know of it.
        """
        accepted = self.accepted[user, dispatch_id]
        recorded = [each for each in accepted if row and each.lease_owner == row.get("lease_owner")]
        if status is Status.SENT:
            demand(
                len(recorded) == 1, 2, f"{user} is sent, and accepted {len(recorded)} times by its recorder"
            )

    def _no_secret(self, secrets: Sequence[str]) -> None:
        kept = [str(row) for row in self._tables.rows("USERS_NOTIFICATIONS_TABLE")]
        for text in (*self.log, *kept):
            demand(not any(secret in text for secret in secrets), 7, f"a secret is in {text[:200]}")


class LogKeeper(logging.Handler):
    """Keeps what the product logs, exceptions included."""

    _STANDARD = frozenset(vars(logging.makeLogRecord({})))

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        extra = {name: value for name, value in vars(record).items() if name not in self._STANDARD}
        raised = "".join(traceback.format_exception(record.exc_info[1])) if record.exc_info else ""
        self.lines.append(f"{record.levelname} {record.getMessage()} {extra} {raised}".rstrip())
