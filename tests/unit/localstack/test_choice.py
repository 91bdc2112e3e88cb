"""Which emulator is chosen, and what is said of one that is not there."""

import os
from pathlib import Path

import pytest
import yaml

from localstack.capabilities import Capability
from localstack.choice import EMULATORS, chosen_for_tests, emulator_named
from localstack.in_docker import COMPOSE, LocalStackInDocker, is_docker_reachable
from localstack.ministack import MiniStack
from localstack.on_host import LocalStackOnHost
from localstack.options import parse_options
from localstack.ports import LOOPBACK, LocalError

COMPOSE_FILE = yaml.safe_load(COMPOSE.read_text("utf-8"))


def docker_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> Path:
    """A `docker` of our own on the path; what it was asked is in the file."""
    asked = tmp_path / "asked"
    program = tmp_path / "docker"
    program.write_text("\n".join(["#!/bin/sh", f'echo "$@" >> {asked}', *lines]) + "\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return asked


@pytest.mark.parametrize("name", list(EMULATORS))
def test_each_has_the_name_it_is_chosen_by(name: str) -> None:
    assert emulator_named(name).name == name


def test_another_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        LocalError, match=r"no emulator 'aws': there are ministack, localstack, localstack-docker"
    ):
        emulator_named("aws")


@pytest.mark.parametrize(
    ("named", "chosen"), [(None, MiniStack), ("", MiniStack), ("localstack", LocalStackOnHost)]
)
def test_the_environment_chooses_for_the_tests(
    monkeypatch: pytest.MonkeyPatch, named: str | None, chosen: type
) -> None:
    monkeypatch.delenv("EMULATOR", raising=False)
    if named is not None:
        monkeypatch.setenv("EMULATOR", named)

    assert chosen_for_tests() is chosen


def test_containers_do_not_reach_the_tests_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMULATOR", "localstack-docker")

    with pytest.raises(LocalError, match="mail server is on this machine"):
        chosen_for_tests()


@pytest.mark.parametrize("emulator", EMULATORS.values())
def test_what_an_emulator_cannot_do_has_a_reason(emulator: type[MiniStack]) -> None:
    for capability, reason in emulator.cannot.items():
        assert isinstance(capability, Capability)
        assert len(reason.split()) > 3


def test_each_kind_of_emulator_has_passwords_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VESTNIK_DATA", raising=False)
    monkeypatch.delenv("EMULATOR", raising=False)

    assert parse_options([], None).data == Path(".local")
    assert parse_options(["--emulator", "localstack"], None).data == Path(".local/localstack")


@pytest.mark.parametrize(
    ("lines", "is_reachable"),
    [
        (("exit 0",), True),
        (('[ "$1" = compose ]',), False),  # no engine
        (('[ "$1" = version ]',), False),  # no compose
    ],
)
def test_docker_counts_when_there_is_an_engine_and_compose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...], is_reachable: bool
) -> None:
    docker_that(tmp_path, monkeypatch, *lines)

    assert is_docker_reachable() == is_reachable


def test_without_docker_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not is_docker_reachable()
    with pytest.raises(LocalError, match="no Docker engine"):
        LocalStackInDocker().start()


HEALTHY = """
case "$1 $4" in
  "compose up") exec python3 -c '
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/_localstack/health" else 404)
        self.end_headers()
port = int(os.environ["VESTNIK_EMULATOR_PORT"])
print(os.environ["VESTNIK_SMTP_PORT"], os.environ["VESTNIK_MAILS_PORT"], flush=True)
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()' ;;
esac"""


def test_the_containers_are_started_and_removed_by_compose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = docker_that(tmp_path, monkeypatch, HEALTHY)
    log = tmp_path / "log"
    with LocalStackInDocker(work_dir=tmp_path / "work", log_path=log, mail_ports=(1, 2)) as emulator:
        assert emulator.mail_server == ("mail", 1025)
        assert log.read_text().startswith("1 2\n")
        assert f"compose --file {COMPOSE} up --abort-on-container-exit\n" in asked.read_text()
        assert "down" not in asked.read_text()

    assert asked.read_text().endswith(f"compose --file {COMPOSE} down --volumes --remove-orphans\n")


def test_containers_that_stay_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker_that(tmp_path, monkeypatch, HEALTHY, '[ "$4" != down ] || { echo "in use" >&2; exit 1; }')
    emulator = LocalStackInDocker(work_dir=tmp_path / "work").start()

    with pytest.raises(LocalError, match="The containers were not removed: in use"):
        emulator.stop()


def test_the_containers_are_reached_from_this_machine_only() -> None:
    ports = [port for service in COMPOSE_FILE["services"].values() for port in service["ports"]]

    assert len(ports) == 3
    assert all(port.startswith(f"{LOOPBACK}:") for port in ports)


def test_the_image_is_the_last_free_one_unless_another_is_named() -> None:
    service = COMPOSE_FILE["services"]["localstack"]

    assert service["image"] == "${LOCALSTACK_IMAGE:-localstack/localstack:4.14.0}"
    assert "LOCALSTACK_AUTH_TOKEN" in service["environment"]
    assert "/var/run/docker.sock:/var/run/docker.sock" in service["volumes"]


def test_functions_find_the_mail_server_in_the_network_of_both() -> None:
    services = COMPOSE_FILE["services"]
    network = COMPOSE_FILE["networks"]["vestnik"]["name"]

    assert LocalStackInDocker.mail_server is not None
    assert LocalStackInDocker.mail_server[0] in services
    assert services["localstack"]["environment"]["LAMBDA_DOCKER_NETWORK"] == network
    assert all(service["networks"] == ["vestnik"] for service in services.values())
    assert any(port.endswith(f":{LocalStackInDocker.mail_server[1]}") for port in services["mail"]["ports"])


def test_compose_waits_until_all_is_healthy() -> None:
    for service in COMPOSE_FILE["services"].values():
        check = service["healthcheck"]
        assert check["test"][0] == "CMD"
        assert int(check["interval"].removesuffix("s")) * check["retries"] >= 60
    assert LocalStackInDocker.health in COMPOSE_FILE["services"]["localstack"]["healthcheck"]["test"][-1]
