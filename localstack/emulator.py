"""What the project asks of an emulator of AWS, and how one lives as a child process of ours."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ClassVar, Self

from localstack.capabilities import Capability
from localstack.guard import DO_NOT_SAVE, SAVE
from localstack.ports import LOOPBACK, LocalError, free_port, require_free

ROOT = Path(__file__).resolve().parent.parent
GUARD = ROOT / "localstack" / "guard.py"
STOP_SECONDS = 30.0  # it may write its whole state, and gives its workers two seconds to end
POLL_SECONDS = 0.05
# The functions' processes inherit this environment too: what a developer's shell holds beside it
# (AWS profiles, SMTP settings) must not reach them.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY")
# The files of a developer's own account are shut out: no profile or endpoint in them may take effect.
CLIENT_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class EmulatorStoppedError(LocalError):
    """The emulator ended although nobody asked it to."""


class Emulator(ABC):
    """One emulator on loopback: `with MiniStack() as emulator: emulator.endpoint_url`.

    Without `port` a free one is taken; without `state_dir` no state is kept. `work_dir` is emptied at the
    start (the workers' copies of the code stay behind there) and removed at the end.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    cannot: ClassVar[Mapping[Capability, str]]
    """What AWS does and this does not, with the reason."""
    start_seconds: ClassVar[float] = 60.0
    """How long it may take until it is healthy."""
    health: ClassVar[str]
    """A path that is answered by 200 when it is ready."""
    mail_server: tuple[str, int] | None = None
    """Its own, as functions reach it; None: they reach those of this machine."""

    def __init__(
        self,
        port: int | None = None,
        state_dir: Path | None = None,
        work_dir: Path | None = None,
        log_path: Path | None = None,
    ) -> None:
        self.port = port or free_port()
        self._work = work_dir or Path(tempfile.gettempdir()) / f"vestnik-emulator-{self.port}"
        self.log_path = log_path or self._work / "emulator.log"
        self._state_dir = None if Capability.KEEPS_STATE in self.cannot else state_dir
        self._saves = self._state_dir is not None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """Where every emulated service answers."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client of AWS needs in its environment to speak to this emulator."""
        return {**CLIENT_ENVIRONMENT, "AWS_ENDPOINT_URL": self.endpoint_url}

    @property
    def keeps_state(self) -> bool:
        """Whether the next start finds what is stored now."""
        return self._state_dir is not None

    @property
    def pid(self) -> int:
        """The process that runs at this moment; the functions' processes are its children."""
        assert self._process is not None, "not started"
        return self._process.pid

    @abstractmethod
    def _require(self) -> None:
        """Raise LocalError with the way out when it is not installed."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """What is run."""

    def _settings(self) -> dict[str, str]:
        """What it is told by its environment."""
        return {}

    def _prepare(self) -> None:
        """Do what has to be done before each start, when the work directory is there."""
        return

    def start(self) -> Self:
        """Start the child and wait until it is healthy."""
        require_free(self.port, "the emulator", "stop what uses it, or set VESTNIK_EMULATOR_PORT")
        self._require()
        try:
            self._spawn()
            self._wait_until_healthy()
        except BaseException:
            self._end()  # and leave the log, at which the message points
            raise
        return self

    def check(self) -> None:
        """Raise EmulatorStoppedError if the child has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise EmulatorStoppedError(
                f"The emulator stopped by itself (exit code {code}): its last words are in {self.log_path}."
            )

    def wait(self, seconds: float | None = None) -> None:
        """Wait that long, or for ever; raise EmulatorStoppedError once the child has ended by itself."""
        assert self._process is not None, "not started"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.check()

    @contextlib.contextmanager
    def not_saving(self) -> Iterator[None]:
        """Keep the state of the last stop if this block fails: a half-made stack could never be mended."""
        saved_before = self._saves
        self._set_saving(False)
        yield
        self._set_saving(saved_before)

    def stop(self) -> None:
        """Let it save its state and end; end it and all its workers the hard way when it does not."""
        self._end()
        shutil.rmtree(self._work, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _set_saving(self, saves: bool) -> None:
        self._saves = saves
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has died: whoever waits for it says so
                self._process.stdin.write(SAVE if saves else DO_NOT_SAVE)
                self._process.stdin.flush()

    def _spawn(self) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)
        self._prepare()
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("wb") as log:
            self._process = self._popen(log)
        self._set_saving(self._saves)

    def _popen(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C at the terminal reaches us, and we stop it in order; and its
        # process group is what holds every worker it starts. The open stdin tells its guard that we live.
        return subprocess.Popen(
            self._command(),
            cwd=self._work,
            env=self._child_environment(),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _child_environment(self) -> dict[str, str]:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= CLIENT_ENVIRONMENT
        environment |= {
            "NO_PROXY": f"{LOOPBACK},localhost,::1",
            "TMPDIR": str(self._work.resolve()),
            "TZ": "UTC",  # as in Lambda
            "PYTHONUNBUFFERED": "1",
        }
        return environment | self._settings()

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not self._is_healthy():
            if time.monotonic() > deadline:
                raise LocalError(
                    f"The emulator was not ready within {self.start_seconds:.0f} s:"
                    f" its log is {self.log_path}."
                )
            self.wait(POLL_SECONDS)

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", self.health)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if self._is_asked_to_stop():
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        # What is left of its group: itself when it would not end, and workers that did not end with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        self._clean_up()

    def _is_asked_to_stop(self) -> bool:
        """Whether it has something to do before it ends."""
        return self._saves

    def _clean_up(self) -> None:
        """Remove what is not of its process group."""
        return
