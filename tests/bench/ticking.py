"""Ten thousand frequencies that are due in the same minute: until all of them wait in the queue.

The rows are those of one frequency that the API has made, under other names. Nothing is delivered: it is
measured how soon each has its dispatch, and its message, which waits for the second.
"""

import time
import uuid
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench.report import Figure, Section
from tests.bench.stage import Stage, milliseconds
from tests.support.waiting import wait_until

SIZES = (1_000, 10_000)
QUICK_SIZES = (50, 500)
AHEAD_SECONDS = 110
"""When they are due, from the tick on: it looks 120 s ahead."""
MINUTE_SECONDS = 60.0
SHARDS = 4
QUEUE = "FAN_OUT_REGULAR"


def measure(stage: Stage) -> Section:
    """How long a tick's work takes for some frequencies, and for ten times as many."""
    some, many = (_all_waiting(stage, size) for size in (QUICK_SIZES if stage.quick else SIZES))
    few, most = QUICK_SIZES if stage.quick else SIZES
    return Section(
        "Frequencies that are due in the same minute",
        [
            Figure(f"{few:,}: until each waits for its second", milliseconds(some), 1.0, f"{few:,}"),
            Figure(
                f"{most:,}: until each waits for its second",
                milliseconds(many),
                many / some,
                f"{few:,}",
                "60 s",
                many <= MINUTE_SECONDS,
            ),
        ],
    )


def _all_waiting(stage: Stage, number: int) -> float:
    deployment = stage.deployment
    row = _made_by_the_api(stage)
    stage.tell(f"{number:,} frequencies")
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=AHEAD_SECONDS + number // 500)
    mark = uuid.uuid4().hex[:6]
    rows = [_named(row, f"{mark}-{count}", due) for count in range(number)]
    deployment.put_all("FREQUENCIES_TABLE", rows)
    ahead = (due - datetime.now(UTC)).total_seconds()
    if ahead > AHEAD_SECONDS:
        time.sleep(ahead - AHEAD_SECONDS)
    started = time.monotonic()
    with deployment.paused("DeliverRegular"):
        ticked = deployment.tick()
        assert ticked["regular"] >= number // 25, ticked
        wait_until(lambda: _waiting(stage) == (0, number), AHEAD_SECONDS, f"{number:,} messages that wait")
        took = time.monotonic() - started
        deployment.sqs.purge_queue(QueueUrl=deployment.url_of(QUEUE))
    return took


def _made_by_the_api(stage: Stage) -> dict[str, Any]:
    deployment, (person,) = stage.deployment, stage.crowd(1)
    slug = f"bench-{uuid.uuid4().hex[:6]}"
    body = {
        "slug": slug,
        "period": 86_400,
        "starts_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        "notification": {"type": "mail", "title": "Again", "text": "And again."},
        "users": [person.user_id],
    }
    deployment.ask("POST", "/api/v1/notification_frequencies/", body)
    row = deployment.row("FREQUENCIES_TABLE", slug=slug)
    assert row is not None
    return row


def _named(row: dict[str, Any], slug: str, due: datetime) -> dict[str, Any]:
    at = due.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    shard = zlib.crc32(slug.encode()) % SHARDS
    return {**row, "slug": slug, "due": f"regular#{shard}", "next_run_at": at, "starts_at": at}


def _waiting(stage: Stage) -> tuple[int, int]:
    """Messages of the queue that are worked or could be, and those that wait for their time."""
    names: Any = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
    found = stage.deployment.sqs.get_queue_attributes(
        QueueUrl=stage.deployment.url_of(QUEUE), AttributeNames=names
    )["Attributes"]
    visible, hidden, delayed = (int(found[name]) for name in names)
    return visible + hidden, delayed
