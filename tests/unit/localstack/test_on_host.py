"""LocalStack without Docker: how it is started, and the process of a function, with real ones."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from localstack.on_host import PLUGINS, LocalStackOnHost, functions_python
from localstack.on_host.vestnik_plugins.worker import DiedError, NoReplyError, Worker
from localstack.ports import LOOPBACK, LocalError
from tests.unit.localstack.test_emulator import STAND_IN, anyone_alive, until

HANDLERS = """
import logging, os, sys, time
from decimal import Decimal

def echo(event, context):
    print("printed", event["word"])
    logging.getLogger().warning("logged %s", event["word"])
    return {"word": event["word"], "id": context.aws_request_id, "number": Decimal("1.5"),
            "left": context.get_remaining_time_in_millis(), "stdin": sys.stdin.read()}

def fail(event, context):
    raise LookupError("nothing there")

def hang(event, context):
    time.sleep(600)

def wait(event, context):
    while not os.path.exists(event["for"]):
        time.sleep(0.01)
    return "it came"

def die(event, context):
    os._exit(3)

def odd(event, context):
    return object()

def paths(event, context):
    return [path for path in sys.path if "site-packages" in path or "dist-packages" in path]
"""
SECONDS = 20.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A function's folder, and its code."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "handlers.py").write_text(HANDLERS)
    (tmp_path / "code" / "broken.py").write_text("import nowhere_to_be_found")
    return tmp_path


def worker_of(folder: Path, handler: str) -> Worker:
    environment = {
        "LAMBDA_TASK_ROOT": str(folder / "code"),
        "_HANDLER": handler,
        "AWS_LAMBDA_FUNCTION_NAME": "a-function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "a-group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "a-stream",
    }
    return Worker(sys.executable, environment, folder)


@pytest.fixture
def handler(request: pytest.FixtureRequest, folder: Path) -> Iterator[Worker]:
    """A process that has loaded the handler of the parameter."""
    worker = worker_of(folder, f"handlers.{request.param}")
    assert receive(worker) == {"ok": True, "payload": None}
    yield worker
    worker.close()


def receive(worker: Worker, seconds: float = SECONDS) -> dict[str, Any]:
    return worker.receive(time.monotonic() + seconds)


def ask(worker: Worker, event: object, seconds: float = SECONDS) -> tuple[bool, Any]:
    """Whether it went well, and what came of it."""
    worker.send(
        {
            "id": "an-id",
            "arn": "an-arn",
            "trace": None,
            "deadline": time.time() + 5,
            "event": json.dumps(event),
        }
    )
    reply = receive(worker, seconds)
    return reply["ok"], json.loads(reply["payload"])


@pytest.mark.parametrize("handler", ["echo"], indirect=True)
def test_a_handler_is_loaded_once_and_answers_again_and_again(handler: Worker) -> None:
    for word in ("one", "two\n\n"):
        is_right, answer = ask(handler, {"word": word})
        left = answer.pop("left")
        assert is_right
        assert answer == {"word": word, "id": "an-id", "number": 1.5, "stdin": ""}
        assert 0 < left <= 5000
        logs = handler.new_logs()
        assert f"printed {word}\n" in logs
        assert f"\tan-id\tlogged {word}\n" in logs
    assert handler.new_logs() == ""


@pytest.mark.parametrize("handler", ["fail"], indirect=True)
def test_what_a_handler_raises_is_an_answer_and_stands_in_the_log(handler: Worker) -> None:
    is_right, document = ask(handler, {})

    assert not is_right
    assert (document["errorType"], document["errorMessage"]) == ("LookupError", "nothing there")
    (frame,) = document["stackTrace"]
    assert "handlers.py" in frame
    assert handler.new_logs().startswith("[ERROR] LookupError: nothing there\n")
    assert ask(handler, {})[0] is False, "it lives on"


@pytest.mark.parametrize("handler", ["odd"], indirect=True)
def test_what_is_no_json_is_said(handler: Worker) -> None:
    is_right, document = ask(handler, {})

    assert not is_right
    assert document["errorType"] == "Runtime.MarshalError"


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("broken.handler", "Runtime.ImportModuleError", "nowhere_to_be_found"),
        ("handlers.absent", "Runtime.HandlerNotFound", "'absent' missing on module 'handlers'"),
    ],
)
def test_what_cannot_be_loaded_is_said(folder: Path, name: str, kind: str, words: str) -> None:
    worker = worker_of(folder, name)
    reply = receive(worker)
    worker.close()

    document = json.loads(reply["payload"])
    assert reply["ok"] is False
    assert document["errorType"] == kind
    assert words in document["errorMessage"]


@pytest.mark.parametrize("handler", ["paths"], indirect=True)
def test_a_function_has_what_its_package_has_and_nothing_of_this_machine(handler: Worker) -> None:
    assert ask(handler, {}) == (True, [])


@pytest.mark.parametrize("handler", ["hang"], indirect=True)
def test_who_does_not_answer_in_time_is_given_up(handler: Worker) -> None:
    with pytest.raises(NoReplyError):
        ask(handler, {}, 0.1)


@pytest.mark.parametrize("handler", ["hang"], indirect=True)
def test_who_waits_for_an_answer_is_told_when_the_process_is_killed(handler: Worker) -> None:
    handler.kill()

    with pytest.raises(DiedError, match="signal: SIGKILL"):
        ask(handler, {})


@pytest.mark.parametrize("handler", ["die"], indirect=True)
def test_how_a_process_has_ended_is_told(handler: Worker) -> None:
    with pytest.raises(DiedError, match="exit status 3"):
        ask(handler, {})


@pytest.mark.parametrize("handler", ["hang"], indirect=True)
def test_a_function_belongs_to_the_process_group_of_the_emulator(handler: Worker) -> None:
    assert os.getpgid(handler.pid) == os.getpgid(0)


def test_a_process_that_was_closed_is_gone(folder: Path) -> None:
    worker = worker_of(folder, "handlers.hang")
    receive(worker)
    worker.close()

    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)


def test_the_functions_python_is_the_deployments_without_its_environment() -> None:
    shown = subprocess.run(
        [functions_python(), "-c", "import sys; print(sys.version_info[:2], sys.prefix == sys.base_prefix)"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert shown == f"{sys.version_info[:2]} True\n"


def stand_in(tmp_path: Path) -> LocalStackOnHost:
    program = STAND_IN.replace("/_ministack/health", "/_localstack/health")
    program = program.replace('os.environ["BIND_HOST"]', 'os.environ["GATEWAY_LISTEN"].split(":")[0]')
    program = program.replace('os.environ["GATEWAY_PORT"]', 'os.environ["GATEWAY_LISTEN"].split(":")[1]')
    program = program.replace('os.environ.get("STATE_DIR", ".")', repr(str(tmp_path)))
    return LocalStackOnHost(
        state_dir=tmp_path / "state",
        work_dir=tmp_path / "work",
        log_path=tmp_path / "emulator.log",
        python=Path(sys.executable),
        program=("-c", program),
    )


def test_it_listens_on_loopback_asks_nobody_outside_and_is_gone_afterwards(tmp_path: Path) -> None:
    with stand_in(tmp_path) as emulator:
        assert emulator.endpoint_url == f"http://{LOOPBACK}:{emulator.port}"
        assert not emulator.keeps_state
        environment = emulator._child_environment()
        assert (
            environment["GATEWAY_LISTEN"] == environment["LOCALSTACK_HOST"] == f"{LOOPBACK}:{emulator.port}"
        )
        assert environment["HTTPS_PROXY"].startswith(f"http://{LOOPBACK}:")
        assert anyone_alive(tmp_path)

    until(lambda: not anyone_alive(tmp_path))
    assert not (tmp_path / "state").exists()


def test_without_its_environment_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="run `make setup-localstack`"):
        LocalStackOnHost(python=tmp_path / "python").start()


def test_localstack_finds_every_plugin_by_its_entry_point() -> None:
    entry_points = ConfigParser(delimiters="=")
    entry_points.optionxform = str  # type: ignore[assignment]
    entry_points.read(PLUGINS / "vestnik_plugins-1.dist-info" / "entry_points.txt")
    named = [target for group in entry_points.sections() for target in entry_points[group].values()]

    plugins = (PLUGINS / "vestnik_plugins" / "plugins.py").read_text("utf-8")
    assert len(named) == 4
    for target in named:
        module, _, name = target.partition(":")
        assert module == "vestnik_plugins.plugins"
        assert f"class {name}(" in plugins or f"def {name}(" in plugins
