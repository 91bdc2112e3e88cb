"""Queues that refuse for a time: what could not be sent on is held elsewhere, and sent when they are back."""

import pytest

from chalicelib.domain.fanning import ChunkRange
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import FanOutMessage
from chalicelib.domain.results import Retryable
from chalicelib.domain.times import iso, later
from chalicelib.services.hand_over import hand_over
from chalicelib.tables.dispatches import Dispatch, make_due_at, take_back, unmark_pending
from tests.support.aws import World, stored_dispatch
from tests.support.factories import START, address_of, user_ids

FAN_OUT = "FAN_OUT_REGULAR_QUEUE_URL"
DELIVERY = "DELIVERY_REGULAR_QUEUE_URL"
HOUR = 3600


def chunks_in(world: World) -> list[str]:
    return [str(each.fan_out.chunks) for each in world.queues.waiting(FAN_OUT)]


def submitted(world: World, count: int) -> Dispatch:
    users = user_ids(count)
    world.knows(users)
    return world.submit(users)


def test_parts_that_are_refused_are_pending_and_their_message_is_done(world: World) -> None:
    dispatch = submitted(world, 301)
    world.queues.refuses = lambda body: "[1, 2]" in body or "[2, 3]" in body
    assert world.fan_out(limit=1) == 1
    assert chunks_in(world) == ["0-1", "3-4"]
    stored = stored_dispatch(dispatch.id)
    assert stored.pending_chunks == [ChunkRange(1, 3)]
    assert stored.waiting


def test_the_sweep_sends_on_what_was_refused_and_nothing_else(world: World) -> None:
    dispatch = submitted(world, 301)
    world.queues.refuses = lambda body: "[1, 2]" in body or "[2, 3]" in body
    world.fan_out(limit=1)
    world.queues.refuses = lambda body: False
    world.clock.advance(60)
    assert world.sweep() == {"dispatches sent": 1}
    assert sorted(chunks_in(world)) == ["0-1", "1-3", "3-4"]
    (row,) = world.table("DISPATCHES_TABLE")
    assert {"pending", "waiting"}.isdisjoint(row)
    world.checks = False
    world.settle(seconds=600)
    assert world.counts(dispatch) == {"sent": 301}
    assert set(world.channel.addresses().values()) == {1}


def test_an_outage_of_hours_leads_to_no_dead_letter(world: World) -> None:
    dispatch = submitted(world, 250)
    for variable in (FAN_OUT, DELIVERY):
        world.queues.down.add(world.queues.url(variable))
    for _ in range(15):
        world.fan_out()
        world.deliver()
        world.sweep()
        world.clock.advance(480)
    assert world.counts(dispatch) == {"queued": 250}
    world.queues.down.clear()
    world.clock.advance(60)
    world.sweep()
    world.checks = False
    world.settle(seconds=HOUR)
    assert world.counts(dispatch) == {"sent": 250}
    assert set(world.channel.addresses().values()) == {1}


def test_while_the_queue_refuses_one_dispatch_is_tried_in_each_run(world: World) -> None:
    world.queues.down.add(world.queues.url(FAN_OUT))
    for _ in range(3):
        submitted(world, 1)
    world.clock.advance(60)
    tried = world.queues.batches
    assert world.sweep() == {}
    assert world.queues.batches == tried + 1


def test_more_dispatches_than_one_hundred_are_sent_in_one_run(world: World) -> None:
    world.queues.down.add(world.queues.url(FAN_OUT))
    world.knows(user_ids(1))
    world.checks = False
    for _ in range(203):
        world.submit(user_ids(1))
    world.queues.down.clear()
    world.clock.advance(60)
    assert world.sweep() == {"dispatches sent": 203}


