"""Emulators' own pages, which show what lies in a queue without receiving it."""

import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

_SECONDS = 10


def sent_moments(endpoint_url: str, queue_url: str) -> list[float] | None:
    """When each message of a queue was sent, in seconds since the epoch; None where there is no such page."""
    for path, read in _PAGES.items():
        query = {"QueueUrl": queue_url, "ShowInvisible": "1", "ShowDelayed": "1"}
        page = _get(endpoint_url, f"{path}?{urlencode(query)}")
        if page is not None:
            return list(read(page))
    return None


def _get(endpoint_url: str, target: str) -> Any:
    parts = urlsplit(endpoint_url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        connection.request("GET", target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    is_json = "json" in response.headers.get("Content-Type", "")
    return json.loads(text) if response.status == 200 and is_json else None


def _of_ministack(page: Any) -> Iterator[float]:
    for regions in page["messages"].values():
        for queues in regions.values():
            for messages in queues.values():
                for message in messages:
                    yield message["SentTimestamp"]


def _of_localstack(page: Any) -> Iterator[float]:
    # Its JSON is made of XML: one message is no list, and none is nothing.
    found = (page["ReceiveMessageResponse"]["ReceiveMessageResult"] or {}).get("Message", [])
    for message in found if isinstance(found, list) else [found]:
        attributes = {each["Name"]: each["Value"] for each in message["Attribute"]}
        yield int(attributes["SentTimestamp"]) / 1000


_PAGES: dict[str, Callable[[Any], Iterator[float]]] = {
    "/_ministack/sqs/messages": _of_ministack,
    "/_aws/sqs/messages": _of_localstack,
}
