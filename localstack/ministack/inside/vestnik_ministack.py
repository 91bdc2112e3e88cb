"""Runs MiniStack, within its own environment, with two things mended.

A function whose code or settings change comes to the end of what it is at, as on AWS: by itself MiniStack
ends its processes in the middle, and who has just been sent a mail is sent another. And what becomes of mails
that go by SES is told (vestnik_ses.py).
"""

import importlib
import threading
import time
from collections.abc import Iterable
from typing import Any

from ministack.core import lambda_runtime

MARGIN_SECONDS = 5.0
POLL_SECONDS = 0.02

_invalidate = lambda_runtime.invalidate_worker
_kill = lambda_runtime.kill_workers
_thread = threading.local()


def mend() -> None:
    """Put ours in the place of what is there, before anything else has it."""
    lambda_runtime.invalidate_worker = invalidate_worker
    lambda_runtime.kill_workers = kill_workers


def invalidate_worker(*function: Any, **named: Any) -> None:
    """Have no more invocations by these processes: who is at one ends afterwards."""
    _thread.is_gentle = True
    try:
        _invalidate(*function, **named)
    finally:
        _thread.is_gentle = False


def kill_workers(workers: Iterable[Any]) -> None:
    """End processes: at once, or each when its invocation has ended."""
    workers = [each for each in workers if each is not None]
    busy = [each for each in workers if each.in_use] if getattr(_thread, "is_gentle", False) else []
    for each in busy:
        threading.Thread(target=_end_later, args=[each], daemon=True).start()
    _kill([each for each in workers if each not in busy])


def _end_later(worker: Any) -> None:
    deadline = time.monotonic() + worker.config["Timeout"] + MARGIN_SECONDS
    while worker.in_use and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    _kill([worker])


if __name__ == "__main__":
    mend()
    importlib.import_module("vestnik_ses").mend()  # it stands beside this one
    from ministack.app import main

    main()
