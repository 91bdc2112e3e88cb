"""MiniStack, the emulator of `make run` and of most tests: by pip, in an environment of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from localstack.capabilities import Capability
from localstack.emulator import CLIENT_ENVIRONMENT, GUARD, ROOT, Emulator
from localstack.ministack.state import release_received_messages
from localstack.ports import LOOPBACK, LocalError

PYTHON = ROOT / ".venv-emulator" / "bin" / "python"
INSIDE = Path(__file__).resolve().parent / "inside"


class MiniStack(Emulator):
    """One MiniStack on loopback, whose functions run on its own Python."""

    name = "ministack"
    title = "MiniStack"
    health = "/_ministack/health"
    cannot: ClassVar[Mapping[Capability, str]] = {}

    def __init__(
        self,
        port: int | None = None,
        state_dir: Path | None = None,
        work_dir: Path | None = None,
        log_path: Path | None = None,
        python: Path = PYTHON,
        program: Sequence[str] = ("-I", "-u", str(GUARD), "vestnik_ministack", str(INSIDE)),
    ) -> None:
        super().__init__(port, state_dir, work_dir, log_path)
        self._python = python
        self._program = program

    def _require(self) -> None:
        if not self._python.exists():
            raise LocalError(f"The emulator is not installed ({self._python} is missing): run `make setup`.")

    def _command(self) -> Sequence[str]:
        return [str(self._python), *self._program]

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
