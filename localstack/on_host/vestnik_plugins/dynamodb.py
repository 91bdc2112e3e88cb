"""DynamoDB by the moto that LocalStack has within it: without Java, and without DynamoDB Local's own licence.

Moto is made for one thread. Here requests come at once, and what a condition is to hold must not change
before the write: so one is answered after the other.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from localstack.aws.api.dynamodb import DynamodbApi
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service, ServiceLifecycleHook

_lock = threading.RLock()


class MotoDynamoDB(DynamodbApi, ServiceLifecycleHook):  # type: ignore[misc]
    """Answers nothing itself, so that all goes to moto."""


def service() -> Any:
    """What LocalStack has for DynamoDB."""
    return Service.for_provider(MotoDynamoDB(), dispatch_table_factory=one_after_the_other)


def one_after_the_other(provider: Any) -> dict[str, Any]:
    """What answers each operation."""
    return {operation: _alone(answer) for operation, answer in MotoFallbackDispatcher(provider).items()}


def _alone(answer: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(answer)
    def call(*arguments: Any, **named: Any) -> Any:
        with _lock:
            return answer(*arguments, **named)

    return call