def test_the_hundreds_of_what_is_late_keep_their_distance(world: World) -> None:
    world.queues.down.add(world.queues.url(FAN_OUT))
    dispatch = submitted(world, 250)
    world.queues.down.clear()
    world.clock.advance(HOUR)
    world.sweep()
    stored = stored_dispatch(dispatch.id)
    assert stored.due_at == iso(world.clock())
    assert stored.expires_at >= dispatch.expires_at + HOUR
    world.fan_out()
    assert {(each.delivery.chunk, each.delay) for each in world.queues.waiting(DELIVERY)} == {
        (0, 0),
        (1, 60),
        (2, 120),
    }


def test_of_what_was_taken_back_the_first_hundred_goes_at_once(world: World) -> None:
    dispatch = submitted(world, 500)
    world.queues.refuses = lambda body: "[3, 4]" in body or "[4, 5]" in body
    world.fan_out()
    world.queues.refuses = lambda body: False
    world.clock.advance(HOUR)
    world.sweep()
    assert stored_dispatch(dispatch.id).due == later(START, HOUR - 3 * 60)
    world.fan_out()
    late = {
        (each.delivery.chunk, each.delay)
        for each in world.queues.waiting(DELIVERY)
        if each.delivery.chunk >= 3
    }
    assert late == {(3, 0), (4, 60)}


def test_what_is_not_late_keeps_its_time(world: World) -> None:
    dispatch = submitted(world, 500)
    world.queues.refuses = lambda body: "[4, 5]" in body
    world.fan_out()
    world.queues.refuses = lambda body: False
    world.clock.advance(90)
    world.sweep()
    assert stored_dispatch(dispatch.id).due_at == dispatch.due_at
    world.fan_out()
    (delay,) = {each.delay for each in world.queues.waiting(DELIVERY) if each.delivery.chunk == 4}
    assert delay == 4 * 60 - 90


def test_what_is_taken_back_while_it_is_handed_over_stays_pending(world: World) -> None:
    dispatch = submitted(world, 301)
    take_back(dispatch, [ChunkRange(1, 2)])
    read = stored_dispatch(dispatch.id)
    world.database.before("UpdateItem", "dispatches", lambda: take_back(dispatch, [ChunkRange(3, 4)]))
    hand_over([read], world.clock())
    stored = stored_dispatch(dispatch.id)
    assert stored.pending
    assert stored.pending_chunks == [ChunkRange(1, 2), ChunkRange(3, 4)]


def test_what_is_taken_back_again_is_not_lost_by_the_echo_of_its_hand_over(world: World) -> None:
    dispatch = submitted(world, 201)
    take_back(dispatch, [ChunkRange(1, 2)])
    read = stored_dispatch(dispatch.id)
    unmark_pending(read)
    take_back(dispatch, [ChunkRange(1, 2)])  # the same chunks, refused once more
    unmark_pending(read)
    assert stored_dispatch(dispatch.id).pending_chunks == [ChunkRange(1, 2)]
    assert stored_dispatch(dispatch.id).pending


def test_lost_answers_change_nothing(world: World) -> None:
    dispatch = submitted(world, 201)
    lost = world.database.lose_answers("UpdateItem", "dispatches")
    world.queues.refuses = lambda body: "[1, 2]" in body
    world.fan_out(limit=1)
    assert len(lost) == 1
    world.queues.refuses = lambda body: False
    world.clock.advance(180)
    assert world.sweep() == {"dispatches sent": 1}
    assert len(lost) == 3  # it is due anew, and its mark goes
    assert stored_dispatch(dispatch.id).waiting is None


def test_what_was_put_off_or_sent_meanwhile_is_not_made_due(world: World) -> None:
    dispatch = submitted(world, 1)  # it is in the queue: it is pending no more
    assert not make_due_at(dispatch, later(START, 1), 0)
    take_back(dispatch, [ChunkRange(0, 1)])
    dispatch.due_at = iso(later(START, 7))  # somebody else has changed it
    assert not make_due_at(dispatch, later(START, 1), 0)


