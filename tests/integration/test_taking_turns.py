"""Rates: slots are taken in one write before anything is claimed, and who has none comes back for it."""

import itertools
from collections import Counter
from collections.abc import Sequence

import pytest

from chalicelib import settings
from chalicelib.domain.lanes import Lane
from chalicelib.domain.pacing import Pace
from chalicelib.services.pacing import check_rates, rate_of
from chalicelib.settings import SettingsError
from chalicelib.tables import paces
from chalicelib.tables.base import BatchUnprocessedError
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.paces import PaceItem, change_pace
from tests.support.aws import World
from tests.support.factories import START, address_of, user_id, user_ids

DELIVERY = "DELIVERY_REGULAR_QUEUE_URL"
ANNA, BEN = user_ids(2)
RATE = 10
EXPRESS_RATE, REGULAR_RATE = 3, 7


@pytest.fixture
def paced(world: World) -> World:
    """Mail that has a rate; the moments of its sends are in `world.channel.moments`."""
    world.configure("CHANNEL_RATES", f"mail={RATE}")
    return world


def sent_to(world: World) -> Counter[str]:
    """How often each address was sent to."""
    return Counter(letter.address for letter in world.channel.sent)


def moments(world: World) -> list[float]:
    """When something is sent, from now on, in seconds."""
    found: list[float] = []
    world.channel.on_send = lambda letter: found.append(world.clock().timestamp())
    return found


def most_in_a_second(found: Sequence[float]) -> int:
    return max(sum(1 for each in found if start <= each < start + 0.9999) for start in found)


def test_all_are_sent_once_at_the_rate_and_without_an_attempt_more(paced: World) -> None:
    users = user_ids(60)
    paced.knows(users)
    sent_at = moments(paced)
    paced.submit(users)
    paced.settle(120)
    assert set(sent_to(paced).values()) == {1}
    assert {row["attempts"] for row in paced.rows().values()} == {1}
    assert most_in_a_second(sent_at) <= REGULAR_RATE
    # Nobody stands idle for long: by one function after the other it takes little more than the rate says.
    assert max(sent_at) - START.timestamp() < 2 * len(users) / REGULAR_RATE


def test_nothing_is_claimed_before_its_turn(paced: World) -> None:
    users = user_ids(20)
    paced.knows(users)
    paced.submit(users)
    paced.fan_out()
    paced.deliver()
    sent = set(paced.channel.addresses())
    assert 0 < len(sent) < len(users)
    assert paced.rows().keys() == {user for user in users if address_of(user) in sent}
    waiting = [each for each in paced.queues.waiting(DELIVERY) if each.delivery.slot is not None]
    assert len(waiting) == len(users) - len(sent)


def test_one_write_for_a_batch(paced: World) -> None:
    users = user_ids(5)
    paced.knows(users)
    paced.submit(users)
    paced.fan_out()
    written = paced.database.record("PutItem", "paces")
    paced.deliver()
    assert len(written) == 1


def test_express_does_not_stand_behind_regular(paced: World) -> None:
    many = user_ids(60)
    paced.knows([*many, user_id(100)])
    paced.submit(many)
    paced.fan_out()
    paced.deliver()
    before = paced.clock()
    paced.submit([user_id(100)], is_express=True)
    paced.fan_out(Lane.EXPRESS)
    paced.deliver(Lane.EXPRESS)
    assert sent_to(paced)[address_of(user_id(100))] == 1
    assert paced.clock() == before


def test_who_is_not_sent_to_takes_no_slot(paced: World) -> None:
    paced.knows([ANNA, BEN])
    dispatch = paced.submit([ANNA, BEN])
    paced.fan_out()
    paced.unsubscribes(ANNA, "mail")
    paced.cancel(dispatch)
    paced.deliver()
    assert paced.table("PACES_TABLE") == []
    assert not paced.channel.sent


def test_without_a_rate_nothing_is_written(world: World) -> None:
    world.knows([ANNA])
    world.submit([ANNA])
    world.settle()
    assert world.channel.sent
    assert world.table("PACES_TABLE") == []


def test_zero_is_no_rate(world: World) -> None:
    world.configure("CHANNEL_RATES", "telegram=0")
    assert rate_of("telegram", Lane.REGULAR) is None
    world.configure("CHANNEL_RATES", "")
    assert rate_of("telegram", Lane.REGULAR) == 14


