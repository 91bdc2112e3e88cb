"""moto's DynamoDB, nearer: its items without a request for them, and its answers without a detour.

A step of a test makes hundreds of requests, and what is checked after each step reads whole tables.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from copy import deepcopy
from threading import Condition
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.responses import DynamoHandler
from moto.sqs.models import sqs_backends

AST = "moto.dynamodb.parsing.ast_nodes"
REGION = "eu-central-1"
OF_ITEMS = frozenset(
    {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem"}
)


def tables_in_moto() -> dict[str, Any]:
    """Its tables, by their names."""
    tables: dict[str, Any] = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables
    return tables


def queues_in_moto() -> dict[str, Any]:
    """Its queues, by their names."""
    queues: dict[str, Any] = sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues
    return queues


def copy_of(queues: dict[str, Any]) -> dict[str, Any]:
    """Queues like these, each with a lock of its own: locks are not copied."""
    return deepcopy(queues, {id(queue._messages_lock): Condition() for queue in queues.values()})


def items_of(table: str) -> Iterator[dict[str, Any]]:
    """All items of a table, as Python values."""
    stored = tables_in_moto()[table]
    read = TypeDeserializer().deserialize
    for found in stored.items.values():
        items: Any = found.values() if stored.range_key_attr else (found,)
        for item in items:
            attributes = item.to_json()["Attributes"]
            yield {name: read(value) for name, value in attributes.items()}


def answer_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have moto do the same with less work: half of its time goes into these two.

    It writes its answers about items as the JSON that they are, and not member by member; and it finds out
    once, and not at each node, what it does with a node of an update expression.
    """
    monkeypatch.setattr(DynamoHandler, "serialized", _serialized)
    monkeypatch.setattr(f"{AST}.DepthFirstTraverser.traverse_node_recursively", _traverse)


def _traverse(traverser: Any, node: Any, child_id: int = -1) -> Any:
    if not hasattr(node, "children"):
        return node
    if not hasattr(traverser, "processors"):
        traverser.processors = traverser._processing_map()
    parent = node.parent
    for number, child in enumerate(node.children or ()):
        traverser.pre_processing_of_child(node, number)
        _traverse(traverser, child, number)
    for kind, process in traverser.processors.items():
        if isinstance(node, kind):
            node = process(node)
            node.parent = parent
            if parent:
                parent.children[child_id] = node
            break
    return node


_usual = DynamoHandler.serialized


def _serialized(handler: Any, answer: ActionResult) -> Any:
    if handler._get_action() not in OF_ITEMS or isinstance(answer.result, Exception):
        return _usual(handler, answer)
    headers = {"Content-Type": "application/x-amz-json-1.0", **handler.response_headers}
    return 200, headers, json.dumps(answer.result, default=lambda binary: b64encode(binary).decode())