def test_a_dispatch_that_is_gone_is_not_written_again(world: World) -> None:
    dispatch = submitted(world, 201)
    world.queues.down.add(world.queues.url(FAN_OUT))
    world.database.before("UpdateItem", "dispatches", dispatch.delete)
    world.fan_out(limit=1)
    assert world.table("DISPATCHES_TABLE") == []
    assert len(world.queues.waiting(FAN_OUT)) == 1  # it comes again, and ends among the dead letters


@pytest.mark.parametrize("lane", Lane)
def test_a_retry_that_the_queue_refuses_is_unsent(world: World, lane: Lane) -> None:
    (user,) = users = user_ids(1)
    world.knows(users)
    dispatch = world.submit(users, is_express=lane is Lane.EXPRESS)
    world.fan_out(lane)
    delivery = f"DELIVERY_{lane.upper()}_QUEUE_URL"
    world.channel.answers[address_of(user)] = [Retryable("451 try later")]
    world.queues.down.add(world.queues.url(delivery))
    world.deliver(lane)
    assert not world.queues.waiting(delivery)  # acknowledged
    row = world.row(user)
    assert (row["status"], row["reason"], row["attempts"]) == ("unsent", "queue unavailable", 1)
    assert row["attention_at"] >= row["not_before"] > iso(world.clock())  # not sooner than it may be tried
    assert world.counts(dispatch) == {"unsent": 1}
    world.queues.down.clear()
    assert world.sweep() == {}
    world.clock.advance(60)
    assert world.sweep() == {"requeued": 1}
    world.settle()
    assert world.counts(dispatch) == {"sent": 1}
    assert world.row(user)["attempts"] == 2


def test_a_retry_is_kept_when_neither_queue_nor_table_can_be_reached(world: World) -> None:
    (user,) = users = user_ids(1)
    world.knows(users)
    dispatch = world.submit(users)
    world.fan_out()
    world.channel.answers[address_of(user)] = [Retryable("451 try later")]
    world.queues.down.add(world.queues.url(DELIVERY))
    world.database.fail("UpdateItem", if_body="unsent#", times=3)
    world.deliver()
    assert [each.receives for each in world.queues.waiting(DELIVERY)] == [1]
    world.queues.down.clear()
    world.settle(seconds=HOUR)
    assert world.counts(dispatch) == {"sent": 1}


def test_whoever_is_just_being_sent_to_is_not_unsent(world: World) -> None:
    (user,) = users = user_ids(1)
    world.knows(users)
    dispatch = world.submit(users)
    world.fan_out()
    body = world.queues.waiting(DELIVERY)[0].body
    world.queues.put(DELIVERY, body)
    answered: list[int] = []

    def second_copy(_: object) -> None:
        if not answered:
            answered.append(1)
            world.queues.down.add(world.queues.url(DELIVERY))
            world.deliver(limit=1)  # finds the lease of the first
            world.queues.down.clear()

    world.checks = False
    world.channel.on_send = second_copy
    world.deliver(limit=1)
    world.checks = True
    assert world.row(user)["status"] == "sent"
    assert len(world.queues.waiting(DELIVERY)) == 1  # the second copy comes again
    world.settle(seconds=HOUR)
    assert world.counts(dispatch) == {"sent": 1}
    assert len(world.channel.sent) == 1


def test_a_message_of_the_whole_holds_what_the_mark_does_not(world: World) -> None:
    """A range that comes again after it was taken back is worked twice, which does no harm."""
    dispatch = submitted(world, 201)
    take_back(dispatch, [ChunkRange(1, 2)])
    world.queues.put(FAN_OUT, FanOutMessage(dispatch.id, ChunkRange(1, 2)).dump())
    world.clock.advance(60)
    world.sweep()
    world.checks = False
    world.settle(seconds=HOUR)
    assert world.counts(dispatch) == {"sent": 201}
    assert set(world.channel.addresses().values()) == {1}
