"""Which emulator is meant by a name, and which LocalStack is possible here: `python -m localstack.choice`."""

import os

from localstack.emulator import Emulator
from localstack.in_docker import LocalStackInDocker, is_docker_reachable
from localstack.ministack import MiniStack
from localstack.on_host import LocalStackOnHost
from localstack.ports import LocalError

VARIABLE = "EMULATOR"
EMULATORS: dict[str, type[Emulator]] = {
    each.name: each for each in (MiniStack, LocalStackOnHost, LocalStackInDocker)
}


def emulator_named(name: str) -> type[Emulator]:
    """The emulator of that name."""
    try:
        return EMULATORS[name]
    except KeyError:
        raise LocalError(f"There is no emulator {name!r}: there are {', '.join(EMULATORS)}.") from None


def chosen_for_tests() -> type[Emulator]:
    """The emulator that the environment names for the tests; MiniStack when it names none."""
    chosen = emulator_named(os.environ.get(VARIABLE) or MiniStack.name)
    if chosen.mail_server is not None:
        raise LocalError(f"The tests' mail server is on this machine, where {chosen.title} does not get to.")
    return chosen


if __name__ == "__main__":
    print((LocalStackInDocker if is_docker_reachable() else LocalStackOnHost).name)
