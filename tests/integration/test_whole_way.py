"""From a submission to the last mail, over every function."""

import pytest

from chalicelib.domain.lanes import Lane
from tests.support.aws import World
from tests.support.factories import address_of, user_ids


@pytest.mark.parametrize("lane", Lane)
def test_every_recipient_is_sent_once(world: World, lane: Lane) -> None:
    users = user_ids(12)
    world.knows(users)
    dispatch = world.submit(users, is_express=lane is Lane.EXPRESS)
    assert world.counts(dispatch) == {"queued": 12}
    world.settle()
    assert world.counts(dispatch) == {"sent": 12}
    assert world.channel.addresses() == {address_of(user): 1 for user in users}
    assert set(world.statuses().values()) == {"sent"}
