"""Starts and stops MiniStack, the emulator of AWS, as a child process in an environment of its own."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from localstack.emulator_guard import DO_NOT_SAVE, SAVE
from localstack.emulator_state import release_received_messages
from localstack.ports import LOOPBACK, LocalError, free_port, require_free

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_PYTHON = ROOT / ".venv-emulator" / "bin" / "python"
GUARD = ROOT / "localstack" / "emulator_guard.py"
START_SECONDS = 60.0
STOP_SECONDS = 30.0  # it writes its whole state, and gives its workers two seconds to end
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


class Emulator:
    """One MiniStack on loopback: `with Emulator() as emulator: emulator.endpoint_url`.

    Without `port` a free one is taken; without `state_dir` no state is kept. `work_dir` is emptied at the
    start (the workers' copies of the code stay behind there) and removed at the end.
    """

    def __init__(
        self,
        port: int | None = None,
        state_dir: Path | None = None,
        python: Path = DEFAULT_PYTHON,
        work_dir: Path | None = None,
        log_path: Path | None = None,
        program: Sequence[str] = ("-I", "-u", str(GUARD)),
    ) -> None:
        self.port = port or free_port()
        self._state_dir = state_dir
        self._python = python
        self._program = program
        self._work = work_dir or Path(tempfile.gettempdir()) / f"vestnik-emulator-{self.port}"
        self.log_path = log_path or self._work / "emulator.log"
        self._saves = state_dir is not None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """Where every emulated service answers."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """Of the child; its process group is its own and its workers'."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        """What a client of AWS needs in its environment to speak to this emulator."""
        return {**CLIENT_ENVIRONMENT, "AWS_ENDPOINT_URL": self.endpoint_url}

    def start(self) -> Self:
        """Start the child and wait until it is healthy."""
        require_free(self.port, "the emulator", "stop what uses it, or set VESTNIK_EMULATOR_PORT")
        if not self._python.exists():
            raise LocalError(f"The emulator is not installed ({self._python} is missing): run `make setup`.")
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
        if self._state_dir is not None:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            release_received_messages(self._state_dir)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("wb") as log:
            self._process = self._popen(log)
        self._set_saving(self._saves)

    def _popen(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C at the terminal reaches us, and we stop it in order; and its
        # process group is what holds every worker it starts. The open stdin tells its guard that we live.
        return subprocess.Popen(
            [str(self._python), *self._program],
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
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": CLIENT_ENVIRONMENT["AWS_REGION"],
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "NO_PROXY": f"{LOOPBACK},localhost,::1",
            "TMPDIR": str(self._work.resolve()),
            "TZ": "UTC",  # as in Lambda
            "PYTHONUNBUFFERED": "1",
        }
        if self._state_dir is not None:
            environment |= {"PERSIST_STATE": "1", "STATE_DIR": str(self._state_dir.resolve())}
        return environment

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_healthy():
            if time.monotonic() > deadline:
                raise LocalError(
                    f"The emulator was not ready within {START_SECONDS:.0f} s: its log is {self.log_path}."
                )
            self.wait(POLL_SECONDS)

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if self._saves:
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
