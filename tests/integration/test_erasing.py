"""Erasure: nothing is left of a user but a tombstone, whatever was in flight, and the counts still add up."""

from collections.abc import Callable

import pytest

from chalicelib.domain.fanning import ChunkRange
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import FanOutMessage
from chalicelib.domain.results import Permanent, Retryable
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso, later
from chalicelib.services import erasure, send_again
from chalicelib.services.contact_lines import CSV, import_request
from chalicelib.services.contacts import put_contact
from chalicelib.services.errors import ConflictError
from chalicelib.services.recipients import recipient_of
from chalicelib.services.rights import Principal
from chalicelib.tables.base import DATABASE_ERRORS
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.rows_of_user import remove_rows, remove_unchanged, rows_after
from chalicelib.tables.unsubscribes import ERASED_AGAIN_AFTER_SECONDS, Unsubscribe, lift_tombstone
from chalicelib.tables.users_notifications import Lease, UsersNotification, add_exception, claim_for_sending
from infra.definitions import queue_definitions
from tests.support import factories
from tests.support.aws import World
from tests.support.factories import START, address_of, user_ids

ANNA, BORIS = user_ids(2)
DELIVERY = "DELIVERY_REGULAR_QUEUE_URL"
DEAD = "DELIVERY_REGULAR_DEAD_QUEUE_URL"
DEAD_FAN_OUT = "FAN_OUT_REGULAR_DEAD_QUEUE_URL"
ROWS = "users_notifications"
OPERATOR = Principal("administrator", "operator")


def posted(world: World) -> Dispatch:
    """A dispatch to Anna and Boris, still in the fan-out queue."""
    world.knows([ANNA, BORIS])
    return world.submit([ANNA, BORIS])


def queued(world: World) -> Dispatch:
    """A dispatch to Anna and Boris, both in the delivery queue."""
    dispatch = posted(world)
    world.fan_out()
    return dispatch


def unsent(world: World) -> Dispatch:
    """A dispatch to Anna and Boris, whom no queue took."""
    world.queues.down.add(world.queues.url(DELIVERY))
    dispatch = queued(world)
    world.queues.down.clear()
    assert world.counts(dispatch) == {"unsent": 2}
    return dispatch


def erased(world: World) -> None:
    world.erases(ANNA)


def comes_to_rest(world: World) -> None:
    """All that is in flight is worked, and the sweep erases once more."""
    world.settle(seconds=ERASED_AGAIN_AFTER_SECONDS)
    world.clock.now = max(world.clock(), later(START, ERASED_AGAIN_AFTER_SECONDS + 1))
    assert world.sweep().get("users erased") == 1
    world.settle()
    assert_nothing_is_left(world)
    assert "users erased" not in world.sweep()


def assert_nothing_is_left(world: World, user: str = ANNA) -> None:
    """A tombstone is all that there is of a user."""
    assert user not in world.rows()
    assert user not in {contact["user_id"] for contact in world.table("CONTACTS_TABLE")}
    (tombstone,) = [row for row in world.table("UNSUBSCRIBES_TABLE") if row["user_id"] == user]
    assert tombstone["scopes"] == {"*"}
    assert {"erased_at", "updated_at", "listed", "listed_as"} | {"user_id", "scopes"} == tombstone.keys()
    assert not [
        each for name in queue_definitions() for each in world.queues.waiting(name) if user in each.body
    ]


def test_before_fan_out_only_the_letter_tells_of_her(world: World) -> None:
    dispatch = posted(world)
    assert world.erases(ANNA)
    world.settle()
    assert world.letters(dispatch) == "cs"
    assert world.channel.addresses() == {address_of(BORIS): 1}
    comes_to_rest(world)
    assert world.counts(dispatch) == {"cancelled": 1, "sent": 1}


