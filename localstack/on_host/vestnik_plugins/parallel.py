"""Several batches of a queue together, as many as its mapping's MaximumConcurrency, and each without a pause.

LocalStack's own poller works one batch after the other. Helpers look into the queue as well, the first one
while a batch is under way, the second while two are, and so on: an idle queue has one that asks. And who asks
waits there for a second: by itself LocalStack asks, and sleeps when there is nothing.

And a poller that another has taken the place of, since its mapping was changed, no longer says what state
that is in: else a mapping that works is shown as disabled for ever.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localstack.services.lambda_.event_source_mapping.esm_worker import EsmWorker
from localstack.services.lambda_.event_source_mapping.pollers.poller import EmptyPollResultsException
from localstack.services.lambda_.event_source_mapping.pollers.sqs_poller import SqsPoller

LOG = logging.getLogger(__name__)
PAUSE_SECONDS = 0.2
WAIT_SECONDS = 1
"""So long a mapping takes to be disabled, at least."""

_start = EsmWorker.start
_update_state = EsmWorker.update_esm_state_in_store
_poll_events = SqsPoller.poll_events
_handle_messages = SqsPoller.handle_messages
_started: dict[str, Any] = {}
"""The worker of each mapping that was started last."""


class Crew:
    """The helpers of one poller, and how many batches are under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._helpers: list[threading.Thread] = []
        self.under_way = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A batch is worked."""
        with self._lock:
            self.under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self.under_way -= 1

    def start(self, worker: Any, number: int) -> None:
        """Have so many helpers."""
        self._helpers = [
            threading.Thread(target=self._help, args=(worker, place), daemon=True)
            for place in range(1, number + 1)
        ]
        for helper in self._helpers:
            helper.start()

    def join(self) -> None:
        """Wait until nobody works any more."""
        for helper in self._helpers:
            helper.join()

    def _help(self, worker: Any, place: int) -> None:
        while not worker._shutdown_event.wait(PAUSE_SECONDS):
            if self.under_way < place:
                continue
            try:
                worker.poller.poll_events()
            except Exception:
                LOG.exception("a helper of %s", worker.uuid)


def mend() -> None:
    """Put ours in the place of what is there."""
    EsmWorker.start = start
    EsmWorker.update_esm_state_in_store = update_state
    SqsPoller.poll_events = poll_events
    SqsPoller.handle_messages = handle_messages
    SqsPoller.close = close


def start(worker: Any) -> None:
    """Start a mapping's poller, and its helpers."""
    _started[worker.uuid] = worker
    if isinstance(worker.poller, SqsPoller):
        worker.poller.crew = Crew()
        worker.poller.maximum_batching_window = worker.poller.maximum_batching_window or WAIT_SECONDS
    _start(worker)
    if isinstance(worker.poller, SqsPoller):
        consumers = (worker.esm_config.get("ScalingConfig") or {}).get("MaximumConcurrency", 1)
        worker.poller.crew.start(worker, int(consumers) - 1)


def update_state(worker: Any, state: Any) -> None:
    """Write the state of a mapping down, if it still is this worker's."""
    if _started.get(worker.uuid, worker) is worker:
        _update_state(worker, state)


def poll_events(poller: Any) -> None:
    """Take what there is; that there was nothing in a second of waiting is no reason to pause."""
    with contextlib.suppress(EmptyPollResultsException):
        _poll_events(poller)


def handle_messages(poller: Any, messages: list[Any]) -> None:
    """Have a batch worked."""
    with poller.crew.at_work():
        _handle_messages(poller, messages)


def close(poller: Any) -> None:
    """What a mapping waits for before it is disabled: batches that its helpers work."""
    poller.crew.join()
