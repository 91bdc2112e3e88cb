"""What follows from a batch of deliveries and is written once for all of it: hops, letters, counts."""

from collections import Counter
from dataclasses import dataclass, field

from chalicelib import queues
from chalicelib.domain.messages import DeliveryMessage
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import Clock
from chalicelib.observability import logger
from chalicelib.tables import activity
from chalicelib.tables.base import DATABASE_ERRORS
from chalicelib.tables.progress import set_letters


@dataclass(frozen=True)
class Incoming:
    """A message of the batch, the id by which it is reported, and the tenant it belongs to."""

    id: str
    message: DeliveryMessage
    group: str


@dataclass
class Aftermath:
    """Gathers what is to be written; `failures` are the messages that have to come again."""

    failures: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _letters: dict[tuple[str, int], dict[int, Status]] = field(default_factory=dict)
    _lettered: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    _hops: list[tuple[str, queues.Outgoing]] = field(default_factory=list)

    def letter(self, incoming: Incoming, status: Status) -> None:
        """Record a final status in the chunk's progress."""
        message = incoming.message
        chunk = (message.dispatch_id, message.chunk)
        self._letters.setdefault(chunk, {})[message.position] = status
        self._lettered.setdefault(chunk, []).append(incoming.id)

    def hop(self, incoming: Incoming, delay_seconds: int) -> None:
        """Go on later: a new message, and the old one is acknowledged. To hide would count as a receive."""
        outgoing = queues.Outgoing(incoming.message.dump(), incoming.group, delay_seconds)
        self._hops.append((incoming.id, outgoing))

    def write(self, queue_url: str, clock: Clock) -> None:
        """Write it all. Whoever something fails for comes again: their row says what has been done."""
        # The hops first: without them a pause of seconds becomes one of the visibility timeout.
        refused = queues.send_all(queue_url, [outgoing for _, outgoing in self._hops])
        self.failures += [self._hops[index][0] for index in refused]
        for chunk, statuses in self._letters.items():
            try:
                set_letters(*chunk, statuses)
            except DATABASE_ERRORS as error:
                logger.warning("progress not recorded", extra={"dispatch": chunk[0], "error": str(error)})
                self.failures += self._lettered[chunk]
        if self.counts:
            self._count(clock)

    def _count(self, clock: Clock) -> None:
        try:
            activity.count(self.counts, clock())
        except DATABASE_ERRORS as error:
            logger.warning("activity not counted", extra={"error": str(error)})  # a statistic, no promise