@pytest.mark.parametrize("lane", Lane)
def test_between_fan_out_and_deliver_nothing_is_sent(world: World, lane: Lane) -> None:
    world.knows([ANNA, BORIS])
    dispatch = world.submit([ANNA, BORIS], is_express=lane is Lane.EXPRESS)
    world.fan_out(lane)
    assert world.erases(ANNA)
    world.settle()
    assert world.channel.addresses() == {address_of(BORIS): 1}
    comes_to_rest(world)
    assert world.counts(dispatch) == {"cancelled": 1, "sent": 1}


def test_who_is_erased_while_being_sent_counts_as_sent(world: World) -> None:
    dispatch = queued(world)
    answers: list[bool] = []
    world.channel.on_send = lambda letter: (
        answers.append(world.erases(ANNA)) if letter.address == address_of(ANNA) else None
    )
    world.deliver()
    assert answers == [False]  # the row is left to the sweep: its outcome is to count
    assert world.row(ANNA)["status"] == "sent"
    assert world.counts(dispatch) == {"sent": 2}
    comes_to_rest(world)
    assert world.counts(dispatch) == {"sent": 2}


@pytest.mark.parametrize(
    ("answer", "counts"),
    [(Retryable("busy"), {"cancelled": 1, "sent": 1}), (Permanent("no"), {"failed": 1, "sent": 1})],
)
def test_what_fails_while_she_is_erased_is_not_tried_again(
    world: World, answer: Retryable | Permanent, counts: dict[str, int]
) -> None:
    dispatch = queued(world)
    world.channel.answers[address_of(ANNA)] = [answer]
    world.channel.on_send = lambda letter: erased(world)
    world.deliver()
    comes_to_rest(world)
    assert world.channel.addresses()[address_of(ANNA)] == 1
    assert world.counts(dispatch) == counts


def test_a_claim_of_who_read_before_the_tombstone_is_erased_again(world: World) -> None:
    dispatch = queued(world)
    done: list[bool] = []
    world.database.before("UpdateItem", ROWS, lambda: done.append(world.erases(ANNA)))
    world.deliver(limit=1)
    assert done == [True]
    assert world.row(ANNA)["address"] == address_of(ANNA)  # the claim came after the erasure
    comes_to_rest(world)
    assert world.counts(dispatch) == {"sent": 2}


def test_a_lease_that_ran_out_is_no_hindrance(world: World) -> None:
    dispatch = queued(world)
    recipient = recipient_of(dispatch, ANNA, 0, 0)
    claim_for_sending(recipient, address_of(ANNA), Lease("died", later(START, 60)), START)
    assert not world.erases(ANNA)
    world.clock.advance(61)
    assert world.erases(ANNA)
    assert ANNA not in world.rows()
    assert world.letters(dispatch) == "c."


def test_an_outcome_that_comes_late_brings_nothing_back(world: World) -> None:
    dispatch = queued(world)

    def sleeps_beyond_the_lease_and_is_erased() -> None:
        world.clock.advance(200)
        assert world.erases(ANNA)

    world.channel.on_send = lambda letter: (
        sleeps_beyond_the_lease_and_is_erased() if letter.address == address_of(ANNA) else None
    )
    world.deliver(limit=1)
    assert ANNA not in world.rows()
    world.clock.advance(400)
    world.settle()
    world.sweep()
    assert_nothing_is_left(world)
    assert world.channel.addresses()[address_of(ANNA)] == 1
    assert world.counts(dispatch) == {"cancelled": 1, "sent": 1}


def test_the_unsent_are_gone_at_once(world: World) -> None:
    dispatch = unsent(world)
    assert world.erases(ANNA)
    assert world.letters(dispatch) == "cu"
    assert world.sweep()["requeued"] == 1
    comes_to_rest(world)
    assert world.counts(dispatch) == {"cancelled": 1, "sent": 1}


