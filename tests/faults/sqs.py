"""Queues with delays, visibility and dead letters, by the clock of the world: what the product's SQS client
speaks to."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.domain.times import later
from infra.definitions import queue_definitions
from tests.faults.violations import require

MAX_BATCH = 10
MAX_DELAY_SECONDS = 900
MAX_BYTES = 1_048_576


@dataclass
class Message:
    """A message in a queue: hidden until a moment, and how often it was received."""

    id: int
    body: str
    group: str
    visible_at: datetime
    receives: int = 0


@dataclass
class Queue:
    """One queue, by the environment variable that names it."""

    variable: str
    visibility_seconds: int
    max_receives: int | None
    messages: list[Message] = field(default_factory=list)

    @property
    def dead_variable(self) -> str:
        return self.variable.replace("_QUEUE_URL", "_DEAD_QUEUE_URL")


Refuses = Callable[[str, str], bool]
"""Whether a queue (by its variable) leaves a message with this body in `Failed`."""


class Sqs:
    """All queues."""

    def __init__(self, urls: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        self._variables = {url: variable for variable, url in urls.items()}
        self._clock = clock
        self._ids = itertools.count(1)
        self.refuses: Refuses = lambda variable, body: False
        self.queues = {
            variable: Queue(
                variable,
                definition["VisibilityTimeout"],
                definition["RedrivePolicy"]["maxReceiveCount"] if "RedrivePolicy" in definition else None,
            )
            for variable, definition in queue_definitions().items()
        }

    def request(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Answer a request of the product's. One that nobody has made yet has to be written here first."""
        require(operation == "SendMessageBatch", f"this SQS does not know {operation}")
        variable, entries = self._variables[params["QueueUrl"]], params["Entries"]
        require(1 <= len(entries) <= MAX_BATCH, f"{len(entries)} messages in a batch")
        require(len({entry["Id"] for entry in entries}) == len(entries), "an id twice in a batch")
        size = sum(len(entry["MessageBody"].encode()) for entry in entries)
        require(size <= MAX_BYTES, f"a batch of {size} bytes")
        failed = []
        for entry in entries:
            delay = entry["DelaySeconds"]
            require(bool(entry["MessageBody"]), "an empty message")
            require(0 <= delay <= MAX_DELAY_SECONDS, f"a delay of {delay} s")
            if self.refuses(variable, entry["MessageBody"]):
                failed.append({"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"})
                continue
            visible_at = later(self._clock(), delay)
            self.put(
                variable, Message(next(self._ids), entry["MessageBody"], entry["MessageGroupId"], visible_at)
            )
        return {"Failed": failed}

    def put(self, variable: str, message: Message) -> None:
        self.queues[variable].messages.append(message)

    def receive(self, variable: str, limit: int) -> list[Message]:
        """Visible messages, hidden from now on; what was received too often goes to the dead ones."""
        queue, now = self.queues[variable], self._clock()
        received: list[Message] = []
        for message in sorted(queue.messages, key=lambda each: (each.visible_at, each.id)):
            if message.visible_at > now or len(received) == limit:
                break
            if queue.max_receives is not None and message.receives >= queue.max_receives:
                queue.messages.remove(message)
                message.receives = 0
                self.put(queue.dead_variable, message)
            else:
                received.append(message)
        for message in received:
            self.hide(queue, message)
        return received

    def hide(self, queue: Queue, message: Message) -> None:
        """A message is received: hidden for a time."""
        message.receives += 1
        message.visible_at = later(self._clock(), queue.visibility_seconds)

    def delete(self, variable: str, message: Message) -> None:
        """Acknowledge: the message is gone, though another may be working its second copy."""
        messages = self.queues[variable].messages
        if message in messages:
            messages.remove(message)

    def has_visible(self, variable: str) -> bool:
        now = self._clock()
        return any(message.visible_at <= now for message in self.queues[variable].messages)

    def next_visible_at(self) -> datetime | None:
        """When the next message can be received, if there is any."""
        return min((message.visible_at for _, message in self.all()), default=None)

    def all(self) -> Iterator[tuple[str, Message]]:
        """Every message with its queue's variable, visible or not."""
        for variable, queue in self.queues.items():
            for message in queue.messages:
                yield variable, message
