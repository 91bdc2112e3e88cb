"""The operator's commands `dead-letters` and `move-back`: what still lies in a dead-letter queue.

Most often nothing does: a function marks what comes there failed. What it cannot handle comes again for
days. A message is looked at by receiving it without hiding it. That does no harm there: a dead-letter queue
has none of its own, to which a message would go that was received often.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from infra.clients import CLIENT_CONFIG, session
from infra.stack import DeploymentError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

QUEUES = ("fan-out-express", "fan-out-regular", "delivery-express", "delivery-regular")
"""The queues whose dead letters there are."""

SHOWN = 20
IN_VAIN = 5
"""So often a queue may give nothing new before it is taken to have no more: SQS asks some of its servers."""
BATCH = 10
"""What SQS gives and takes at once."""
HIDDEN_SECONDS = 60
"""For so long nobody else receives what is just moved back."""


@dataclass(frozen=True)
class Depth:
    """How much lies in a queue, as SQS counts it, roughly."""

    visible: int
    hidden: int


@dataclass(frozen=True)
class Moved:
    """What has become of a queue's dead letters."""

    moved: int
    hidden: int
    """Still hidden in the dead-letter queue: its function has received them, or has handed them back."""


def add_commands(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the commands known to a parser."""
    shown = command("dead-letters", run_show, "show what lies in the dead-letter queues; nothing is consumed")
    shown.add_argument("queue", nargs="?", choices=QUEUES, help="only this queue's")
    shown.add_argument(
        "--limit", type=int, default=SHOWN, metavar="N", help="show N of each (default: %(default)s)"
    )
    moved = command("move-back", run_move_back, "move a queue's dead letters back into it")
    moved.add_argument("queue", choices=QUEUES)


def run_show(options: argparse.Namespace) -> str:
    """What lies in each dead-letter queue: how much, and the first of it."""
    client = _client(options.endpoint_url)
    lines: list[str] = []
    for queue in [options.queue] if options.queue else QUEUES:
        url = dead_queue_url(queue)
        depth = depth_of(client, url)
        lines.append(f"{queue}: {depth.visible} dead letters, {depth.hidden} more are hidden at this moment")
        lines += [f"  {_described(message)}" for message in look_into(client, url, options.limit)]
    return "\n".join(lines)


def run_move_back(options: argparse.Namespace) -> str:
    """Move them, and say how many, and whether there are more."""
    done = move_back(_client(options.endpoint_url), options.queue)
    lines = [f"{done.moved} messages are in {options.queue} again"]
    if done.hidden:
        lines.append(f"{done.hidden} were hidden: run it again in six minutes, when they can be seen again")
    return "\n".join(lines)


def queue_url(queue: str) -> str:
    """The address of a queue."""
    return os.environ[f"{_variable(queue)}_QUEUE_URL"]


def dead_queue_url(queue: str) -> str:
    """The address of a queue's dead-letter queue."""
    return os.environ[f"{_variable(queue)}_DEAD_QUEUE_URL"]


def depth_of(client: "SQSClient", url: str) -> Depth:
    """How much lies in a queue."""
    told = client.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return Depth(int(told["ApproximateNumberOfMessages"]), int(told["ApproximateNumberOfMessagesNotVisible"]))


def look_into(client: "SQSClient", url: str, limit: int) -> "list[MessageTypeDef]":
    """At most so many messages of a queue, each once. They stay there, and stay visible."""
    return list(islice(_different(client, url, hidden_seconds=0), limit))


def move_back(client: "SQSClient", queue: str) -> Moved:
    """Move what lies in a queue's dead-letter queue back: into the queue first, then away from where it was.

    Whatever is moved twice, or is worked already, does no harm: the row of a recipient decides.
    """
    dead, source = dead_queue_url(queue), queue_url(queue)
    moved = 0
    messages = _different(client, dead, HIDDEN_SECONDS)
    while batch := list(islice(messages, BATCH)):
        _send(client, source, batch)
        client.delete_message_batch(
            QueueUrl=dead,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(batch)
            ],
        )
        moved += len(batch)
    return Moved(moved, depth_of(client, dead).hidden)


def _send(client: "SQSClient", url: str, messages: "Sequence[MessageTypeDef]") -> None:
    answer = client.send_message_batch(
        QueueUrl=url,
        Entries=[
            {
                "Id": str(number),
                "MessageBody": message["Body"],
                "MessageGroupId": message["Attributes"].get("MessageGroupId", "operator"),
            }
            for number, message in enumerate(messages)
        ],
    )
    if failed := answer.get("Failed", []):
        raise DeploymentError(
            f"{len(failed)} messages were not taken ({failed[0].get('Message', failed[0]['Code'])}): "
            "they stay among the dead letters; run it again"
        )


def _different(client: "SQSClient", url: str, hidden_seconds: int) -> "Iterator[MessageTypeDef]":
    """Messages of a queue, each once, until it gives nothing new."""
    seen: set[str] = set()
    in_vain = 0
    while in_vain < IN_VAIN:
        found = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=hidden_seconds,
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        fresh = [message for message in found if message["MessageId"] not in seen]
        seen |= {message["MessageId"] for message in fresh}
        in_vain = 0 if fresh else in_vain + 1
        yield from fresh


def _described(message: "MessageTypeDef") -> str:
    attributes = message["Attributes"]
    sent = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
    author = attributes.get("MessageGroupId", "nobody")
    received = attributes["ApproximateReceiveCount"]
    return f"{sent:%Y-%m-%dT%H:%M:%SZ}  {author}  received {received} times  {shown_body(message['Body'])}"


def shown_body(body: str) -> str:
    """A message as an operator needs it: whose, and of what. A recipient's name and address are left out."""
    try:
        fields = json.loads(body)
    except ValueError:
        return f"not JSON: {body[:100]!r}"
    if not isinstance(fields, dict):
        return f"no message: {body[:100]!r}"
    kept = {name: value for name, value in fields.items() if name not in ("address", "name", "locale")}
    return json.dumps(kept, ensure_ascii=False)


def _variable(queue: str) -> str:
    return queue.upper().replace("-", "_")


def _client(endpoint_url: str | None) -> "SQSClient":
    return session(endpoint_url).client("sqs", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
