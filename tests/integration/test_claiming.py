"""The claim: who may send, in every state that a row can be in."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.lanes import Lane
from chalicelib.domain.statuses import TERMINAL, Status
from chalicelib.domain.times import iso, later
from chalicelib.tables.unsent import (
    finish_unsent,
    mark_requeued,
    postpone_unsent,
    settle_finished,
    unsent_keys,
    unsent_rows,
)
from chalicelib.tables.users_notifications import (
    Busy,
    Claimed,
    Finished,
    Lease,
    Outcome,
    UsersNotification,
    add_exception,
    claim_for_sending,
    fail_unless_held,
    write_outcome,
)
from tests.support.aws import World
from tests.support.factories import START, recipient

ADDRESS = "anna@example.com"
MINE = Lease("mine", later(START, 65))
WHO = recipient()


def stand(**fields: Any) -> UsersNotification:
    """A row as a test needs it."""
    row = UsersNotification(
        WHO.user_id,
        WHO.dispatch_id,
        **{
            "notification_id": WHO.notification_id,
            "chunk": 0,
            "position": 0,
            "address": "old@example.com",
            "due_at": WHO.due_at,
            "updated_at": iso(START),
            "expires_at": WHO.expires_at,
            **fields,
        },
    )
    row.save()
    return row


def claim(lease: Lease = MINE) -> Claimed | Finished | Busy:
    return claim_for_sending(WHO, ADDRESS, lease, START)


def read() -> UsersNotification:
    found = UsersNotification.one(WHO.user_id, WHO.dispatch_id, consistent=True)
    assert found is not None
    return found


def is_mine(result: Claimed | Finished | Busy) -> bool:
    row = read()
    return (
        isinstance(result, Claimed)
        and (row.status, row.lease_owner, row.lease_until) == ("sending", "mine", iso(MINE.until))
        and row.address == ADDRESS
        and row.to_simple_dict().keys().isdisjoint({"attention", "attention_at", "not_before"})
        and (result.row.attempts, result.row.lease_owner) == (row.attempts, "mine")
    )


def test_no_row_is_free_and_the_claim_makes_a_whole_one(world: World) -> None:
    assert is_mine(claim())
    row = read()
    assert (row.notification_id, row.chunk, row.position) == ("notification", 0, 0)
    assert (row.due_at, row.expires_at, row.attempts) == (WHO.due_at, WHO.expires_at, 0)


FREE: dict[str, dict[str, Any]] = {
    "unsent": {"status": "unsent", "attention": "unsent#regular#1", "attention_at": iso(START), "sweeps": 3},
    "queued by the sweep": {"status": "queued"},
    "queued, and its time has come": {"status": "queued", "not_before": iso(START), "attempts": 2},
    "a lease that has run out": {
        "status": "sending", "lease_owner": "other", "lease_until": iso(START),
    },
    "already mine: an echo": {"status": "sending", "lease_owner": "mine", "lease_until": iso(MINE.until)},
}  # fmt: skip


@pytest.mark.parametrize("fields", FREE.values(), ids=FREE.keys())
def test_a_free_row_is_taken(world: World, fields: dict[str, Any]) -> None:
    stand(**fields)
    assert is_mine(claim())
    assert read().attempts == fields.get("attempts", 0)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_final_row_stays_as_it_is(world: World, status: Status) -> None:
    stand(status=status, lease_owner="mine")
    before = read().to_simple_dict()
    assert claim() == Finished(status)
    assert read().to_simple_dict() == before


def test_a_live_lease_of_another_is_busy_until_it_ends(world: World) -> None:
    until = later(START, 30)
    stand(status="sending", lease_owner="other", lease_until=iso(until))
    assert claim() == Busy(until)
    assert read().lease_owner == "other"


def test_a_retry_before_its_time_is_busy_until_then(world: World) -> None:
    until = later(START, 900)
    stand(status="queued", not_before=iso(until))
    assert claim() == Busy(until)
    assert read().status == "queued"


def test_of_two_one_gets_it(world: World) -> None:
    assert isinstance(claim(Lease("other", later(START, 65))), Claimed)
    assert claim() == Busy(later(START, 65))


# The outcome.


def claimed() -> UsersNotification:
    result = claim()
    assert isinstance(result, Claimed)
    return result.row


def test_an_outcome_is_kept_with_its_attempt(world: World) -> None:
    assert write_outcome(claimed(), Outcome(Status.SENT, START, 1, provider_id="250 Ok"))
    row = read()
    assert (row.status, row.attempts, row.provider_id) == ("sent", 1, "250 Ok")
    assert row.last_attempts == [{"at": iso(START), "result": "sent"}]


def test_a_failure_stands_in_the_index(world: World) -> None:
    assert write_outcome(claimed(), Outcome(Status.FAILED, START, 1, "smtp 550: no"))
    (key,) = UsersNotification.attention_index.query(f"failed#{WHO.dispatch_id}")
    assert (key.user_id, key.attention_at) == (WHO.user_id, iso(START))


def test_the_last_two_attempts_are_kept(world: World) -> None:
    for attempt in range(1, 4):
        outcome = Outcome(Status.QUEUED, START, attempt, f"reason {attempt}", not_before=START)
        assert write_outcome(claimed(), outcome)
    assert [each["result"] for each in read().last_attempts] == ["reason 2", "reason 3"]
    assert (read().attempts, read().reason) == (3, "reason 3")


def test_who_has_lost_the_lease_writes_nothing(world: World) -> None:
    row = claimed()
    late = later(MINE.until, 1)
    assert isinstance(claim_for_sending(WHO, ADDRESS, Lease("other", later(late, 65)), late), Claimed)
    assert not write_outcome(row, Outcome(Status.SENT, late, 1))
    assert (read().status, read().lease_owner) == ("sending", "other")


def test_a_lease_that_has_run_out_is_still_mine_until_another_takes_it(world: World) -> None:
    assert write_outcome(claimed(), Outcome(Status.SENT, later(MINE.until, 60), 1))
    assert read().status == "sent"


def test_who_was_buried_meanwhile_writes_nothing(world: World) -> None:
    row = claimed()
    assert fail_unless_held(WHO, "dead_letter", later(MINE.until, 1)) is None
    assert not write_outcome(row, Outcome(Status.SENT, START, 1))
    assert read().status == "failed"


# Lost answers: each write is carried out, its answer lost, and the SDK sends it again.


def test_the_echo_of_a_claim_is_mine(world: World) -> None:
    lost = world.database.lose_answers("UpdateItem")
    assert is_mine(claim())
    assert len(lost) == 1


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Status.SENT, START, 1),
        Outcome(Status.FAILED, START, 1, "no"),
        Outcome(Status.QUEUED, START, 1, "later", not_before=later(START, 30)),
    ],
    ids=lambda outcome: outcome.status,
)
def test_the_echo_of_an_outcome_is_ours(world: World, outcome: Outcome) -> None:
    row = claimed()
    lost = world.database.lose_answers("UpdateItem")
    assert write_outcome(row, outcome)
    assert lost
    assert (read().status, read().attempts) == (outcome.status, 1)
    assert len(read().last_attempts) == 1


def test_the_echo_of_an_exception_tells_its_status(world: World) -> None:
    lost = world.database.lose_answers("PutItem")
    assert add_exception(WHO, Status.UNSENT, "why", Lane.REGULAR, START) is Status.UNSENT
    assert lost


def unsent() -> UsersNotification:
    add_exception(WHO, Status.UNSENT, "why", Lane.EXPRESS, START)
    (row,) = unsent_rows(unsent_keys(Lane.EXPRESS, START, 10))
    return row


def test_the_echo_of_a_requeue_is_ours(world: World) -> None:
    row = unsent()
    lost = world.database.lose_answers("UpdateItem")
    assert mark_requeued(row, START)
    assert lost
    assert read().status == "queued"
    assert "attention" not in read().to_simple_dict()


def test_the_echo_of_an_end_is_ours(world: World) -> None:
    row = unsent()
    lost = world.database.lose_answers("UpdateItem")
    assert finish_unsent(row, Status.FAILED, "expired", START)
    settle_finished(row, Status.FAILED, START)
    assert len(lost) == 2
    assert (read().status, read().attention) == ("failed", "failed#dispatch")


def test_the_echo_of_a_burial_is_ours(world: World) -> None:
    lost = world.database.lose_answers("UpdateItem")
    assert fail_unless_held(WHO, "dead_letter", START) is None
    assert lost


def test_a_later_burial_finds_the_failure(world: World) -> None:
    assert fail_unless_held(WHO, "dead_letter", START) is None
    assert fail_unless_held(WHO, "dead_letter", later(START, 1)) == Finished(Status.FAILED)


# An unsent row.


def test_a_mark_that_has_moved_on_is_not_cleared(world: World) -> None:
    row = unsent()
    assert postpone_unsent(row, later(START, 60), "away")
    assert not mark_requeued(row, START)
    assert not finish_unsent(row, Status.FAILED, "expired", START)
    assert not postpone_unsent(row, later(START, 90), "away")
    assert (read().status, read().attention_at, read().sweeps) == ("unsent", iso(later(START, 60)), 1)


def test_a_row_that_was_sent_meanwhile_stays_sent(world: World) -> None:
    row = unsent()
    assert write_outcome(claimed(), Outcome(Status.SENT, START, 1))
    assert not mark_requeued(row, START)
    assert not finish_unsent(row, Status.FAILED, "expired", START)
    assert read().status == "sent"


def test_a_row_that_is_gone_is_nobodys(world: World) -> None:
    row = unsent()
    row.delete()
    assert not mark_requeued(row, START)
    assert UsersNotification.one(WHO.user_id, WHO.dispatch_id) is None


def test_the_unsent_come_oldest_first_and_not_before_their_time(world: World) -> None:
    for number in range(5):
        who = recipient(user_id=f"u{number}")
        at = START + timedelta(seconds=10 - number)
        add_exception(who, Status.UNSENT, "why", Lane.REGULAR, at)
    found = unsent_rows(unsent_keys(Lane.REGULAR, later(START, 9), 3))
    assert [row.user_id for row in found] == ["u4", "u3", "u2"]
    assert unsent_rows(unsent_keys(Lane.EXPRESS, later(START, 99), 3)) == []


# Sizes.


def size(item: dict[str, Any]) -> int:
    """The size of an item as DynamoDB counts it: names and values in UTF-8, numbers at 21 bytes at most."""
    return sum(len(name.encode()) + min(len(str(value).encode()), 1000) for name, value in item.items())


@pytest.mark.parametrize("status", [Status.QUEUED, Status.FAILED, Status.SENT])
@pytest.mark.parametrize("letter", ["x", "я", "\N{GRINNING FACE}"])
def test_a_row_of_the_longest_values_is_below_a_thousand_bytes(
    world: World, status: Status, letter: str
) -> None:
    uuid = "0192f0c8-1111-7222-8333-444455556666"
    who = recipient(user_id=uuid, dispatch_id=uuid, notification_id=uuid, chunk=9999, position=99)
    address = "a" * 64 + "@" + "b" * 189
    assert len(address) == 254
    long = letter * 2000
    add_exception(who, Status.UNSENT, long, Lane.REGULAR, START, address)
    (row,) = unsent_rows(unsent_keys(Lane.REGULAR, START, 1))
    postpone_unsent(row, later(START, 60), long)
    lease = Lease("0123456789abcdef", later(START, 65))
    for attempt in (98, 99):
        result = claim_for_sending(who, address, lease, later(START, attempt))
        assert isinstance(result, Claimed)
        is_last = attempt == 99
        outcome = Outcome(
            status if is_last else Status.QUEUED,
            later(START, attempt),
            attempt,
            None if is_last and status is Status.SENT else long,
            provider_id=long if is_last and status is Status.SENT else None,
            not_before=START if not is_last or status is Status.QUEUED else None,
        )
        assert write_outcome(result.row, outcome)
    (item,) = world.table("USERS_NOTIFICATIONS_TABLE")
    assert len(item["last_attempts"]) > 100
    assert size(item) <= 1000, item
