"""What lies in a queue, by a page of the emulator's own: nothing is received for it."""

import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from localstack.emulator import Emulator
from localstack.on_host import LocalStackOnHost
from tests.support.smtp import LOOPBACK

SECONDS = 30.0


@dataclass(frozen=True)
class QueuedMessage:
    """A message as it lies in a queue; nobody has to receive it for that."""

    id: str
    body: dict[str, Any]
    sent_at: int
    visible_at: int
    """Both in seconds since the epoch, rounded down."""
    receive_count: int
    group: str | None


def messages_in(queue_url: str, emulator: Emulator) -> list[QueuedMessage]:
    """What lies in a queue: visible, delayed or in flight."""
    if isinstance(emulator, LocalStackOnHost):
        return list(_of_localstack(queue_url, emulator.port))
    return list(_of_ministack(queue_url, emulator.port))


def _of_ministack(queue_url: str, port: int) -> Iterable[QueuedMessage]:
    page = _page(port, "/_ministack/sqs/messages", QueueUrl=queue_url)
    for regions in page["messages"].values():
        for queues in regions.values():
            for messages in queues.values():
                for message in messages:
                    yield QueuedMessage(
                        id=message["MessageId"],
                        body=_body(message),
                        sent_at=message["SentTimestamp"],
                        visible_at=message["VisibleAt"],
                        receive_count=message["ReceiveCount"],
                        group=message["MessageGroupId"],
                    )


def _of_localstack(queue_url: str, port: int) -> Iterable[QueuedMessage]:
    page = _page(port, "/_aws/sqs/messages", QueueUrl=queue_url, ShowInvisible="1", ShowDelayed="1")
    found = (page["ReceiveMessageResponse"]["ReceiveMessageResult"] or {}).get("Message", [])
    for message in found if isinstance(found, list) else [found]:
        told = {each["Name"]: each["Value"] for each in message["Attribute"]}
        yield QueuedMessage(
            id=message["MessageId"],
            body=_body(message),
            sent_at=int(told["SentTimestamp"]) // 1000,
            visible_at=int(told["VisibleAt"]),
            receive_count=int(told["ApproximateReceiveCount"]),
            group=told.get("MessageGroupId"),
        )


def _page(port: int, path: str, **query: str) -> Any:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=SECONDS)
    try:
        connection.request("GET", f"{path}?{urlencode(query)}", headers={"Accept": "application/json"})
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    assert response.status == 200, text
    return json.loads(text)


def _body(message: Mapping[str, Any]) -> dict[str, Any]:
    try:
        body = json.loads(message["Body"])
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
