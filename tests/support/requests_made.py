"""How many requests to AWS something makes."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient


def requests_made(monkeypatch: pytest.MonkeyPatch, do: Callable[[], Any]) -> int:
    """Do it, and count."""
    made: list[str] = []
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def count(client: Any, operation: str, params: Any) -> Any:
        made.append(operation)
        return original(client, operation, params)

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", count)
        do()
    return len(made)
