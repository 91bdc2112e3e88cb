"""Emulators that are Python programs, each in an environment of its own, run by the guard."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from localstack.emulator import Emulator
from localstack.ports import LocalError


class InEnvironment(Emulator):
    """One of them; tests run another `program` in its place, or by another `python`."""

    python: ClassVar[Path]
    program: ClassVar[Sequence[str]]
    """The arguments of its Python."""
    made_by: ClassVar[str]
    """The command that makes its environment."""

    def __init__(
        self,
        port: int | None = None,
        state_dir: Path | None = None,
        work_dir: Path | None = None,
        log_path: Path | None = None,
        python: Path | None = None,
        program: Sequence[str] | None = None,
    ) -> None:
        super().__init__(port, state_dir, work_dir, log_path)
        self._python, self._program = python or self.python, program or self.program

    def _require(self) -> None:
        if not self._python.exists():
            raise LocalError(
                f"{self.title} is not installed ({self._python} is missing): run `{self.made_by}`."
            )

    def _command(self) -> Sequence[str]:
        return [str(self._python), *self._program]
