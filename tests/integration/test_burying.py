"""Dead letters: what nobody could handle is a failure that everybody can see."""

import pytest
from botocore.exceptions import ClientError

from chalicelib.domain.fanning import ChunkRange
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import FanOutMessage
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso, later
from chalicelib.services.recipients import recipient_of
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.users_notifications import (
    Claimed,
    Lease,
    Outcome,
    add_exception,
    claim_for_sending,
    write_outcome,
)
from tests.support import factories
from tests.support.aws import World
from tests.support.factories import START, user_id, user_ids

DEAD = "DELIVERY_REGULAR_DEAD_QUEUE_URL"
DEAD_FAN_OUT = "FAN_OUT_REGULAR_DEAD_QUEUE_URL"
ANNA = user_id(1)


def dead(world: World) -> Dispatch:
    """A dispatch whose one delivery message is a dead letter."""
    dispatch = world.submit([ANNA])
    world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL").clear()
    world.queues.put(DEAD, factories.delivery(dispatch.id).dump())
    return dispatch


def claimed(dispatch: Dispatch, seconds: float) -> Claimed:
    result = claim_for_sending(
        recipient_of(dispatch, ANNA, 0, 0), "a@b.c", Lease("owner", later(START, seconds)), START
    )
    assert isinstance(result, Claimed)
    return result


def test_a_recipient_without_a_row_has_failed(world: World) -> None:
    dispatch = dead(world)
    assert world.bury() == 1
    row = world.row(ANNA)
    assert (row["status"], row["reason"], row["attention"]) == (
        "failed", "dead_letter", f"failed#{dispatch.id}",
    )  # fmt: skip
    assert world.counts(dispatch) == {"failed": 1}


def test_a_retry_that_died_has_failed(world: World) -> None:
    dispatch = dead(world)
    row = claimed(dispatch, 65).row
    write_outcome(row, Outcome(Status.QUEUED, START, 1, "busy", not_before=later(START, 30)))
    world.bury()
    assert (world.row(ANNA)["status"], world.row(ANNA)["attempts"]) == ("failed", 1)
    assert world.counts(dispatch) == {"failed": 1}


def test_while_somebody_holds_the_row_it_is_looked_at_again_then(world: World) -> None:
    dispatch = dead(world)
    claimed(dispatch, 65)
    world.bury()
    (put_off,) = world.queues.waiting(DEAD)
    assert put_off.delay == 66
    assert world.counts(dispatch) == {"queued": 1}
    world.clock.advance(66)
    world.bury()
    assert world.counts(dispatch) == {"failed": 1}
    assert not world.queues.waiting(DEAD)


def test_who_was_sent_meanwhile_stays_sent(world: World) -> None:
    dispatch = dead(world)
    write_outcome(claimed(dispatch, 65).row, Outcome(Status.SENT, START, 1))
    world.bury()
    assert world.row(ANNA)["status"] == "sent"
    assert world.counts(dispatch) == {"sent": 1}


def test_an_unsent_recipient_is_left_to_the_sweep(world: World) -> None:
    dispatch = dead(world)
    add_exception(recipient_of(dispatch, ANNA, 0, 0), Status.UNSENT, "why", Lane.REGULAR, START)
    world.bury()
    assert world.row(ANNA)["status"] == "unsent"
    assert world.counts(dispatch) == {"unsent": 1}


def test_a_letter_that_cannot_be_set_has_the_message_come_again(world: World) -> None:
    dispatch = dead(world)
    world.database.fail("UpdateItem", "progress")
    world.bury()
    assert world.letters(dispatch) == "."
    world.clock.advance(360)
    world.bury()
    assert world.letters(dispatch) == "f"


def test_a_chunk_fails_whoever_has_no_row(world: World) -> None:
    dispatch = world.submit(user_ids(3))
    world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL").clear()
    world.queues.put(DEAD_FAN_OUT, FanOutMessage(dispatch.id, ChunkRange(0, 1)).dump())
    write_outcome(claimed(dispatch, 65).row, Outcome(Status.SENT, START, 1))
    world.bury()
    assert world.letters(dispatch) == "sff"
    assert world.row(user_id(2))["reason"] == "dead_letter"
    assert world.row(user_id(2))["attention_at"] == iso(START)


def test_a_wide_range_is_split_until_each_chunk_has_failed(world: World) -> None:
    dispatch = world.submit(user_ids(120))
    world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL").clear()
    world.queues.put(DEAD_FAN_OUT, FanOutMessage(dispatch.id, ChunkRange(0, 2)).dump())
    assert world.bury() == 3
    assert world.counts(dispatch) == {"failed": 120}


@pytest.mark.parametrize("lane", Lane)
def test_a_fan_out_that_never_works_ends_as_visible_failures(world: World, lane: Lane) -> None:
    dispatch = world.submit(user_ids(2), is_express=lane is Lane.EXPRESS)
    world.checks = False
    broken = ClientError({"Error": {"Code": "ValidationException", "Message": "no"}}, "BatchGetItem")
    world.database.fail("BatchGetItem", times=5, if_body='"unsubscribes"', error=broken)
    world.settle(seconds=5 * 360)
    world.check()
    assert world.counts(dispatch) == {"failed": 2}


def test_a_cancelled_dispatch_has_no_failures(world: World) -> None:
    dispatch = world.submit(user_ids(2))
    world.queues.put(DEAD_FAN_OUT, FanOutMessage(dispatch.id, ChunkRange(0, 1)).dump())
    world.cancel(dispatch)
    world.bury()
    assert world.rows() == {}
    assert world.counts(dispatch) == {"cancelled": 2}


def test_who_came_to_an_end_before_the_dispatch_was_cancelled_counts_as_that(world: World) -> None:
    users = user_ids(2)
    world.knows(users)
    dispatch = world.submit(users)
    world.fan_out()
    world.database.fail("UpdateItem", "progress")
    world.deliver()
    assert world.counts(dispatch) == {"queued": 2}
    first, _ = world.queues.waiting("DELIVERY_REGULAR_QUEUE_URL")
    world.queues.put(DEAD, first.body)
    world.cancel(dispatch)
    world.bury()
    assert world.counts(dispatch) == {"sent": 1, "cancelled": 1}
    world.queues.put(DEAD_FAN_OUT, FanOutMessage(dispatch.id, ChunkRange(0, 1)).dump())
    world.bury()
    assert world.counts(dispatch) == {"sent": 2}


def test_what_names_nobody_is_logged_and_gone(world: World) -> None:
    dispatch = world.submit(user_ids(1))
    bodies = {
        DEAD: ["not ours", factories.delivery("nothing").dump()],
        DEAD_FAN_OUT: [
            "{}",
            FanOutMessage("nothing", ChunkRange(0, 1)).dump(),
            FanOutMessage(dispatch.id, ChunkRange(8, 9)).dump(),
        ],
    }
    for variable, each in bodies.items():
        assert world.invoke(world.handlers[variable], variable, each, 60) == set()
    assert world.rows() == {}


def test_a_queue_that_is_not_ours_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEAD, "https://sqs/another")
    bodies = [factories.delivery().dump()]
    monkeypatch.setattr(world.queues, "url", lambda variable: "https://sqs/unheard-of")
    assert world.invoke(world.handlers[DEAD], DEAD, bodies, 60) == {0}
