"""What is set up once for all runs: the product on moto, small, without chance, its calls on the wire."""

import logging
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any, cast

import pytest

from chalicelib import queues, security
from chalicelib.channels import CHANNELS
from chalicelib.domain import backoff, fanning, lanes
from chalicelib.observability import logger
from chalicelib.services import letters, pacing, suppressing
from chalicelib.tables import base, paces
from chalicelib.tables.contacts import contact_of
from tests.faults.points import LogKeeper
from tests.faults.provider import Provider, addresses_of
from tests.faults.scenarios import ANNA, BEN, CARL, CHUNK_SIZE, EVA
from tests.support.aws import FakeClock

SHARDS = 1
"""Of the sparse indexes: each costs four requests in every sweep, and they are all the same."""


class InlineExecutor(Executor):
    """Runs what is submitted at once: a copy of a process has only the thread that made it."""

    def __init__(self, max_workers: int | None = None) -> None:
        """As many workers as are asked for are one."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def set_the_stage(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, providers: Mapping[str, Provider]
) -> LogKeeper:
    """Have the product's modules as a run needs them; what keeps their log."""
    monkeypatch.setattr(queues, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(base, "BATCH_FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(lanes, "SHARDS", SHARDS)
    monkeypatch.setattr(backoff, "JITTER", 0.0)  # else every call more or less would change what follows
    monkeypatch.setattr(time, "sleep", clock.advance)
    assert fanning.CHUNK_SIZE == 100
    _everywhere(monkeypatch, "CHUNK_SIZE", CHUNK_SIZE)
    _everywhere(monkeypatch, "utc_now", clock)
    _everywhere(monkeypatch, "ThreadPoolExecutor", InlineExecutor)
    for name, provider in providers.items():
        monkeypatch.setitem(cast(dict[str, Any], CHANNELS), name, provider)
    log = LogKeeper()
    quiet = logging.Logger("vestnik-in-a-run")
    quiet.addHandler(log)
    monkeypatch.setattr(logger, "_logger", quiet)
    return log


def _everywhere(monkeypatch: pytest.MonkeyPatch, name: str, becomes: Any) -> None:
    """Replace a name in every module of the product that has it."""
    found = [each for name_, each in sys.modules.items() if name_.startswith("chalicelib")]
    for module in found:
        if hasattr(module, name):
            monkeypatch.setattr(module, name, becomes)


def know_everybody() -> None:
    """Contacts of all but Dora, whom nobody knows."""
    known = (ANNA, BEN, CARL, EVA)
    base.batch_put([contact_of(user, addresses_of(user), name="Anna", locale="en") for user in known])


def forget_what_a_warm_function_knows() -> None:
    """As if the next function were a new process."""
    letters._notifications.clear()
    suppressing.forget()
    paces.forget()
    pacing.forget()
    if security._provider is not None:
        security._provider.store.clear()
