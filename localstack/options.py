"""What `make run` can be told: the emulator, ports, the place of its data, a command to run once."""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localstack.choice import EMULATORS, VARIABLE
from localstack.ministack import MiniStack

PORTS = (
    ("api", 8004, "the API"),
    ("mails", 8005, "the page with the mails"),
    ("smtp", 8025, "the mail server"),
    ("emulator", 4566, "the emulator"),
)
DATA = Path(".local")
LOCALSTACK_DATA = DATA / "localstack"


@dataclass(frozen=True)
class Options:
    """Where everything listens, and where it is kept."""

    api_port: int
    mails_port: int
    smtp_port: int
    emulator_port: int
    data: Path
    emulator: str = MiniStack.name
    once: list[str] | None = None

    @property
    def ports(self) -> Iterator[tuple[str, int, str]]:
        """Each port's name, number and purpose."""
        for name, _, purpose in PORTS:
            yield name, getattr(self, f"{name}_port"), purpose

    @property
    def api_url(self) -> str:
        """The address clients use."""
        return f"http://localhost:{self.api_port}"

    @property
    def mails_url(self) -> str:
        """The page with the mails."""
        return f"http://localhost:{self.mails_port}"


def port_variable(name: str) -> str:
    """The environment variable that sets a port."""
    return f"VESTNIK_{name.upper()}_PORT"


def parse_options(arguments: Sequence[str] | None, description: str | None) -> Options:
    """The command line, with the environment for what it does not say."""
    parser = argparse.ArgumentParser(prog="python -m localstack.run", description=description)
    for name, default, purpose in PORTS:
        variable = port_variable(name)
        parser.add_argument(
            f"--{name}-port",
            type=int,
            default=os.environ.get(variable, default),
            help=f"{purpose}: {default}, or ${variable}",
        )
    parser.add_argument(
        "--emulator",
        choices=list(EMULATORS),
        default=os.environ.get(VARIABLE) or MiniStack.name,
        help=f"what is in the place of AWS: {MiniStack.name}, or ${VARIABLE}",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("VESTNIK_DATA"),
        help=f"what is kept: {DATA}, with a LocalStack {LOCALSTACK_DATA}, or $VESTNIK_DATA",
    )
    parser.add_argument(
        "--once",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="run this command when all is ready, then stop with its exit code",
    )
    options = parser.parse_args(arguments)
    if options.once == []:
        parser.error("--once needs a command")
    if options.data is None:
        # Not the same: each has its own passwords.
        options.data = DATA if options.emulator == MiniStack.name else LOCALSTACK_DATA
    return Options(**vars(options))
