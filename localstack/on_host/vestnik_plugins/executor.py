"""Runs Lambda functions as processes of this machine: an execution environment is one that lives on.

The functions run on the Python that LAMBDA_PROCESS_PYTHON names.
"""

import json
import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localstack.runtime.events import infra_stopping
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from .worker import DiedError, NoReplyError, Worker

START_SECONDS = 30.0
"""For a function to load. On AWS it is ten, but there nobody else is at work."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class _Answer:
    """What an invocation came to."""

    is_error: bool
    payload: str
    said: str = ""
    """What Lambda itself says about it in the log."""
    has_ended: bool = False
    """Whether the process is of no further use."""


class ProcessExecutor(RuntimeExecutor):  # type: ignore[misc]
    """One execution environment: a folder and a process, which is started again when it has died."""

    def __init__(self, id: str, function_version: Any) -> None:  # LocalStack names the arguments
        super().__init__(id=id, function_version=function_version)
        self._lock = threading.RLock()
        self._stopped = False
        self._worker: Worker | None = None
        self._unloaded: _Answer | None = None
        self._environment: dict[str, str] = {}
        self._folder = Path()
        self._load_ms: float | None = None

    # Its life.

    def start(self, env_vars: dict[str, Any]) -> None:
        """Load the function. When it fails, that is the answer to the next invocation, as on AWS."""
        version = self.function_version
        self._folder = Path(tempfile.mkdtemp(prefix=f"lambda-{version.id.function_name}-"))
        temporary = self._folder / "tmp"
        temporary.mkdir()
        self._environment = {
            "PATH": os.environ["PATH"],
            "LANG": "en_US.UTF-8",
            "HOME": str(self._folder),
            "TMPDIR": str(temporary),
            "AWS_EC2_METADATA_DISABLED": "true",
            **{name: str(value) for name, value in env_vars.items()},
            "LAMBDA_TASK_ROOT": str(version.config.code.get_unzipped_code_location()),
            "LAMBDA_RUNTIME_DIR": str(Path(__file__).parent),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{version.config.runtime}",
        }
        with self._lock:
            self._load(time.monotonic() + START_SECONDS)

    def stop(self) -> None:
        """End the process and remove the folder, after an invocation that is under way, as on AWS."""
        if not infra_stopping.is_set() and self._lock.acquire(timeout=self.function_version.config.timeout):
            self._lock.release()
        self._stopped = True
        if worker := self._worker:
            worker.kill()  # an invocation under way sees it, and gives the lock back
        with self._lock:
            self._discard()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _load(self, deadline: float) -> None:
        began = time.monotonic()
        self._worker = Worker(os.environ["LAMBDA_PROCESS_PYTHON"], self._environment, self._folder)
        try:
            reply = self._worker.receive(deadline)
            self._unloaded = None if reply["ok"] else _Answer(True, reply["payload"], has_ended=True)
        except (NoReplyError, DiedError) as error:
            self._unloaded = self._no_answer("of its start", error)
        self._load_ms = (time.monotonic() - began) * 1000

    def _discard(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    # Its work.

    def invoke(self, payload: dict[str, str]) -> Any:
        """Have the function answer an event."""
        request_id, began = payload["invoke-id"], time.monotonic()
        with self._lock:
            answer = self._answer(request_id, payload)
            printed = self._worker.new_logs() if self._worker else ""
            if answer.has_ended:
                self._discard()  # the next invocation starts another process
        logs = (
            f"START RequestId: {request_id} Version: {self.function_version.id.qualifier}\n"
            f"{printed}{answer.said}END RequestId: {request_id}\n{self._report(request_id, began)}"
        )
        return InvocationResult(request_id, answer.payload.encode(), is_error=answer.is_error, logs=logs)

    def _answer(self, request_id: str, payload: dict[str, str]) -> _Answer:
        timeout = self.function_version.config.timeout
        deadline = time.monotonic() + timeout
        if self._stopped:
            return self._no_answer(request_id, DiedError("stopped"))
        if self._worker is None:
            self._load(deadline)
        if self._unloaded is not None:
            return self._unloaded
        request = {
            "id": request_id,
            "arn": payload["invoked-function-arn"],
            "trace": payload.get("trace-id"),
            "deadline": time.time() + timeout,
            "event": payload["payload"],
        }
        assert self._worker is not None
        try:
            self._worker.send(request)
            reply = self._worker.receive(deadline)
        except (NoReplyError, DiedError) as error:
            return self._no_answer(request_id, error)
        return _Answer(not reply["ok"], reply["payload"])

    def _no_answer(self, request_id: str, error: Exception) -> _Answer:
        if isinstance(error, NoReplyError):
            seconds = self.function_version.config.timeout
            kind, words = "Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds"
        else:
            kind, words = "Runtime.ExitError", f"Runtime exited with error: {error}"
        message = f"RequestId: {request_id} Error: {words}"
        document = json.dumps({"errorType": kind, "errorMessage": message})
        return _Answer(True, document, f"{message}\n", has_ended=True)

    def _report(self, request_id: str, began: float) -> str:
        milliseconds = (time.monotonic() - began) * 1000
        memory = self.function_version.config.memory_size
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
            f"Billed Duration: {int(milliseconds) + 1} ms\tMemory Size: {memory} MB\t"
        )
        loaded, self._load_ms = self._load_ms, None
        return report if loaded is None else f"{report}Init Duration: {loaded:.2f} ms\t"

    def get_logs(self) -> str:
        """What is shown when the function has not started: nothing beyond what its invocations log."""
        return ""

    # Where it is: on the same machine.

    def get_address(self) -> str:
        """Where LocalStack reaches the function."""
        return LOOPBACK

    def get_endpoint_from_executor(self) -> str:
        """Where the function reaches LocalStack."""
        return LOOPBACK

    def get_runtime_endpoint(self) -> str:
        """Nobody asks there: the pipes are used."""
        return f"http://{LOOPBACK}"

    # Versions of the code.

    @classmethod
    def prepare_version(cls, function_version: Any) -> None:
        """Unpack the code of a function."""
        runtime = function_version.config.runtime
        if not (runtime or "").startswith("python"):
            raise ValueError(f"only functions in Python run here, not {runtime or 'images'}")
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: Any) -> None:
        """Nothing is left of a version but its code, which LocalStack removes."""

    @classmethod
    def validate_environment(cls) -> bool:
        """Whether functions can run here."""
        return shutil.which(os.environ["LAMBDA_PROCESS_PYTHON"]) is not None
