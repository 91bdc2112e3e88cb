"""Mail events: what becomes of a mail after it was sent stands in its row, and a wrong address is suppressed.

Each kind of event is noted and counted once, by one transaction of the rows and the minute's counts. Whoever
does the same again, since a message came twice or a function died, finds the notes there and adds nothing.
"""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from chalicelib.channels import CHANNELS
from chalicelib.domain.lanes import Lane
from chalicelib.domain.mail_events import EventKind, MailEvent
from chalicelib.domain.times import Clock
from chalicelib.observability import (
    BOUNCED,
    COMPLAINED,
    DELAYED,
    DELIVERED,
    REJECTED,
    Metric,
    about,
    logger,
    measure,
)
from chalicelib.services.counting import counts_of
from chalicelib.tables import suppressions
from chalicelib.tables.activity import count_events
from chalicelib.tables.base import batch_get
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.transactions import TransactionLostError, Update, transact, update_of
from chalicelib.tables.users_notifications import UsersNotification

CHANNEL = "mail"
METRICS: Mapping[EventKind, Metric] = {
    EventKind.DELIVERED: DELIVERED,
    EventKind.DELAYED: DELAYED,
    EventKind.BOUNCED: BOUNCED,
    EventKind.COMPLAINED: COMPLAINED,
    EventKind.REJECTED: REJECTED,
}

ROUNDS = 6
FIRST_PAUSE_SECONDS = 0.05
"""A transaction that met another is made anew so often, after pauses that double."""

Key = tuple[str, str]
"""User and dispatch."""
Notes = dict[EventKind, str]


def work(events: Sequence[MailEvent], clock: Clock) -> None:
    """Note events, count them and suppress whom they name. Done again it does no harm.

    TransactionLostError when others are always quicker: then the events have to come again.
    """
    wanted = _first_notes(events)
    rows = _note_all(wanted, clock)
    for event in events:
        # Of a row that is gone the user may have been erased: then no address is written down anew.
        row = rows.get(event.key) if event.key else None
        with about(**({"notification": row.notification_id, "dispatch": row.dispatch_id} if row else {})):
            _suppress(event, keeps_address=event.key is None or row is not None)


def _note_all(wanted: Mapping[Key, Notes], clock: Clock) -> dict[Key, UsersNotification]:
    """Note and count them; the rows as they were before."""
    rows, lanes = _read(wanted)
    pause = FIRST_PAUSE_SECONDS
    for _ in range(ROUNDS - 1):
        try:
            _note(wanted, rows, lanes, clock())
        except TransactionLostError:
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause *= 2
            rows, lanes = _read(wanted)
        else:
            return rows
    _note(wanted, rows, lanes, clock())
    return rows


def _first_notes(events: Iterable[MailEvent]) -> dict[Key, Notes]:
    """Of each row the first event of each kind."""
    notes: defaultdict[Key, Notes] = defaultdict(dict)
    for event in events:
        if event.key:
            known = notes[event.key].get(event.kind)
            notes[event.key][event.kind] = min(known or event.note, event.note)
    return dict(notes)


def _read(wanted: Iterable[Key]) -> tuple[dict[Key, UsersNotification], dict[str, Lane]]:
    keys = list(wanted)
    found = batch_get(
        {UsersNotification: keys, Dispatch: [dispatch_id for _, dispatch_id in keys]}, consistent=True
    )
    rows = {(row.user_id, row.dispatch_id): row for row in found[UsersNotification]}
    return rows, {each.id: each.lane for each in found[Dispatch]}


def _suppress(event: MailEvent, *, keeps_address: bool) -> None:
    for named in event.addresses:
        address = CHANNELS[CHANNEL].address_of(named)
        if address is None:
            logger.warning("not an address", extra={"event": str(event.kind)})
            continue
        if suppressions.suppress(CHANNEL, address, event.said, event.at, keeps_address=keeps_address):
            logger.info(
                "suppressed",
                extra={
                    "suppression": suppressions.suppression_id(CHANNEL, address),
                    "event": str(event.kind),
                },
            )


def _note(
    wanted: Mapping[Key, Notes],
    rows: Mapping[Key, UsersNotification],
    lanes: Mapping[str, Lane],
    now: datetime,
) -> None:
    """Write what the rows do not say yet, and count what is new, in one."""
    updates: list[Update] = []
    counted: defaultdict[Lane, Counter[Metric]] = defaultdict(Counter)
    for key, row in rows.items():
        known = row.event_notes
        notes = {kind: note for kind, note in wanted[key].items() if kind not in known or note < known[kind]}
        if notes:
            updates.append(_update(row, notes))
            new = (kind for kind in notes if kind not in known)
            counted[lanes.get(row.dispatch_id, Lane.REGULAR)].update(METRICS[kind] for kind in new)
    updates += [count_events(lane, counts_of(CHANNEL, each), now) for lane, each in counted.items() if each]
    if not updates:
        return
    transact(updates)
    for lane, figures in counted.items():
        measure("mail events", figures, lane=lane, channel=CHANNEL)


def _update(row: UsersNotification, notes: Notes) -> Update:
    """A row's notes, on the condition that they are as they were read: also that the row is there still."""
    model = UsersNotification
    condition = model.user_id.exists()
    for kind in notes:
        attribute = getattr(model, kind)
        before = row.event_notes.get(kind)
        condition &= attribute.does_not_exist() if before is None else attribute == before
    return update_of(
        model,
        row.user_id,
        row.dispatch_id,
        actions=[getattr(model, kind).set(note) for kind, note in notes.items()],
        condition=condition,
    )
