"""What audiences cost: by the hundred users; and that a dispatch to one costs no more than to users."""

from collections.abc import Callable
from uuid import UUID

import pytest

from chalicelib.services import audience_parts, audiences
from chalicelib.services.submit import submit
from tests.cost import moto_shortcuts
from tests.cost.ledger import Amount
from tests.cost.recorder import Recorder
from tests.support.aws import World
from tests.support.factories import SHOP, submission, user_id, user_ids

CHUNKS = 200
"""Two hash keys of a hundred: 20,000 users are more of the same in a million."""


@pytest.fixture
def recorder(world: World, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    moto_shortcuts.take(monkeypatch)
    world.checks = False
    return Recorder(world, monkeypatch)


def spent(recorder: Recorder, act: Callable[[], object]) -> Amount:
    """What the API's calls cost while it acts."""
    before = recorder.ledger()
    with recorder.acting("api"):
        act()
    return (recorder.ledger() - before).by_functions


def test_a_hundred_users_cost_two_writes_at_each_step_of_their_audience(
    world: World, recorder: Recorder
) -> None:
    now = world.clock()
    ids = [UUID(user_id(number)).bytes for number in range(1, CHUNKS * 100 + 1)]
    audience = audiences.create(None, SHOP, now)
    put = spent(recorder, lambda: audience_parts.put_part(audience.id, 1, ids, SHOP, now))
    again = spent(recorder, lambda: audience_parts.put_part(audience.id, 1, ids, SHOP, now))
    complete = spent(recorder, lambda: audience_parts.complete(audience.id, SHOP, now))
    delete = spent(recorder, lambda: audiences.delete(audience.id, SHOP, now))
    batches = CHUNKS / 25
    assert put == Amount(requests=batches + 2, reads=1, writes=2 * CHUNKS + 1)
    assert again == Amount(requests=1, reads=1, writes=0)
    # A query reads a hundred chunks at once: 42 read units, where as many keys would cost a hundred.
    assert complete == Amount(requests=2 + batches + 3, reads=2 * 42 + 1, writes=2 * CHUNKS + 2)
    assert delete == Amount(requests=2 + batches + 4, reads=2 * 41 + 2, writes=2 * CHUNKS + 2 + 2)


def test_a_dispatch_to_an_audience_costs_no_more_than_one_to_users(world: World, recorder: Recorder) -> None:
    now = world.clock()
    audience = audiences.create(None, SHOP, now)
    for number in range(1, 101):  # as many parts as there can be: what is read of it is the largest
        audience_parts.put_part(audience.id, number, [UUID(user_id(number)).bytes], SHOP, now)
    audience_parts.complete(audience.id, SHOP, now)
    by_users = spent(recorder, lambda: submit(submission(user_ids(100)), SHOP, now))
    by_audience = spent(recorder, lambda: submit(submission(None, audience_id=audience.id), SHOP, now))
    assert by_audience.requests <= by_users.requests
    assert by_audience.writes < by_users.writes
    assert by_audience.reads - by_users.reads <= 2
