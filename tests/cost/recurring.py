"""What is priced of what has a time: frequencies that wait, their runs, and dispatches with a send_at."""

from collections.abc import Sequence
from functools import cache
from typing import TypeVar
from uuid import UUID

from chalicelib import security
from chalicelib.domain.fanning import CHUNK_SIZE
from chalicelib.domain.ids import new_id
from chalicelib.domain.lanes import Lane, shard_key
from chalicelib.domain.times import iso, later
from chalicelib.services.tick import PART
from chalicelib.tables import base
from chalicelib.tables.audiences import AudienceChunk, pack
from chalicelib.tables.frequencies import read_frequency
from chalicelib.tables.notifications import Notification
from tests.cost.ledger import Ledger
from tests.cost.scenarios import Recording, Stage, content, put_all, stage
from tests.support.factories import user_id

PATH = "/api/v1/notification_frequencies/"
DAY, HOUR, MINUTE = 86_400, 3_600, 60

TICK_BEFORE_SECONDS = 100.0
"""So long before a run a tick finds it."""

SECRETS_KEPT_MINUTES = security.SECRET_KEPT_SECONDS // MINUTE

T = TypeVar("T", bound=base.Table)


@cache
def idle_minute(frequencies: int = 0) -> Recording:
    """A tick and a sweep that find nothing to do, though there are so many frequencies, half of them express.

    What Lambda polls meanwhile is an assumption, in prices.yaml.
    """
    with stage() as scene:
        half = frequencies // 2
        add_frequencies(scene, Lane.EXPRESS, range(1, half + 1), DAY)
        add_frequencies(scene, Lane.REGULAR, range(half + 1, frequencies + 1), DAY)
        assert scene.tick() == {"express": 0, "regular": 0}
        assert scene.sweep() == {}
        recording = scene.recording()
        scene.world.clock.advance(DAY - TICK_BEFORE_SECONDS)
        assert scene.tick() == dict.fromkeys(map(str, Lane), -(-half // PART))  # they are there, and due then
        return recording


@cache
def runs(lane: Lane, count: int) -> Ledger:
    """So many frequencies run in the same second, each to one recipient."""
    with stage() as scene:
        add_frequencies(scene, lane, range(1, count + 1), HOUR)
        spent = _sent_in_an_hour(scene, lane, count)
    return spent - _idle_tick()


def run_to(lane: Lane, recipients: int) -> Ledger:
    """A run of a frequency to so many recipients."""
    with stage() as scene:
        _make(scene, lane, 1, period=DAY, starts_in=HOUR, recipients=recipients)
        scene.recorder.begin_anew()
        spent = _sent_in_an_hour(scene, lane, recipients)
    return spent - _idle_tick()


def logged_by_run(lane: Lane) -> float:
    """The bytes that a function logs for each run that it makes, in the mean of a part."""
    with stage() as scene:
        add_frequencies(scene, lane, range(1, PART + 1), HOUR)
        scene.world.clock.advance(HOUR - TICK_BEFORE_SECONDS)
        assert scene.tick()[lane] == 1
        assert scene.world.fan_out(lane) == 1
        return scene.recorder.log_bytes[f"fan_out_{lane}"] / PART


def slope(lane: Lane) -> Ledger:
    """One more recipient of a run, in full batches."""
    few, more = CHUNK_SIZE, 2 * CHUNK_SIZE
    return (run_to(lane, more) - run_to(lane, few)) * (1 / (more - few))


def at_a_time(lane: Lane) -> Ledger:
    """A dispatch to one that is to be sent an hour later."""
    with stage() as scene:
        scene.post(lane, 1, send_at=iso(later(scene.world.clock(), HOUR)))
        spent = _sent_in_an_hour(scene, lane, 1)
    return spent - _idle_tick()


@cache
def warm_run(lane: Lane) -> Ledger:
    """A run of a frequency of a minute, in the mean: function instances stay, and read their secrets anew."""
    with stage() as scene:
        _make(scene, lane, 1, period=MINUTE, starts_in=MINUTE)
        _live_a_minute(scene, lane)
        scene.recorder.begin_anew()
        scene.world.channel.sent.clear()
        security.forget_secrets()
        for _ in range(SECRETS_KEPT_MINUTES):
            _live_a_minute(scene, lane)
        assert len(scene.world.channel.sent) == SECRETS_KEPT_MINUTES
        spent = scene.recording().ledger
    return spent * (1 / SECRETS_KEPT_MINUTES) - _idle_tick()


def add_frequencies(scene: Stage, lane: Lane, numbers: Sequence[int], starts_in: float) -> None:
    """Daily frequencies, each with a notification and an audience: the first by the API, then its likes."""
    if not numbers:
        return
    _make(scene, lane, numbers[0], period=DAY, starts_in=starts_in)
    scene.recorder.begin_anew()
    first = read_frequency(_slug(numbers[0]))
    assert first is not None
    said = Notification.get(first.notification_id)
    scene.add_contacts(numbers[1:])
    now = scene.world.clock()
    ids = {number: (new_id(now), new_id(now)) for number in numbers[1:]}
    put_all([_like(said, id=its_id, frequency=_slug(number)) for number, (its_id, _) in ids.items()])
    put_all(
        [
            AudienceChunk(part=f"{audience_id}#0", chunk=0, user_ids=pack([UUID(user_id(number))]))
            for number, (_, audience_id) in ids.items()
        ]
    )
    put_all(
        [
            _like(
                first,
                slug=_slug(number),
                due=shard_key(lane, _slug(number)),
                notification_id=its_id,
                audience_id=audience_id,
            )
            for number, (its_id, audience_id) in ids.items()
        ]
    )


def _make(
    scene: Stage, lane: Lane, number: int, *, period: int, starts_in: float, recipients: int = 1
) -> None:
    numbers = range(number, number + recipients)
    scene.add_contacts(numbers)
    body = {
        "slug": _slug(number),
        "period": period,
        "starts_at": iso(later(scene.world.clock(), starts_in)),
        "notification": content(lane),
        "users": [user_id(each) for each in numbers],
    }
    with scene.recorder.acting("api"):
        answer = scene.api.post(PATH, body)
    assert answer.status == 201, answer.body


def _slug(number: int) -> str:
    return f"digest-{number:06}"


def _like(row: T, **others: str) -> T:
    """The same row but for some fields."""
    like = type(row).from_raw_data(row.serialize())
    for name, value in others.items():
        setattr(like, name, value)
    return like


def _sent_in_an_hour(scene: Stage, lane: Lane, letters: int) -> Ledger:
    """What a scenario has spent when all that is due an hour later is sent, with the tick before that."""
    scene.world.clock.advance(HOUR - TICK_BEFORE_SECONDS)
    assert scene.tick()[lane] > 0
    scene.settle(letters)
    return scene.recording().ledger


def _live_a_minute(scene: Stage, lane: Lane) -> None:
    end = later(scene.world.clock(), MINUTE)
    assert scene.tick()[lane] == 1
    scene.world.settle(MINUTE)
    scene.world.clock.now = end


def _idle_tick() -> Ledger:
    """What a tick costs anyway."""
    return idle_minute().ledger.of("tick")
