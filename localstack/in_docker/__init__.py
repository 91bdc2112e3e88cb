"""LocalStack in Docker, as `localstack/compose.yaml` has it, for machines that have an engine."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from localstack.capabilities import LOCALSTACK_CANNOT, Capability
from localstack.emulator import ROOT, Emulator
from localstack.ports import LocalError

COMPOSE = ROOT / "localstack" / "compose.yaml"
PASSED_ON = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "LOCALSTACK_IMAGE", "LOCALSTACK_AUTH_TOKEN")
ASKING_SECONDS = 20
DOWN_SECONDS = 120


class LocalStackInDocker(Emulator):
    """The containers of the compose file, by `docker compose up` as a child process."""

    name = "localstack-docker"
    title = "LocalStack in Docker"
    health = "/_localstack/health"
    cannot: ClassVar[Mapping[Capability, str]] = LOCALSTACK_CANNOT
    start_seconds = 900.0  # the image has to come first
    mail_server = ("mail", 1025)

    def __init__(
        self,
        port: int | None = None,
        state_dir: Path | None = None,
        work_dir: Path | None = None,
        log_path: Path | None = None,
        mail_ports: tuple[int, int] = (8025, 8005),
    ) -> None:
        super().__init__(port, state_dir, work_dir, log_path)
        self._mail_ports = mail_ports

    def _require(self) -> None:
        if not is_docker_reachable():
            raise LocalError("There is no Docker engine to be reached: without one, `--emulator localstack`.")

    def _command(self) -> Sequence[str]:
        return [*_compose("up"), "--abort-on-container-exit"]

    def _settings(self) -> dict[str, str]:
        smtp, page = self._mail_ports
        return {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "VESTNIK_EMULATOR_PORT": str(self.port),
            "VESTNIK_SMTP_PORT": str(smtp),
            "VESTNIK_MAILS_PORT": str(page),
        }

    def _is_asked_to_stop(self) -> bool:
        return True  # it has containers to end

    def _clean_up(self) -> None:
        """Remove the containers, those of functions with them."""
        ended = subprocess.run(
            [*_compose("down"), "--volumes", "--remove-orphans"],
            env=self._child_environment(), capture_output=True, text=True, timeout=DOWN_SECONDS, check=False,
        )  # fmt: skip
        if ended.returncode:
            raise LocalError(f"The containers were not removed: {ended.stderr.strip()}")


def is_docker_reachable() -> bool:
    """Whether there is a Docker engine, and compose."""
    if shutil.which("docker") is None:
        return False
    asked = (["docker", "version", "--format", "{{.Server.Version}}"], ["docker", "compose", "version"])
    try:
        return all(
            subprocess.run(command, capture_output=True, timeout=ASKING_SECONDS, check=False).returncode == 0
            for command in asked
        )
    except subprocess.TimeoutExpired:
        return False


def _compose(verb: str) -> list[str]:
    return ["docker", "compose", "--file", str(COMPOSE), verb]
