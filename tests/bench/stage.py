"""What benchmarks share: the package, unpacked, and the deployment with a mail server that is fast."""

import os
import tempfile
import time
import zipfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.package import package
from localstack.ministack import MiniStack
from tests.bench.report import Tell
from tests.support.deployment import Deployment, Person, people
from tests.support.smtp import Accept, Behaviour, ScriptedSmtp, Step
from tests.support.waiting import wait_until

_ACCEPT = Accept()


class FastSmtp(ScriptedSmtp):
    """Takes everything, and notes only for whom and when: nothing is parsed, nothing looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[str, float]] = []
        """Recipient, and the moment (seconds since the epoch) at which the mail was taken over."""

    def behaviour(self, step: Step | None, recipient: str | None) -> Behaviour:
        return _ACCEPT

    def begin(self, recipient: str) -> None: ...

    def end(self, recipient: str) -> None: ...

    def keep(self, recipient: str, content: bytes, client_port: int) -> None:
        self.taken.append((recipient, time.time()))

    def wait_for(self, number: int, timeout: float) -> float:
        """Wait until exactly so many mails have been taken; the moment of the last."""
        wait_until(lambda: len(self.taken) >= number, timeout, f"{number} mails")
        assert len(self.taken) == number, f"{len(self.taken)} mails instead of {number}"
        return self.taken[-1][1]


class Stage:
    """Makes what benchmarks need when the first of them asks for it, and takes it down at the end."""

    def __init__(self, tell: Tell, quick: bool) -> None:
        self.tell = tell
        self.quick = quick
        self._stack = ExitStack()
        self._crowd: list[Person] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @cached_property
    def folder(self) -> Path:
        """A folder that is removed at the end."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vestnik-bench-")))

    @cached_property
    def archive(self) -> Path:
        """The zip that is deployed."""
        self.tell("packaging")
        return package().code

    @cached_property
    def unpacked(self) -> Path:
        """The package as Lambda has it in /var/task."""
        target = self.folder / "task"
        with zipfile.ZipFile(self.archive) as packed:
            packed.extractall(target)
        return target

    @cached_property
    def smtp(self) -> FastSmtp:
        """The mail server of the deployment."""
        server = FastSmtp()
        self._stack.enter_context(server)
        return server

    @cached_property
    def deployment(self) -> Deployment:
        """The real package on MiniStack; no rule fires meanwhile."""
        server = self.smtp
        self.tell("deploying to MiniStack")
        deployment = Deployment(server, self.folder / "emulator.log", emulator=MiniStack)
        self._stack.enter_context(deployment)
        self._stack.enter_context(deployment.without_rules())
        return deployment

    @cached_property
    def urgent(self) -> Person:
        """Somebody who is not of the crowd."""
        (person,) = self.deployment.add_people(people(1, "urgent"))
        return person

    def crowd(self, number: int) -> list[Person]:
        """So many people whom the directory knows, the same ones each time."""
        missing = number - len(self._crowd)
        if missing > 0:
            self._crowd += self.deployment.add_people(people(missing, "crowd"))
        return self._crowd[:number]

    def environment_of(self, function: str) -> dict[str, str]:
        """What a function of the deployment finds in its environment: 'APIHandler', 'DeliverRegular', …"""
        name = self.deployment.name_of(function)
        configuration = self.deployment.functions.get_function_configuration(FunctionName=name)
        return {**self.deployment.emulator.environment, **configuration["Environment"]["Variables"]}

    def cpu_of_emulator(self) -> tuple[float, float]:
        """CPU seconds so far: of MiniStack itself, and of all functions' processes."""
        own = self.deployment.emulator.pid
        itself = functions = 0.0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            if int(fields[2]) != own:
                continue
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            if stat.parent.name == str(own):
                itself += seconds
            else:
                functions += seconds
        return itself, functions


def milliseconds(seconds: float) -> str:
    """A time as the tables show it."""
    return f"{seconds * 1000:,.0f} ms" if seconds < 10 else f"{seconds:,.1f} s"
