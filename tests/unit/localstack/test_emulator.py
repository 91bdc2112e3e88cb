"""Starting and stopping the emulator, with small programs in its place."""

import fcntl
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from localstack.emulator import GUARD, EmulatorStoppedError
from localstack.ministack import MiniStack
from localstack.ministack.state import release_received_messages
from localstack.ports import LOOPBACK, LocalError, free_port, is_free

# Healthy like the emulator; has a worker process; says what it has when it is asked to stop.
STAND_IN = """
import fcntl, http.server, os, pathlib, signal, subprocess, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(7)
        self.send_response(200 if self.path == "/_ministack/health" else 404)
        self.end_headers()
def stop(*_):
    pathlib.Path(os.environ["STATE_DIR"], "saved").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
alive = open(pathlib.Path(os.environ.get("STATE_DIR", "."), "alive"), "w")
fcntl.flock(alive, fcntl.LOCK_EX)  # and the worker has it too
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], pass_fds=[alive.fileno()])
server = http.server.ThreadingHTTPServer((os.environ["BIND_HOST"], int(os.environ["GATEWAY_PORT"])), Handler)
print(sorted(os.environ), flush=True)
server.serve_forever()
"""


def stand_in(
    tmp_path: Path, program: str = STAND_IN, port: int | None = None, keep: bool = True
) -> MiniStack:
    return MiniStack(
        port,
        state_dir=tmp_path / "state" if keep else None,
        python=Path(sys.executable),
        work_dir=tmp_path / "work",
        log_path=tmp_path / "logs" / "emulator.log",
        program=("-c", program),
    )


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.01)


def anyone_alive(state: Path) -> bool:
    """Whether the stand-in or its worker still holds its lock."""
    with (state / "alive").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_it_is_ready_when_it_says_so_and_gone_afterwards(tmp_path: Path) -> None:
    with stand_in(tmp_path) as emulator:
        assert emulator.endpoint_url == f"http://{LOOPBACK}:{emulator.port}"
        assert emulator.environment["AWS_ENDPOINT_URL"] == emulator.endpoint_url
        assert anyone_alive(tmp_path / "state")

    assert is_free(emulator.port)
    assert (tmp_path / "state" / "saved").exists()
    assert not (tmp_path / "work").exists()
    until(lambda: not anyone_alive(tmp_path / "state"))


def test_without_a_state_directory_nothing_is_kept(tmp_path: Path) -> None:
    with stand_in(tmp_path, keep=False) as emulator:
        assert emulator.port > 0

    assert not (tmp_path / "state").exists()
    assert "'STATE_DIR'" not in (tmp_path / "logs" / "emulator.log").read_text()


def test_what_was_left_half_done_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), stand_in(tmp_path) as emulator, emulator.not_saving():
        raise KeyboardInterrupt

    assert not (tmp_path / "state" / "saved").exists()


def test_what_was_done_completely_is_saved(tmp_path: Path) -> None:
    with stand_in(tmp_path) as emulator, emulator.not_saving():
        pass

    assert (tmp_path / "state" / "saved").exists()


def test_messages_that_nobody_holds_any_more_are_visible_again(tmp_path: Path) -> None:
    held = {"id": "held", "receive_count": 2, "visible_at": 9e9}
    delayed = {"id": "delayed", "receive_count": 0, "visible_at": 9e9}
    state = {"payload": {"queues": {"data": {"a": {"messages": [held, delayed]}, "b": {"messages": []}}}}}
    path = tmp_path / "sqs.json"
    path.write_text(json.dumps(state))

    assert release_received_messages(tmp_path) == 1

    assert json.loads(path.read_text())["payload"]["queues"]["data"]["a"]["messages"] == [
        held | {"visible_at": 0},
        delayed,
    ]


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"payload": {"queues": {"data": {"a": {}}}}}'])
def test_a_state_in_another_form_stays_as_it_is(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "sqs.json"
    if content is not None:
        path.write_text(content)

    assert release_received_messages(tmp_path) == 0

    assert (path.read_text() if path.exists() else None) == content


def test_what_the_shell_holds_does_not_reach_the_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("SMTP_PASSWORD", "secret")
    with stand_in(tmp_path):
        pass

    passed_on = (tmp_path / "logs" / "emulator.log").read_text()
    assert "'GATEWAY_PORT'" in passed_on
    assert "AWS_PROFILE" not in passed_on
    assert "SMTP_PASSWORD" not in passed_on


def test_its_directory_is_emptied_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "left-behind").touch()
    with stand_in(tmp_path):
        assert not (tmp_path / "work" / "left-behind").exists()


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            LocalError, match=rf"^Port {port} \(the emulator\).* set VESTNIK_EMULATOR_PORT\.$"
        ):
            stand_in(tmp_path, port=port).start()


def test_an_emulator_that_is_not_installed_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="run `make setup`"):
        MiniStack(python=tmp_path / "python").start()


def test_a_child_that_dies_while_it_starts_is_reported_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(EmulatorStoppedError) as report:
        stand_in(tmp_path, program="print('no disk', flush=True); raise SystemExit(3)").start()

    log = tmp_path / "logs" / "emulator.log"
    assert str(report.value) == f"The emulator stopped by itself (exit code 3): its last words are in {log}."
    assert log.read_text() == "no disk\n"


def test_a_child_that_dies_later_ends_the_waiting(tmp_path: Path) -> None:
    with stand_in(tmp_path) as emulator:
        emulator.wait(0.01)
        with pytest.raises(ConnectionError):
            urlopen(f"{emulator.endpoint_url}/die", timeout=10)
        with pytest.raises(EmulatorStoppedError, match=r"exit code 7"):
            emulator.wait()


@pytest.mark.parametrize(("last_word", "is_saved"), [(b"-+", True), (b"+-", False), (b"", False)])
def test_it_ends_with_its_workers_when_its_parent_has_died(
    tmp_path: Path, last_word: bytes, is_saved: bool
) -> None:
    (tmp_path / "ministack.py").write_text(STAND_IN)
    environment = {
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(free_port()),
        "STATE_DIR": str(tmp_path),
    }
    with (tmp_path / "log").open("w") as log:
        guard = subprocess.Popen(
            [sys.executable, "-I", str(GUARD), "ministack", str(tmp_path)],
            env=environment, stdin=subprocess.PIPE, stdout=log, start_new_session=True,
        )  # fmt: skip
    until(lambda: bool((tmp_path / "log").read_text()))
    guard.communicate(last_word, timeout=10)

    until(lambda: not anyone_alive(tmp_path))
    assert (tmp_path / "saved").exists() == is_saved
