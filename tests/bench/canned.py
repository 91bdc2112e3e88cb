"""AWS without a network: the calls of one invocation are recorded on moto, then answered from the record.

At two depths. `at_the_sdk` answers in place of botocore: what is left is our own code. `at_the_wire` answers
in place of the socket: botocore's serialisation, signing and parsing are paid for, as in Lambda.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import botocore.client
import botocore.endpoint
import pytest
from botocore.client import BaseClient
from botocore.endpoint import Endpoint


@dataclass(frozen=True)
class WireAnswer:
    """What came back over HTTP, in the form botocore's parser takes."""

    status_code: int
    headers: Any
    content: bytes


@dataclass(frozen=True)
class Call:
    """One call of the SDK, and what it was answered."""

    client: BaseClient
    operation: str
    parameters: dict[str, Any]
    answer: Any
    wire: WireAnswer


def record(work: Callable[[], object]) -> list[Call]:
    """Do some work and return the calls of AWS that it made, in their order."""
    calls: list[Call] = []
    wires: list[WireAnswer] = []
    make_call = BaseClient._make_api_call  # type: ignore[attr-defined]
    convert = botocore.endpoint.convert_to_response_dict

    def listen(response: Any, operation_model: Any) -> Any:
        wires.append(WireAnswer(response.status_code, response.headers, response.content))
        return convert(response, operation_model)

    def make_and_note(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        answer = make_call(client, operation, parameters)
        calls.append(Call(client, operation, parameters, answer, wires[-1]))
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", make_and_note)
        patch.setattr(botocore.endpoint, "convert_to_response_dict", listen)
        work()
    return calls


@contextmanager
def at_the_sdk(calls: list[Call]) -> Iterator[None]:
    """Answer every call from the record, over and over, before botocore does anything."""
    answers = itertools.cycle(call.answer for call in calls)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", lambda *_: next(answers))
        yield


@contextmanager
def at_the_wire(calls: list[Call]) -> Iterator[None]:
    """Answer every request from the record, over and over, where botocore would open a connection."""
    answers = itertools.cycle(call.wire for call in calls)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Endpoint, "_send", lambda *_: next(answers))
        yield


def make_again(calls: list[Call]) -> None:
    """The same calls by boto3 alone: the floor, which nobody who makes them can stay below."""
    for call in calls:
        call.client._make_api_call(call.operation, call.parameters)  # type: ignore[attr-defined]
