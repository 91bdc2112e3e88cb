"""The seven points of the design, checked while a run goes on and when it has come to rest."""

import logging
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from chalicelib.channels.base import Letter
from chalicelib.domain.backoff import FIRST_PAUSE_SECONDS, JITTER
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage, FanOutMessage
from chalicelib.domain.results import RateLimited, Retryable, SendResult
from chalicelib.domain.statuses import Status, status_of_letter
from chalicelib.domain.times import Clock, later, parse
from chalicelib.services.letters import letter_id
from tests.faults.sqs import Sqs
from tests.faults.tables import Row, Tables
from tests.faults.violations import demand


@dataclass(frozen=True)
class Acceptance:
    """A channel has taken a letter. What the sender knows of it depends on what happens next."""

    letter: str
    lease_owner: str
    lease_until: datetime
    answer_is_lost: bool


@lru_cache(maxsize=4096)
def _held_by(variable: str, body: str) -> tuple[str, str | range]:
    """(dispatch, user or chunks) that a message holds."""
    if variable.startswith("FAN_OUT"):
        message = FanOutMessage.load(body)
        return message.dispatch_id, range(message.chunks.first, message.chunks.last)
    delivery = DeliveryMessage.load(body)
    return delivery.dispatch_id, delivery.user_id


class SevenPoints:
    """What is watched in one run."""

    def __init__(
        self, tables: Tables, sqs: Sqs, clock: Clock, users: Sequence[str], chunk_size: int, lane: Lane
    ) -> None:
        self._tables, self._sqs, self._clock = tables, sqs, clock
        self._chunks = [list(users[start : start + chunk_size]) for start in range(0, len(users), chunk_size)]
        self._users = users
        self._lane = lane
        self._final: dict[tuple[str, str], str] = {}
        self._not_before: dict[str, datetime] = {}
        self.unsubscribed_at: dict[str, datetime] = {}
        self.accepted: dict[str, list[Acceptance]] = defaultdict(list)
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
        for dispatch in self._tables.rows("DISPATCHES_TABLE"):
            self._everything_of_it_is_there(dispatch)
            self._letters_tell_the_truth(dispatch, rows)
            if "pending" not in dispatch and "cancelled_at" not in dispatch:
                for user in self._users:
                    self._is_held(user, dispatch["id"], rows.get((user, dispatch["id"])), held)

    def _nothing_final_changes(self, rows: Mapping[tuple[str, str], Row]) -> None:
        for key, status in self._final.items():
            if self.are_failed_sent_again and status == Status.FAILED:
                continue
            if key[0] in self.erased and key not in rows:
                continue
            now = rows[key]["status"] if key in rows else "gone"
            demand(now == status, 2, f"the final row of {key} was {status} and is {now}")
        self._final |= {key: row["status"] for key, row in rows.items() if Status(row["status"]).is_terminal}

    def _held(self) -> set[tuple[str, str]]:
        held: set[tuple[str, str]] = set()
        for variable, message in self._sqs.all():
            demand(self._lane.upper() in variable, 3, f"a message of the {self._lane} lane is in {variable}")
            dispatch, whom = _held_by(variable, message.body)
            users = (
                [whom] if isinstance(whom, str) else [user for chunk in whom for user in self._chunks[chunk]]
            )
            held |= {(dispatch, user) for user in users}
        return held

    def _everything_of_it_is_there(self, dispatch: Row) -> None:
        notifications = {row["id"] for row in self._tables.rows("NOTIFICATIONS_TABLE")}
        demand(dispatch["notification_id"] in notifications, 1, "a dispatch without its notification")
        chunks = {int(row["chunk"]) for row in self._tables.rows("AUDIENCES_TABLE")}
        demand(chunks == set(range(len(self._chunks))), 1, f"a dispatch with the chunks {chunks} only")

    def _letters_tell_the_truth(self, dispatch: Row, rows: Mapping[tuple[str, str], Row]) -> None:
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

    def _is_held(self, user: str, dispatch_id: str, row: Row | None, held: set[tuple[str, str]]) -> None:
        if user in self.erased:
            return  # the tombstone is their end
        if row is not None:
            if Status(row["status"]).is_terminal:
                return
            if row["status"] == Status.UNSENT and row.get("attention", "").startswith("unsent#"):
                demand(bool(row.get("reason")), 5, f"{user} is unsent without a reason")
                return
        demand((dispatch_id, user) in held, 1, f"nothing holds {user}, whose row is {row}")

    # At each send.

    def before_send(self, user: str, function_seconds: float) -> None:
        """Points 2 and 4, and what a channel asked for when it said "try later"."""
        demand(
            user not in self.erased or self._has_row(user), 4,
            f"{user} is sent to, and was erased before the claim",
        )  # fmt: skip
        row = self._row(user)
        now = self._clock()
        demand(not Status(row["status"]).is_terminal, 2, f"{user} is sent to, and is {row['status']}")
        for earlier in self.accepted[user]:
            demand(
                earlier.answer_is_lost or earlier.lease_until <= now, 2,
                f"{user} is sent to though another, who holds the row, has sent",
            )  # fmt: skip
        demand(parse(row["lease_until"]) > now, 2, f"{user} is sent to beyond the lease")
        demand(
            self._not_before.get(user, now) <= now, 2, f"{user} is sent to before the time that was asked for"
        )
        unsubscribed = self.unsubscribed_at.get(user, now)
        demand(
            (now - unsubscribed).total_seconds() <= function_seconds, 4, f"{user} has unsubscribed long ago"
        )

    def take(self, letter: Letter, user: str, *, answer_is_lost: bool) -> None:
        """The channel has accepted a letter."""
        row = self._row(user)
        self.accepted[user].append(
            Acceptance(letter.id, row["lease_owner"], parse(row["lease_until"]), answer_is_lost)
        )

    def answered(self, user: str, result: SendResult) -> None:
        """The product has got an answer."""
        now = self._clock()
        if isinstance(result, RateLimited):
            self._not_before[user] = later(now, result.retry_after_seconds)
        elif isinstance(result, Retryable):
            self._not_before[user] = later(now, FIRST_PAUSE_SECONDS[self._lane] * (1 - JITTER))

    def _row(self, user: str) -> Row:
        (row,) = (row for row in self._tables.rows("USERS_NOTIFICATIONS_TABLE") if row["user_id"] == user)
        return row

    def _has_row(self, user: str) -> bool:
        return any(row["user_id"] == user for row in self._tables.rows("USERS_NOTIFICATIONS_TABLE"))

    @property
    def second_sends(self) -> int:
        """How often somebody was sent what they had already."""
        return sum(len(acceptances) - 1 for acceptances in self.accepted.values() if acceptances)

    # At rest.

    def at_rest(self, expected: Mapping[str, frozenset[Status]], secrets: Sequence[str]) -> None:
        """Everybody has come to what was to be expected, once, and nothing is left over."""
        demand(not list(self._sqs.all()), 1, "messages are left")
        (dispatch,) = self._tables.rows("DISPATCHES_TABLE")
        demand("pending" not in dispatch, 1, "the dispatch is still pending")
        is_cancelled = "cancelled_at" in dispatch
        rows = {row["user_id"]: row for row in self._tables.rows("USERS_NOTIFICATIONS_TABLE")}
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
        self._no_secret(secrets)

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
        accepted = self.accepted[user]
        recorded = [each for each in accepted if row and each.lease_owner == row.get("lease_owner")]
        if status is Status.SENT:
            demand(
                len(recorded) == 1, 2, f"{user} is sent, and accepted {len(recorded)} times by its recorder"
            )
        ids = {each.letter for each in accepted}
        demand(ids <= {letter_id(dispatch_id, user)}, 2, f"{user} was sent letters of several ids: {ids}")

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