def test_the_sweep_sends_nobody_who_is_erased(world: World) -> None:
    dispatch = unsent(world)
    assert not world.erases(ANNA, seconds=1)  # there was no time for the rows
    assert world.row(ANNA)["status"] == "unsent"
    assert world.sweep() == {"erased": 1, "requeued": 1}
    assert not [each for each in world.queues.waiting(DELIVERY) if ANNA in each.body]
    comes_to_rest(world)
    assert world.counts(dispatch) == {"cancelled": 1, "sent": 1}


def test_erased_while_the_sweep_sends_her_again(world: World) -> None:
    dispatch = unsent(world)
    world.queues.refuses = lambda body: ANNA in body and not world.erases(ANNA)
    world.sweep()
    world.queues.refuses = lambda body: False
    comes_to_rest(world)
    assert world.channel.addresses() == {address_of(BORIS): 1}
    assert world.counts(dispatch) == {"cancelled": 1, "sent": 1}


@pytest.mark.parametrize("knows", [[], [BORIS]])
def test_a_row_of_a_fan_out_that_read_before_the_tombstone(world: World, knows: list[str]) -> None:
    world.knows(knows)
    dispatch = world.submit([ANNA, BORIS])
    world.database.before("PutItem", ROWS, lambda: world.erases(ANNA))
    world.fan_out()
    assert world.row(ANNA)["status"] == "wrong_contact"
    comes_to_rest(world)
    assert world.counts(dispatch)["wrong_contact"] == 2 - len(knows)


def test_an_unsent_letter_that_comes_late_hides_nothing(world: World) -> None:
    world.queues.down.add(world.queues.url(DELIVERY))
    dispatch = posted(world)
    world.database.before("UpdateItem", "progress", lambda: world.erases(ANNA))
    world.fan_out()
    assert world.letters(dispatch) == "cu"


def test_the_directory_is_away_and_so_is_she(world: World) -> None:
    dispatch = posted(world)
    assert world.erases(ANNA)
    world.database.fail("BatchGetItem", "contacts", times=3)
    world.fan_out()
    assert world.statuses() == {BORIS: "unsent"}
    assert world.counts(dispatch) == {"cancelled": 1, "unsent": 1}


def test_a_dead_letter_writes_no_row_of_her(world: World) -> None:
    dispatch = posted(world)
    world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL").clear()
    world.queues.put(DEAD, factories.delivery(dispatch.id, ANNA).dump())
    world.queues.put(DEAD, factories.delivery(dispatch.id, BORIS, position=1).dump())
    assert world.erases(ANNA)
    assert world.bury() == 2
    assert world.statuses() == {BORIS: "failed"}
    comes_to_rest(world)
    assert world.counts(dispatch) == {"cancelled": 1, "failed": 1}


def test_a_dead_fan_out_message_writes_no_row_of_her(world: World) -> None:
    dispatch = posted(world)
    world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL").clear()
    world.queues.put(DEAD_FAN_OUT, FanOutMessage(dispatch.id, ChunkRange(0, 1)).dump())
    assert world.erases(ANNA)
    world.bury()
    comes_to_rest(world)
    assert world.counts(dispatch) == {"cancelled": 1, "failed": 1}


def test_a_dead_letter_that_read_before_the_tombstone_is_erased_again(world: World) -> None:
    dispatch = posted(world)
    world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL").clear()
    world.queues.put(DEAD, factories.delivery(dispatch.id, ANNA).dump())
    world.queues.put(DEAD, factories.delivery(dispatch.id, BORIS, position=1).dump())
    world.database.before("UpdateItem", ROWS, lambda: world.erases(ANNA))
    world.bury()
    assert ANNA in world.rows()
    comes_to_rest(world)
    assert world.counts(dispatch) == {"failed": 2}


