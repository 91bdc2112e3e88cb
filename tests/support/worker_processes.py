"""The processes in which an emulator runs functions: found among its children, and killed (Linux).

MiniStack runs each concurrent invocation of a function in a process of its own, kept warm for the next one.
When it dies, the invocation has failed, its messages come again after their visibility timeout, and the
next invocation starts a new process. When it dies at its start, MiniStack ends every other process of the
function too: so only those that have begun to work are found here, and whoever dies is known.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localstack.emulator import Emulator
from tests.support.waiting import wait_until

PROC = Path("/proc")
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Worker:
    """A process that runs one function."""

    pid: int
    emulator_pid: int

    @property
    def is_stopped(self) -> bool:
        """Whether no thread of it runs any more, though it lives."""
        return all(_stat(task)[0] == "T" for task in (PROC / str(self.pid) / "task").iterdir())

    def client_ports(self, server_port: int) -> frozenset[int]:
        """The local ports of its connections to a server on this machine."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            sockets = set(_targets(PROC / str(self.pid) / "fd"))
            table = (PROC / str(self.pid) / "net" / "tcp").read_text()
            return frozenset(
                _port(local)
                for _, local, remote, *rest in map(str.split, table.splitlines()[1:])
                if _port(remote) == server_port and f"socket:[{rest[6]}]" in sockets
            )
        return frozenset()  # it has ended


@dataclass(frozen=True)
class Kill:
    """A worker that was killed, when, and the ports by which it was sending mails at that moment."""

    function: str
    at: float
    client_ports: frozenset[int]


def workers_of(emulator: Emulator, function_name: str) -> list[Worker]:
    """The processes that run a function and have asked AWS for something: children of this very emulator."""
    mark = f"/ministack-lambda-{function_name}-"
    workers = [
        Worker(pid, emulator.pid)
        for pid in sorted(_children(emulator.pid))
        if mark in _command_line(PROC / str(pid))
    ]
    return [worker for worker in workers if worker.client_ports(emulator.port)]


def kill(worker: Worker, function: str, smtp_port: int) -> Kill | None:
    """SIGKILL a worker; None when it has ended by itself meanwhile.

    It is stopped first: what is seen of it then is what it was doing when it died.
    """
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        handle = os.pidfd_open(worker.pid)  # unlike a number it can't come to mean another process
        try:
            if _parent(worker.pid) != worker.emulator_pid:
                return None
            signal.pidfd_send_signal(handle, signal.SIGSTOP)
            wait_until(lambda: worker.is_stopped, STOP_SECONDS, f"process {worker.pid} stopped")
            ports = worker.client_ports(smtp_port)
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            return Kill(function, time.time(), ports)
        finally:
            os.close(handle)
    return None


def _targets(links: Path) -> Iterator[str]:
    for link in links.iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(link)


def _children(parent: int) -> Iterator[int]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if _parent(int(entry.name)) == parent:
                    yield int(entry.name)


def _parent(pid: int) -> int:
    return int(_stat(PROC / str(pid))[1])


def _stat(entry: Path) -> list[str]:
    # The name of the program stands before these, in parentheses, and may hold spaces.
    return (entry / "stat").read_text().rpartition(")")[2].split()


def _command_line(entry: Path) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
