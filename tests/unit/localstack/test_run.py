"""What `make run` says and keeps, up to where AWS is needed."""

import json
import shlex
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from localstack import demo
from localstack.demo import Credentials
from localstack.options import parse_options
from localstack.ports import LOOPBACK, free_port

CREDENTIALS = Credentials("administrator's", "it's $ecret")


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m localstack.run` with free ports, to its end."""
    ports = [
        word for name in ("api", "mails", "smtp", "emulator") for word in (f"--{name}-port", str(free_port()))
    ]
    command = [sys.executable, "-m", "localstack.run", *ports, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["api", "mails", "smtp", "emulator"])
def test_a_taken_port_ends_it_with_one_clear_line(name: str, tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = str(other.getsockname()[1])
        ended = started("--data", str(tmp_path), f"--{name}-port", port)

    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith(f"Port {port} (")
    assert line.endswith(f"set VESTNIK_{name.upper()}_PORT.")


def test_two_runs_never_share_their_data(tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = started("--data", str(tmp_path))

    assert ended.returncode == 1
    assert ended.stderr.strip().startswith(f"Vestnik is already running on {tmp_path}")


def test_help_names_every_port_and_its_variable() -> None:
    shown = started("--help").stdout

    for word in ("--api-port", "VESTNIK_API_PORT", "8004", "8005", "8025", "4566", "--once", "VESTNIK_DATA"):
        assert word in shown


def test_the_environment_gives_what_the_command_line_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTNIK_API_PORT", "1234")
    monkeypatch.setenv("VESTNIK_SMTP_PORT", "2345")

    options = parse_options(["--smtp-port", "3456", "--once", "curl", "--fail", "x"], None)

    assert (options.api_port, options.smtp_port, options.mails_port) == (1234, 3456, 8005)
    assert options.once == ["curl", "--fail", "x"]
    assert options.api_url == "http://localhost:1234"


def test_only_their_owner_can_read_the_passwords(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text("of before")
    path.chmod(0o644)

    demo.store_credentials(path, CREDENTIALS)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert demo.load_credentials(path) == CREDENTIALS


@pytest.mark.parametrize("content", ["", "{}", "[]", "nonsense"])
def test_passwords_that_cannot_be_read_are_as_good_as_none(tmp_path: Path, content: str) -> None:
    assert demo.load_credentials(tmp_path / "missing") is None
    (tmp_path / "credentials").write_text(content)

    assert demo.load_credentials(tmp_path / "credentials") is None


def test_the_first_notification_goes_to_contacts_of_the_demo(tmp_path: Path) -> None:
    demo.write_first_notification(tmp_path / "first.json")

    users = json.loads((tmp_path / "first.json").read_text())["users"]
    contacts = list(demo.contacts())
    assert len(set(users)) == demo.FIRST_RECIPIENTS
    assert set(users) <= {contact["user_id"] for contact in contacts}
    assert len({contact["email"] for contact in contacts}) == demo.CONTACTS


def test_the_printed_command_can_be_pasted(tmp_path: Path) -> None:
    line = demo.curl_line(CREDENTIALS, "http://localhost:8004", tmp_path / "it's here.json")

    words = shlex.split(line)
    assert words[:3] == ["curl", "-sS", "http://localhost:8004/api/v1/notifications/"]
    assert f"Authorization: {demo.APPLICATION} it's $ecret" in words
    assert words[-1] == f"@{tmp_path}/it's here.json"