def test_an_outage_of_the_table_costs_time_and_nothing_else(paced: World) -> None:
    paced.knows([ANNA])
    paced.submit([ANNA])
    paced.fan_out()
    paced.database.fail("PutItem", if_body='"paces"')
    paced.deliver()
    assert not paced.channel.sent
    assert not paced.rows()
    (hop,) = paced.queues.waiting(DELIVERY)
    assert hop.delay > 0
    paced.settle(120)
    assert paced.row(ANNA)["attempts"] == 1


def test_what_another_function_has_written_is_seen(paced: World) -> None:
    users = user_ids(6)
    paced.knows(users)
    sent_at = moments(paced)
    for part in (users[:3], users[3:]):
        paces.forget()  # a function that has seen nothing
        paced.submit(part)
        paced.fan_out()
        at = paced.clock.now
        paced.deliver()
        paced.clock.now = at  # both at the same moment
    paced.settle(60)
    assert len(sent_at) == 6
    assert most_in_a_second(sent_at) <= REGULAR_RATE
    assert len(set(sent_at)) == 6


def test_its_own_echo_takes_no_second_slot(paced: World) -> None:
    paced.knows([ANNA])
    paced.submit([ANNA])
    paced.fan_out()
    lost = paced.database.lose_answers("PutItem", "paces")
    paced.deliver()
    assert lost
    assert paced.channel.addresses() == {address_of(ANNA): 1}
    (item,) = paced.table("PACES_TABLE")
    assert '"regular":' in item["state"]
    assert paces._loaded(item["state"]).free[Lane.REGULAR] == pytest.approx(
        START.timestamp() + 1 / REGULAR_RATE, abs=0.01
    )


def test_where_there_is_always_somebody_it_is_an_outage(paced: World) -> None:
    numbers = itertools.count()

    def meanwhile(pace: Pace) -> tuple[Pace, None]:
        PaceItem("mail", state="[0,{},{},{}]", version=f"another's {next(numbers)}").put()
        return pace, None

    with pytest.raises(BatchUnprocessedError, match="the pace of mail"):
        change_pace("mail", meanwhile)


def test_a_slot_that_the_queue_does_not_take_back_is_the_sweeps(paced: World) -> None:
    users = user_ids(20)
    paced.knows(users)
    paced.submit(users)
    paced.fan_out()
    paced.queues.down.add(paced.queues.url(DELIVERY))
    paced.deliver()
    paced.queues.down.clear()
    assert "unsent" in set(paced.statuses().values())
    for _ in range(5):
        paced.settle(60)
        paced.clock.advance(60)
        paced.sweep()
    paced.settle(60)
    assert sent_to(paced) == dict.fromkeys(map(address_of, users), 1)


def test_a_channel_that_this_function_does_not_know_harms_no_other(paced: World) -> None:
    paced.knows([ANNA, BEN])
    dispatch = paced.submit([ANNA])
    stranger = paced.submit([BEN])
    paced.fan_out()
    Dispatch.change(stranger.id, actions=[Dispatch.type.set("pigeon")])
    paced.deliver(limit=10)
    assert sent_to(paced) == {address_of(ANNA): 1}
    assert paced.counts(dispatch) == {"sent": 1}


def test_all_are_sent_though_their_function_is_always_too_late(paced: World) -> None:
    users = user_ids(30)
    paced.knows(users)
    paced.submit(users)
    paced.fan_out()
    for _ in range(200):
        if not paced.queues.waiting(DELIVERY):
            break
        paced.deliver()
        paced.clock.advance(3.7)  # busy with something else
    assert sent_to(paced) == dict.fromkeys(map(address_of, users), 1)


def test_slots_that_only_a_wrong_clock_can_have_taken_block_nobody(paced: World) -> None:
    change_pace("mail", lambda pace: (Pace({Lane.REGULAR: START.timestamp() + 1e8}), None))
    paced.knows([ANNA])
    paced.submit([ANNA])
    paced.settle()
    assert sent_to(paced) == {address_of(ANNA): 1}


def test_a_rate_of_no_channel_is_refused(world: World) -> None:
    world.configure("CHANNEL_RATES", "pigeon=3")
    with pytest.raises(SettingsError, match="CHANNEL_RATES names pigeon"):
        check_rates(settings.current())


@pytest.mark.parametrize("text", ["mail", "mail=x", "mail=-1", "mail=501", "Mail=1"])
def test_what_is_no_rate_is_refused(world: World, text: str) -> None:
    world.configure("CHANNEL_RATES", text)
    with pytest.raises(SettingsError, match="CHANNEL_RATES"):
        settings.current()
