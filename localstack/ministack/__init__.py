"""MiniStack, the emulator of `make run` and of most tests: by pip, in an environment of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from localstack.capabilities import Capability
from localstack.emulator import CLIENT_ENVIRONMENT, GUARD, ROOT
from localstack.in_environment import InEnvironment
from localstack.ministack.state import release_received_messages
from localstack.ports import LOOPBACK


class MiniStack(InEnvironment):
    """One MiniStack on loopback, whose functions run on its own Python."""

    name = "ministack"
    title = "MiniStack"
    health = "/_ministack/health"
    cannot: ClassVar[Mapping[Capability, str]] = {}
    python = ROOT / ".venv-emulator" / "bin" / "python"
    program = ("-I", "-u", str(GUARD), "vestnik_ministack", str(Path(__file__).resolve().parent / "inside"))
    made_by = "make setup"

    def _prepare(self) -> None:
        if self._state_dir is not None:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            release_received_messages(self._state_dir)

    def _settings(self) -> dict[str, str]:
        settings = {
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": CLIENT_ENVIRONMENT["AWS_REGION"],
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        if self._state_dir is not None:
            settings |= {"PERSIST_STATE": "1", "STATE_DIR": str(self._state_dir.resolve())}
        return settings
