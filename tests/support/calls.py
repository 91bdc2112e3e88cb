"""Takes down what each function calls of AWS, as the permissions that it needs for that."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from botocore.client import BaseClient

from chalicelib import queues
from chalicelib.workers import sweep, tick
from tests.faults.functions import FUNCTIONS
from tests.support.aws import World
from tests.support.roles import Grant, UnknownCallError, needed


class CallRecorder:
    """Takes down the calls that are made while a function is `acting`.

    It stands at botocore, whose one method every client goes through, and before the World's own queues.
    """

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used: defaultdict[str, set[Grant]] = defaultdict(set)
        """Function -> what it has needed so far."""
        self.unknown: list[str] = []
        """Calls of which it is not known what they need: a worker may go on after one."""
        self._function: str | None = None
        original = BaseClient._make_api_call  # type: ignore[attr-defined]

        def record(client: Any, operation: str, params: Mapping[str, Any]) -> Any:
            service = client.meta.service_model.service_name
            return self._take(service, operation, params, partial(original, client, operation, params))

        monkeypatch.setattr(BaseClient, "_make_api_call", record)
        monkeypatch.setattr(queues, "client", lambda: _Watched(world.queues, partial(self._take, "sqs")))
        for variable, handler in world.handlers.items():
            world.handlers[variable] = partial(self._invoke, FUNCTIONS[variable].resource, handler)
        monkeypatch.setattr(sweep, "sweep", partial(self._invoke, "Sweep", sweep.sweep))
        monkeypatch.setattr(tick, "tick", partial(self._invoke, "Tick", tick.tick))

    @contextmanager
    def acting(self, function: str) -> Iterator[None]:
        """One run of a function, by its id in the template."""
        self._function = function
        try:
            yield
        finally:
            self._function = None

    def _invoke(self, function: str, handler: Any, event: Any, context: Any) -> Any:
        with self.acting(function):
            return handler(event, context)

    def _take(self, service: str, operation: str, params: Mapping[str, Any], call: Callable[[], Any]) -> Any:
        function, self._function = self._function, None  # a World's queues ask moto's in their turn
        try:
            if function:
                self._note(function, service, operation, params)
            return call()
        finally:
            self._function = function

    def _note(self, function: str, service: str, operation: str, params: Mapping[str, Any]) -> None:
        try:
            self.used[function] |= set(needed(service, operation, params))
        except UnknownCallError as error:
            self.unknown.append(f"{function}: {error}")


class _Watched:
    """Stands before the queues and tells of each call."""

    def __init__(self, client: object, take: Callable[..., Any]) -> None:
        self._client = client
        self._take = take

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._client, name)
        operation = "".join(word.capitalize() for word in name.split("_"))
        return lambda **params: self._take(operation, params, partial(call, **params))
