"""One process of a function and its pipes: no LocalStack is needed for it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("function_process.py")
LOG_BYTES = 8 * 1024 * 1024
"""A log that has grown beyond this begins anew."""
PIECE = 1 << 16
GRACE_SECONDS = 1.0
"""Who has closed its pipe gets so long to end, so that its exit status is known."""


class NoReplyError(Exception):
    """The process did not answer in time."""


class DiedError(Exception):
    """The process has ended; the message says how."""


class Worker:
    """A process that answers one request a line by one reply a line; what it prints goes to a file.

    It belongs to the process group of whoever starts it, and ends when that one does.
    """

    def __init__(self, python: str, environment: Mapping[str, str], folder: Path) -> None:
        self._log = folder / "log"
        self._logged = 0
        self._replies, replies = os.pipe()
        self._received = b""
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # Without site-packages: a function has what its package has, and nothing of this machine.
            self._process = subprocess.Popen(
                [python, "-I", "-S", "-u", "-X", "utf8", str(PROGRAM), str(replies)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(replies,),
                env=dict(environment),
                cwd=environment["LAMBDA_TASK_ROOT"],
            )
        except BaseException:
            os.close(self._replies)
            raise
        finally:
            os.close(replies)
            os.close(log)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask for something."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise DiedError(self._status()) from error

    def receive(self, deadline: float) -> dict[str, Any]:
        """The next reply, until this moment of the monotonic clock."""
        poller = select.poll()
        poller.register(self._replies, select.POLLIN)
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0 or not poller.poll(left * 1000):
                raise NoReplyError
            piece = os.read(self._replies, PIECE)
            if not piece:
                raise DiedError(self._status())
            self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def new_logs(self) -> str:
        """What it has printed since the last time."""
        with self._log.open("rb") as file:
            file.seek(self._logged)
            printed = file.read()
        self._logged += len(printed)
        if self._logged > LOG_BYTES:  # it appends, so the file can be cut
            os.truncate(self._log, 0)
            self._logged = 0
        text = printed.decode("utf-8", "replace")
        return text if not text or text.endswith("\n") else text + "\n"

    def kill(self) -> None:
        """End it; an answer that somebody waits for will not come."""
        self._process.kill()

    def close(self) -> None:
        """End it, and give back what it holds."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        os.close(self._replies)

    def _status(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self._process.kill()
        code = self._process.wait()
        return f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
