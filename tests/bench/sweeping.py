"""A hundred thousand unsent rows: how many runs of the sweep they take to their queue, and how long each is.

The rows are as fan out writes them when a queue refuses. Nothing is delivered meanwhile.
"""

import time
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

from tests.bench.report import Figure, Section
from tests.bench.stage import Stage, milliseconds
from tests.support.deployment import Person

SIZES = (1_000, 100_000)
QUICK_SIZES = (200, 2_000)
OF_ONE_DISPATCH = 1_000
CHUNK = 100
SHARDS = 4
RUN_SECONDS = 60.0
"""The sweep's timeout."""
QUEUE = "DELIVERY_REGULAR"


def measure(stage: Stage) -> Section:
    """How long the sweep's runs take until some unsent rows, and a hundred times as many, are queued."""
    few, many = QUICK_SIZES if stage.quick else SIZES
    of_few, of_many = _worked_off(stage, few), _worked_off(stage, many)
    longest = max(of_many)
    return Section(
        "Unsent rows, when the queue is back",
        [
            Figure(f"{few:,}: runs of the sweep together", milliseconds(sum(of_few)), 1.0, f"{few:,}"),
            Figure(
                f"{many:,}: {len(of_many)} runs, one a minute, together",
                milliseconds(sum(of_many)),
                sum(of_many) / sum(of_few),
                f"{few:,}",
            ),
            Figure(
                f"{many:,}: the longest run",
                milliseconds(longest),
                longest / sum(of_few),
                f"{few:,}",
                f"{RUN_SECONDS:.0f} s",
                longest <= RUN_SECONDS,
            ),
        ],
        [f"{many / sum(of_many):,.0f} rows a second; a run takes no more than `UnsentPerMinute` of a lane."],
    )


def _worked_off(stage: Stage, number: int) -> list[float]:
    """The seconds of each run, until none is left."""
    deployment = stage.deployment
    stage.tell(f"{number:,} unsent rows")
    with deployment.paused("DeliverRegular"):
        _become_unsent(stage, number)
        left, took = number, []
        while left:
            started = time.monotonic()
            swept = deployment.sweep()
            took.append(time.monotonic() - started)
            assert swept.keys() == {"requeued"}, swept
            left -= swept["requeued"]
            stage.tell(f"{swept['requeued']:,} in {took[-1]:.1f} s; {left:,} are left")
        assert not deployment.sweep(), "there were more than were made"
        deployment.sqs.purge_queue(QueueUrl=deployment.url_of(QUEUE))
    return took


def _become_unsent(stage: Stage, number: int) -> None:
    deployment = stage.deployment
    size = min(number, OF_ONE_DISPATCH)
    crowd = stage.crowd(size)
    with deployment.paused("FanOutRegular"):
        sent = deployment.send(crowd)
        deployment.sqs.purge_queue(QueueUrl=deployment.url_of("FAN_OUT_REGULAR"))
    dispatch = deployment.row("DISPATCHES_TABLE", id=sent.dispatch_id)
    assert dispatch is not None
    for _ in range(number // size):
        named = {**dispatch, "id": str(uuid.uuid4())}
        deployment.put("DISPATCHES_TABLE", named)
        deployment.put_all("PROGRESS_TABLE", list(_letters(named, size)))
        deployment.put_all("USERS_NOTIFICATIONS_TABLE", list(_rows(named, crowd)))


def _letters(dispatch: dict[str, Any], size: int) -> Iterator[dict[str, Any]]:
    for chunk in range(size // CHUNK):
        letters = {f"p{position}": "u" for position in range(CHUNK)}
        yield {"dispatch_id": dispatch["id"], "chunk": chunk, **letters}


def _rows(dispatch: dict[str, Any], crowd: list[Person]) -> Iterator[dict[str, Any]]:
    for index, person in enumerate(crowd):
        yield {
            "user_id": person.user_id,
            "dispatch_id": dispatch["id"],
            "notification_id": dispatch["notification_id"],
            "chunk": index // CHUNK,
            "position": index % CHUNK,
            "address": person.email,
            "status": "unsent",
            "reason": "queue unavailable",
            "attempts": 0,
            "attention": f"unsent#regular#{zlib.crc32(person.user_id.encode()) % SHARDS}",
            "attention_at": dispatch["due_at"],
            "due_at": dispatch["due_at"],
            "updated_at": dispatch["due_at"],
            "expires_at": dispatch["expires_at"],
        }
