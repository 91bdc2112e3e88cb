"""The queues: batches of messages, of which the caller is told what was not taken."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import sdk
from chalicelib.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH_SIZE = 10
"""What SendMessageBatch takes; ten of our messages are far below its 1 MiB."""

ROUNDS = 3
FIRST_PAUSE_SECONDS = 0.1
"""What a batch leaves behind is sent again so often, after pauses that double."""

_CONFIG = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})


class QueueUnavailableError(Exception):
    """A queue did not take a message that has no other holder."""


@dataclass(frozen=True)
class Outgoing:
    """A message to send. `group` is the tenant for fair queues: the notification's author."""

    body: str
    group: str
    delay_seconds: int = 0


@cache
def client() -> "SQSClient":
    """The SQS client of this process."""
    return sdk.session().client("sqs", config=_CONFIG)


def send_all(
    queue_url: str, messages: Sequence[Outgoing], pause: Callable[[float], None] = time.sleep
) -> list[int]:
    """Send messages in batches of ten; the indexes of those that the queue did not take.

    When a whole batch cannot be sent, the rest is not tried: the queue is out of reach, and each further
    batch would wait for its timeouts.
    """
    refused: list[int] = []
    for start in range(0, len(messages), BATCH_SIZE):
        indexes = list(range(start, min(start + BATCH_SIZE, len(messages))))
        try:
            refused += _send_batch(queue_url, messages, indexes, pause)
        except (ClientError, BotoCoreError) as error:
            logger.warning("queue out of reach", extra={"queue": queue_url, "error": str(error)})
            return refused + list(range(start, len(messages)))
    return refused


def send_or_raise(queue_url: str, messages: Sequence[Outgoing]) -> None:
    """Send messages, all of them; else QueueUnavailableError (some may have gone, which does no harm)."""
    refused = send_all(queue_url, messages)
    if refused:
        raise QueueUnavailableError(
            f"{len(refused)} of {len(messages)} messages were not taken by {queue_url}"
        )


def _send_batch(
    queue_url: str, messages: Sequence[Outgoing], indexes: list[int], pause: Callable[[float], None]
) -> list[int]:
    for round_number in range(ROUNDS):
        if round_number:
            pause(FIRST_PAUSE_SECONDS * 2**round_number * random.uniform(0.5, 1.0))  # noqa: S311
        answer = client().send_message_batch(
            QueueUrl=queue_url, Entries=[_entry(index, messages[index]) for index in indexes]
        )
        indexes = [int(failed["Id"]) for failed in answer.get("Failed", [])]
        if not indexes:
            break
    return indexes


def _entry(index: int, message: Outgoing) -> Any:
    return {
        "Id": str(index),
        "MessageBody": message.body,
        "DelaySeconds": message.delay_seconds,
        "MessageGroupId": message.group,
    }
