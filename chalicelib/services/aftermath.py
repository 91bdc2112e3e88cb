"""What follows from a batch of deliveries and is written once for all of it: hops, letters, counts."""

from collections import Counter
from dataclasses import dataclass, field

from chalicelib import queues
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage
from chalicelib.domain.statuses import LETTERS, Status, WhyUnsent
from chalicelib.domain.times import Clock, later
from chalicelib.observability import LATENCY, NOT_TAKEN, UNSENT, Figures, Metric, logger, measure
from chalicelib.services.counting import count_all, counts_of
from chalicelib.services.naming import dimensions_of, names_of
from chalicelib.services.recipients import recipient_of, record_letters
from chalicelib.tables.base import DATABASE_ERRORS
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.unsent import hold_unsent


@dataclass(frozen=True)
class Incoming:
    """A message of the batch, the id by which it is reported, and the tenant it belongs to."""

    id: str
    message: DeliveryMessage
    group: str


@dataclass
class _Letters:
    """What becomes of one chunk's progress, and by which messages."""

    dispatch: Dispatch
    chunk: int
    statuses: dict[int, Status] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    incoming: list[str] = field(default_factory=list)

    def write(self) -> None:
        # Of two messages for one recipient the first may have found a final row.
        record_letters(self.dispatch, self.chunk, self.statuses, self.erased - self.statuses.keys())


@dataclass
class Tally:
    """What became of the batch's recipients of one dispatch: one line, however many they are."""

    dispatch: Dispatch
    messages: int = 0
    figures: Counter[Metric] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    """Of those that were sent, the seconds since they were due."""
    not_taken: list[float] = field(default_factory=list)
    """Of each try 0, or 100 if the provider did not take it."""

    @property
    def counts(self) -> Counter[str]:
        """The same as it is counted in a minute."""
        return counts_of(self.dispatch.type, self.figures, self.latencies)

    def log(self) -> None:
        values = {LATENCY: self.latencies, NOT_TAKEN: self.not_taken}
        figures: Figures = {**self.figures, **{metric: each for metric, each in values.items() if each}}
        measure("delivered", figures, **dimensions_of(self.dispatch), messages=self.messages)


@dataclass(frozen=True)
class _Hop:
    """A message that goes on later; if its dispatch could not be read, nothing else can hold it."""

    incoming: Incoming
    dispatch: Dispatch | None
    delay_seconds: int

    @property
    def outgoing(self) -> queues.Outgoing:
        return queues.Outgoing(self.incoming.message.dump(), self.incoming.group, self.delay_seconds)


@dataclass
class Aftermath:
    """Gathers what is to be written; `failures` are the messages that have to come again."""

    failures: list[str] = field(default_factory=list)
    _tallies: dict[str, "Tally"] = field(default_factory=dict)
    _letters: dict[tuple[str, int], "_Letters"] = field(default_factory=dict)
    _hops: list[_Hop] = field(default_factory=list)

    def tally(self, dispatch: Dispatch) -> "Tally":
        """Where it is counted what becomes of a dispatch's recipients."""
        return self._tallies.setdefault(dispatch.id, Tally(dispatch))

    def letter(self, incoming: Incoming, dispatch: Dispatch, status: Status) -> None:
        """Record a final status in the chunk's progress."""
        self._of_chunk(incoming, dispatch).statuses[incoming.message.position] = status

    def erased(self, incoming: Incoming, dispatch: Dispatch) -> None:
        """The recipient is an erased user: cancelled, unless their letter tells of an end before that."""
        self._of_chunk(incoming, dispatch).erased.add(incoming.message.position)

    def _of_chunk(self, incoming: Incoming, dispatch: Dispatch) -> "_Letters":
        chunk = incoming.message.chunk
        found = self._letters.setdefault((dispatch.id, chunk), _Letters(dispatch, chunk))
        found.incoming.append(incoming.id)
        return found

    def hop(self, incoming: Incoming, dispatch: Dispatch | None, delay_seconds: int) -> None:
        """Go on later: a new message, and the old one is acknowledged. To hide would count as a receive."""
        self._hops.append(_Hop(incoming, dispatch, delay_seconds))

    def write(self, queue_url: str, clock: Clock) -> None:
        """Write it all. Whoever something fails for comes again: their row says what has been done."""
        # The hops first: without them a pause of seconds becomes one of the visibility timeout.
        for index in queues.send_all(queue_url, [each.outgoing for each in self._hops]):
            self._hold(self._hops[index], clock)
        for letters in self._letters.values():
            try:
                letters.write()
            except DATABASE_ERRORS as error:
                logger.warning(
                    "progress not recorded", extra={**names_of(letters.dispatch), "error": str(error)}
                )
                self.failures += letters.incoming
        self._count(clock)
        for tally in self._tallies.values():
            tally.log()

    def _hold(self, hop: _Hop, clock: Clock) -> None:
        """A hop that the queue refused: from now on the recipient is unsent, and the sweep's to send."""
        incoming, dispatch = hop.incoming, hop.dispatch
        status = _hold_unsent(incoming.message, dispatch, hop.delay_seconds, clock) if dispatch else None
        if dispatch is None or status is None or status not in LETTERS:
            self.failures.append(incoming.id)
        else:
            self.letter(incoming, dispatch, status)
            self.tally(dispatch).figures[UNSENT] += status is Status.UNSENT

    def _count(self, clock: Clock) -> None:
        for lane in Lane:
            counts = (each.counts for each in self._tallies.values() if each.dispatch.lane is lane)
            count_all(lane, sum(counts, Counter()), clock())


def _hold_unsent(
    message: DeliveryMessage, dispatch: Dispatch, delay_seconds: int, clock: Clock
) -> Status | None:
    """What stands in the recipient's row then; None if the database, too, is out of reach."""
    recipient = recipient_of(dispatch, message.user_id, message.chunk, message.position)
    now = clock()
    try:
        return hold_unsent(
            recipient, message.address, WhyUnsent.QUEUE, dispatch.lane, later(now, delay_seconds), now
        )
    except DATABASE_ERRORS as error:
        logger.warning("not held", extra={**names_of(dispatch), "error": str(error)})
        return None
