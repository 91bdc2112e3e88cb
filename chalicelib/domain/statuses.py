"""The states of a users notification.

(no row: queued) ─▶ sending ─▶ sent | failed
unsent ─▶ queued ─▶ sending ─▶ queued (try later) | sent | failed
unsubscribed | wrong_contact | cancelled: final from the start
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Status(StrEnum):
    QUEUED = "queued"
    UNSENT = "unsent"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNSUBSCRIBED = "unsubscribed"
    WRONG_CONTACT = "wrong_contact"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL

    @property
    def is_sent_to_queue(self) -> bool:
        """The original's flag: whether the recipient's message has reached a queue."""
        return self not in (Status.UNSENT, Status.UNSUBSCRIBED, Status.WRONG_CONTACT)


TERMINAL = frozenset(
    {Status.SENT, Status.FAILED, Status.CANCELLED, Status.UNSUBSCRIBED, Status.WRONG_CONTACT}
)


class WhyUnsent(StrEnum):
    """Why a recipient is in no queue."""

    QUEUE = "queue unavailable"
    DIRECTORY = "directory unavailable"
    AGAIN = "sent again by hand"


LETTERS: Mapping[Status, str] = {
    Status.UNSENT: "u",
    Status.SENT: "s",
    Status.FAILED: "f",
    Status.CANCELLED: "c",
    Status.UNSUBSCRIBED: "n",
    Status.WRONG_CONTACT: "w",
}
"""What stands in a chunk's progress item. Who has no letter there is queued (or being sent)."""

_STATUS_OF = {letter: status for status, letter in LETTERS.items()}


def status_of_letter(letter: str | None, *, is_cancelled: bool = False) -> Status:
    """The status of a progress letter; in a cancelled dispatch, whoever is not final is cancelled."""
    status = Status.QUEUED if letter is None else _STATUS_OF[letter]
    return Status.CANCELLED if is_cancelled and not status.is_terminal else status


def count_by_status(letters: Iterable[str], recipients: int, *, is_cancelled: bool = False) -> dict[str, int]:
    """How many recipients are in each status; the numbers always add up to `recipients`."""
    counts = dict.fromkeys((*LETTERS, Status.QUEUED), 0)
    for letter in letters:
        counts[status_of_letter(letter, is_cancelled=is_cancelled)] += 1
    counts[status_of_letter(None, is_cancelled=is_cancelled)] += recipients - sum(counts.values())
    return {str(status): counts[status] for status in Status if status in counts}