@pytest.mark.parametrize("operation", ["UpdateItem", "Query"])
def test_sent_again_by_hand_while_she_is_erased(world: World, operation: str) -> None:
    world.channel.by_default = Permanent("no")
    dispatch = queued(world)
    world.deliver()
    world.clock.advance(send_again.SETTLED_AFTER_SECONDS + 1)
    world.database.before(operation, ROWS, lambda: world.erases(ANNA))
    assert send_again.send_failed_again(dispatch.notification_id, OPERATOR, world.clock) == 1
    assert world.statuses() == {BORIS: "unsent"}
    world.sweep()
    world.clock.advance(ERASED_AGAIN_AFTER_SECONDS)
    comes_to_rest(world)
    assert world.counts(dispatch) == {"failed": 2}


def test_sent_again_just_before_her_row_would_be_deleted(world: World) -> None:
    world.channel.by_default = Permanent("no")
    dispatch = queued(world)
    world.deliver()
    world.clock.advance(send_again.SETTLED_AFTER_SECONDS + 1)
    again = lambda: send_again.send_failed_again(dispatch.notification_id, OPERATOR, world.clock, ANNA)  # noqa: E731
    world.database.before("DeleteItem", ROWS, again)
    assert not world.erases(ANNA)
    assert world.row(ANNA)["status"] == "unsent"
    assert world.sweep() == {"erased": 1}
    assert world.letters(dispatch) == "cf"
    world.clock.advance(ERASED_AGAIN_AFTER_SECONDS)
    comes_to_rest(world)


def test_a_letter_that_got_lost_is_made_up_for(world: World) -> None:
    dispatch = queued(world)
    add_exception(recipient_of(dispatch, ANNA, 0, 0), Status.SENT, "", Lane.REGULAR, START)
    assert world.erases(ANNA)
    world.settle()
    assert world.counts(dispatch) == {"sent": 2}


# Contacts.


def test_a_contact_of_an_erased_user_is_refused(world: World) -> None:
    world.erases(ANNA)
    with pytest.raises(ConflictError, match="erased"):
        put_contact({"user_id": ANNA, "email": "anna@example.com"})
    report = import_request(f"user_id\n{ANNA}\n{BORIS}\n{ANNA}".encode(), CSV)
    assert (report.lines, report.imported, report.rejected) == (3, 1, 2)
    assert [(error.line, error.field) for error in report.errors] == [(2, "user_id"), (4, "user_id")]
    assert [row["user_id"] for row in world.table("CONTACTS_TABLE")] == [BORIS]


def test_an_import_in_flight_is_erased_again(world: World) -> None:
    world.database.before("BatchWriteItem", "contacts", lambda: world.erases(ANNA))
    import_request(f"user_id,email\n{ANNA},anna@example.com\n".encode(), CSV)
    assert [row["user_id"] for row in world.table("CONTACTS_TABLE")] == [ANNA]
    comes_to_rest(world)


# The run itself.


def test_a_user_of_whom_nothing_is_known_gets_a_tombstone(world: World) -> None:
    for _ in range(2):
        assert world.erases(ANNA)
    comes_to_rest(world)


@pytest.mark.parametrize(
    ("operation", "table"),
    [("DeleteItem", "contacts"), ("Query", ROWS), ("UpdateItem", "progress"), ("BatchWriteItem", ROWS)],
)
def test_an_erasure_that_died_midway_is_ended_by_the_sweep(world: World, operation: str, table: str) -> None:
    dispatch = queued(world)
    world.deliver()
    world.database.fail(operation, table)
    with pytest.raises(DATABASE_ERRORS):
        world.erases(ANNA)
    comes_to_rest(world)
    assert world.counts(dispatch) == {"sent": 2}


def test_more_rows_than_there_is_time_for(world: World) -> None:
    world.checks = False
    rows = [factories.dispatch(id=f"dispatch-{number:03}") for number in range(250)]
    for each in rows:
        add_exception(recipient_of(each, ANNA, 0, 0), Status.SENT, "", Lane.REGULAR, START)
    seconds = [3 * erasure.TIME_KEPT_BACK_SECONDS]

    def runs_out() -> float:
        seconds[0] -= erasure.TIME_KEPT_BACK_SECONDS
        return seconds[0]

    assert not erasure.erase(ANNA, "administrator:anna", world.clock, runs_out)
    assert len(world.table("USERS_NOTIFICATIONS_TABLE")) == 50
    world.clock.advance(ERASED_AGAIN_AFTER_SECONDS)
    assert world.sweep(seconds=14) == {"users erased": 1}
    assert world.table("USERS_NOTIFICATIONS_TABLE") == []


