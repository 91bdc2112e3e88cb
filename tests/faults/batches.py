"""Batches that are done in part: what is left is named in the answer, as AWS does it."""

import json
from collections.abc import Callable
from typing import Any

from tests.faults.violations import require

Params = dict[str, Any]
Answer = Any
CarryOut = Callable[[Params], Answer]

BATCHES: dict[str, tuple[str, str]] = {
    "SendMessageBatch": ("Entries", "Failed"),
    "BatchWriteItem": ("RequestItems", "UnprocessedItems"),
    "BatchGetItem": ("RequestItems", "UnprocessedKeys"),
}
"""Operation -> what is asked for in a request, what is left in its answer."""


def in_part(
    operation: str, carry_out: CarryOut, refused: set[str], *, strikes: bool, stays: bool
) -> CarryOut:
    """Carry out a batch but for its second half, if a fault strikes, or for what is in `refused`.

    What `stays` undone is added to `refused`.
    """
    asked_in, left_in = BATCHES[operation]

    def carry_out_in_part(params: Params) -> Answer:
        parts = _parts(params[asked_in])
        marks = [json.dumps(part, default=repr, sort_keys=True) for part in parts]
        if strikes:
            left = marks[len(marks) // 2 :]
            if stays:
                refused.update(_without_id(mark) for mark in left)
        else:
            left = [mark for mark in marks if _without_id(mark) in refused]
        done = [part for part, mark in zip(parts, marks, strict=True) if mark not in left]
        undone = [part for part, mark in zip(parts, marks, strict=True) if mark in left]
        answer = (
            carry_out({**params, asked_in: _joined(done, params[asked_in])}) if done else {"Responses": {}}
        )
        return {**answer, left_in: _with_left(answer.get(left_in), undone, params[asked_in])}

    return carry_out_in_part


def _without_id(mark: str) -> str:
    # An entry that is sent again may have another number in its batch.
    entry = json.loads(mark)
    return json.dumps({name: value for name, value in entry.items() if name not in ("Id", "DelaySeconds")})


def _parts(asked: Any) -> list[Params]:
    if isinstance(asked, list):
        return asked
    return [
        {"table": table, "request": request}
        for table, requests in asked.items()
        for request in (requests["Keys"] if isinstance(requests, dict) else requests)
    ]


def _joined(parts: list[Params], asked: Any) -> Any:
    if isinstance(asked, list):
        return parts
    joined: Params = {}
    for part in parts:
        requests = asked[part["table"]]
        if isinstance(requests, dict):
            joined.setdefault(part["table"], {**requests, "Keys": []})["Keys"].append(part["request"])
        else:
            joined.setdefault(part["table"], []).append(part["request"])
    return joined


def _with_left(left: Any, parts: list[Params], asked: Any) -> Any:
    """What a batch leaves undone: by itself, and these parts."""
    if isinstance(asked, list):
        return [
            *(left or ()),
            *({"Id": part["Id"], "SenderFault": False, "Code": "InternalError"} for part in parts),
        ]
    require(not left, "two reasons to leave something undone, and nobody joins them")
    return _joined(parts, asked)
