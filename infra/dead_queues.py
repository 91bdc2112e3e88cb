"""The operator's commands `dead-letters` and `move-back`: what still lies in a dead-letter queue.

Most often nothing does: a function marks what comes there failed, but for mail events, which only wait. What
it cannot handle comes again for days. SQS shows a message only to who receives it: while it is looked at, it
is hidden from others. That does no harm: a dead-letter queue has none of its own, to which a message would go
that was received often.
"""

import argparse
import json
import os
import time
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

QUEUES = ("fan-out-express", "fan-out-regular", "delivery-express", "delivery-regular", "mail-events")
"""The queues whose dead letters there are."""

SHOWN = 20
IN_VAIN = 5
"""So often a queue may give nothing before it is taken to have no more: SQS asks only some of its servers."""
BATCH = 10
"""What SQS gives and takes at once."""
SETTLED = ("Enabled", "Disabled")
"""The states of a mapping that is not just being changed."""
PAUSE_SECONDS = 2.0
HIDDEN_SECONDS = 60
"""For so long nobody else receives what is just looked at or moved back."""


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
    mode = shown.add_mutually_exclusive_group()
    mode.add_argument(
        "--hold", action="store_true", help="have their function leave a queue's dead letters alone"
    )
    mode.add_argument("--release", action="store_true", help="have it take them again")
    moved = command("move-back", run_move_back, "move a queue's dead letters back into it")
    moved.add_argument("queue", choices=QUEUES)


def run_show(options: argparse.Namespace) -> str:
    """What lies in each dead-letter queue: how much, and the first of it."""
    from chalicelib.services import audit

    client = _client(options.endpoint_url)
    if options.hold or options.release:
        if options.queue is None:
            raise DeploymentError(f"say of which queue: {', '.join(QUEUES)}")
        set_taken(client, options.queue, options.release, options.endpoint_url)
        audit.record("released" if options.release else "held", "dead letters", options.queue)
        done = (
            "takes them again"
            if options.release
            else "leaves them alone; what it has is hidden for six minutes"
        )
        return f"{options.queue}: the function of the dead letters {done}"
    lines: list[str] = []
    for queue in [options.queue] if options.queue else QUEUES:
        url = dead_queue_url(queue)
        depth = depth_of(client, url)
        lines.append(f"{queue}: {depth.visible} dead letters, {depth.hidden} more are hidden at this moment")
        lines += [f"  {_described(message)}" for message in look_into(client, url, options.limit)]
    return "\n".join(lines)


def run_move_back(options: argparse.Namespace) -> str:
    """Move them, and say how many, and whether there are more."""
    from chalicelib.services import audit

    done = move_back(_client(options.endpoint_url), options.queue)
    if done.moved:
        audit.record("moved back", "dead letters", options.queue, after={"messages": done.moved})
    lines = [f"{done.moved} messages are in {options.queue} again"]
    if done.hidden:
        lines.append(f"{done.hidden} were hidden: `dead-letters --hold`, and run it again in six minutes")
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


def set_taken(client: "SQSClient", queue: str, is_taken: bool, endpoint_url: str | None) -> None:
    """Let the function of the dead letters take those of a queue, or leave them where they are."""
    functions = session(endpoint_url).client("lambda", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
    url = dead_queue_url(queue)
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    found = functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
    if not found:
        raise DeploymentError(f"no function takes what comes to {arn}")
    for mapping in found:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=is_taken)
        while functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] not in SETTLED:
            time.sleep(PAUSE_SECONDS)


def look_into(client: "SQSClient", url: str, limit: int) -> "list[MessageTypeDef]":
    """At most so many messages of a queue, each once. They stay there, and are hidden for a moment only."""
    found = list(islice(_received(client, url), limit))
    for start in range(0, len(found), BATCH):
        client.change_message_visibility_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for number, message in enumerate(found[start : start + BATCH])
            ],
        )
    return found


def move_back(client: "SQSClient", queue: str) -> Moved:
    """Move what lies in a queue's dead-letter queue back: into the queue first, then away from where it was.

    Whatever is moved twice, or is worked already, does no harm: the row of a recipient decides.
    """
    dead, source = dead_queue_url(queue), queue_url(queue)
    moved = 0
    messages = _received(client, dead)
    while batch := list(islice(messages, BATCH)):
        moved += _move(client, batch, dead, source)
    return Moved(moved, depth_of(client, dead).hidden)


def _move(client: "SQSClient", batch: "Sequence[MessageTypeDef]", dead: str, source: str) -> int:
    """Move at most ten messages; how many. DeploymentError when some were not taken: they stay."""
    answer = client.send_message_batch(
        QueueUrl=source,
        Entries=[
            {
                "Id": str(number),
                "MessageBody": message["Body"],
                "MessageGroupId": message["Attributes"].get("MessageGroupId", "operator"),
            }
            for number, message in enumerate(batch)
        ],
    )
    if taken := [int(each["Id"]) for each in answer.get("Successful", [])]:
        client.delete_message_batch(
            QueueUrl=dead,
            Entries=[{"Id": str(each), "ReceiptHandle": batch[each]["ReceiptHandle"]} for each in taken],
        )
    if failed := answer.get("Failed", []):
        raise DeploymentError(
            f"{len(failed)} messages were not taken ({failed[0]['Code']}): "
            "they stay among the dead letters; run it again in a minute"
        )
    return len(taken)


def _received(client: "SQSClient", url: str) -> "Iterator[MessageTypeDef]":
    """Messages of a queue until it gives no more, each once, and hidden for a minute."""
    in_vain = 0
    while in_vain < IN_VAIN:
        found = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=HIDDEN_SECONDS,
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        in_vain = 0 if found else in_vain + 1
        yield from found


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