def test_one_that_cannot_be_erased_does_not_hold_up_the_others(world: World) -> None:
    world.erases(ANNA)
    world.erases(BORIS)
    world.clock.advance(ERASED_AGAIN_AFTER_SECONDS)
    world.database.fail("DeleteItem", "contacts")
    assert world.sweep() == {"errors": 1, "users erased": 1}
    assert world.sweep() == {"users erased": 1}


def test_only_her_own_rows_are_deleted(world: World) -> None:
    dispatch = queued(world)
    world.deliver()
    before = world.row(BORIS)
    assert world.erases(ANNA)
    assert world.rows() == {BORIS: before}
    assert [contact["user_id"] for contact in world.table("CONTACTS_TABLE")] == [BORIS]
    assert world.counts(dispatch) == {"sent": 2}


def a_row(world: World, status: Status) -> UsersNotification:
    dispatch = factories.dispatch()
    add_exception(recipient_of(dispatch, ANNA, 0, 0), status, "no", Lane.REGULAR, START)
    (row,) = rows_after(ANNA, None, 10)
    return row


@pytest.mark.parametrize("status", [Status.SENT, Status.FAILED, Status.UNSENT])
def test_an_echo_of_a_removal_is_a_removal(world: World, status: Status) -> None:
    row = a_row(world, status)
    lost = world.database.lose_answers("BatchWriteItem" if status is Status.SENT else "DeleteItem", ROWS)
    assert remove_rows([row])
    assert lost
    assert world.rows() == {}


def test_a_row_that_has_changed_stays(world: World) -> None:
    row = a_row(world, Status.UNSENT)
    recipient = recipient_of(factories.dispatch(id=row.dispatch_id), ANNA, 0, 0)
    claim_for_sending(recipient, "a@example.com", Lease("other", later(START, 60)), START)
    assert not remove_unchanged(row)
    assert world.row(ANNA)["status"] == "sending"


# Who comes back.


def comes_back(world: World) -> None:
    world.clock.advance(ERASED_AGAIN_AFTER_SECONDS)
    assert world.sweep()["users erased"] == 1
    assert lift_tombstone(ANNA, world.clock())
    put_contact({"user_id": ANNA, "email": "new@example.com"})


@pytest.mark.parametrize("work", [lambda world: None, World.fan_out], ids=["in fan out", "in delivery"])
def test_what_was_dispatched_before_she_came_back_stays_erased(
    world: World, work: Callable[[World], None]
) -> None:
    dispatch = posted(world)
    work(world)
    assert world.erases(ANNA)
    comes_back(world)
    world.settle()
    assert world.channel.addresses() == {address_of(BORIS): 1}
    assert ANNA not in world.rows()
    assert world.counts(dispatch) == {"cancelled": 1, "sent": 1}


def test_what_is_dispatched_afterwards_is_sent_to_her(world: World) -> None:
    world.erases(ANNA)
    comes_back(world)
    world.clock.advance(1)
    world.submit([ANNA])
    world.settle()
    assert world.channel.addresses() == {"new@example.com": 1}
    (row,) = world.table("UNSUBSCRIBES_TABLE")
    assert row["erased_before"] < iso(world.clock())


def test_erased_a_second_time(world: World) -> None:
    world.erases(ANNA)
    comes_back(world)
    assert world.erases(ANNA)
    found = Unsubscribe.one(ANNA, consistent=True)
    assert found is not None
    assert found.erased_at == iso(world.clock())
    assert world.table("CONTACTS_TABLE") == []
