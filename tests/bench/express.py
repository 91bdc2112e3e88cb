"""Express latency while regular messages wait and are worked."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.report import Figure, Section
from tests.bench.stage import Stage, milliseconds
from tests.support.waiting import wait_until

BACKLOGS = (0, 1_000, 10_000)
QUICK_BACKLOGS = (0, 300)
SAMPLES = 20
QUICK_SAMPLES = 3
PATIENCE_SECONDS = 120.0
QUEUE = "DELIVERY_REGULAR"


def measure(stage: Stage) -> Section:
    """From POST to accepted mail for some express notifications, beside no backlog."""
    stage.tell("express: warming up")
    for _ in range(3):
        _latency(stage)
    figures: list[Figure] = []
    base: tuple[float, float] | None = None
    for backlog in QUICK_BACKLOGS if stage.quick else BACKLOGS:
        stage.tell(f"express: with {backlog:,} regular messages waiting")
        with _backlog(stage, backlog):
            started, before = time.time(), len(stage.smtp.taken)
            samples = sorted(_latencies(stage, backlog > 0))
            left, seconds = _waiting(stage), time.time() - started
            rate = (len(stage.smtp.taken) - before - len(samples)) / seconds
        p50, p95 = samples[len(samples) // 2], samples[int(len(samples) * 0.95) - 1]
        base = base or (p50, p95)
        name = f"backlog of {backlog:,}, {len(samples)} mails"
        figures += [
            Figure(f"{name}: median", milliseconds(p50), p50 / base[0], "no backlog"),
            Figure(f"{name}: 95 % of them", milliseconds(p95), p95 / base[1], "no backlog"),
        ]
        if left and rate:
            drained = left / rate
            behind = f"backlog of {backlog:,}: what is left of it, at its pace"
            figures.append(Figure(behind, milliseconds(drained), drained / p50, "the median express mail"))
    notes = [
        "Express has queues and functions of its own, but here both lanes share MiniStack's one process and",
        "the machine's cores: what a backlog adds is the wait for a turn on them. On AWS the lanes share no",
        "processor. What would be left to wait for behind the backlog stands beside it.",
    ]
    return Section("Express latency with a regular backlog, from POST to accepted mail", figures, notes)


def _latencies(stage: Stage, needs_backlog: bool) -> Iterator[float]:
    """As many as are wanted, or as there are before the backlog has been worked."""
    for number in range(QUICK_SAMPLES if stage.quick else SAMPLES):
        latency = _latency(stage)
        if needs_backlog and not _waiting(stage):
            assert number, "the backlog was worked before the first express mail"
            return
        yield latency


def _latency(stage: Stage) -> float:
    taken, before = stage.smtp.taken, len(stage.smtp.taken)
    started = time.time()
    stage.deployment.send([stage.urgent], express=True)

    def accepted() -> float | None:
        return next((at for recipient, at in taken[before:] if recipient == stage.urgent.email), None)

    at = wait_until(accepted, PATIENCE_SECONDS, "an express mail")
    assert at is not None
    return at - started


@contextmanager
def _backlog(stage: Stage, number: int) -> Iterator[None]:
    """So many regular messages in the delivery queue, which is being worked."""
    deployment, crowd = stage.deployment, stage.crowd(number)
    if not number:
        yield
        return
    with deployment.paused("DeliverRegular"):
        deployment.send(crowd)
        wait_until(lambda: _waiting(stage) == number, PATIENCE_SECONDS, f"a backlog of {number}")
    wait_until(lambda: _waiting(stage) < number, PATIENCE_SECONDS, "the first of the backlog")
    try:
        yield
    finally:
        with deployment.paused("DeliverRegular"):
            deployment.sqs.purge_queue(QueueUrl=deployment.url_of(QUEUE))
            wait_until(lambda: not _waiting(stage), PATIENCE_SECONDS, "the end of the backlog")


def _waiting(stage: Stage) -> int:
    """Messages in the regular delivery queue that nobody has taken yet."""
    deployment = stage.deployment
    found = deployment.sqs.get_queue_attributes(
        QueueUrl=deployment.url_of(QUEUE), AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(found["Attributes"]["ApproximateNumberOfMessages"])
