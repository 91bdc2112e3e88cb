"""Which emulator is meant by a name."""

import os

from localstack.emulator import Emulator
from localstack.ministack import MiniStack
from localstack.on_host import LocalStackOnHost
from localstack.ports import LocalError

VARIABLE = "EMULATOR"
EMULATORS: dict[str, type[Emulator]] = {each.name: each for each in (MiniStack, LocalStackOnHost)}


def chosen_for_tests() -> type[Emulator]:
    """The emulator that the environment names for the tests; MiniStack when it names none."""
    return emulator_named(os.environ.get(VARIABLE) or MiniStack.name)


def emulator_named(name: str) -> type[Emulator]:
    """The emulator of that name."""
    try:
        return EMULATORS[name]
    except KeyError:
        raise LocalError(f"There is no emulator {name!r}: there are {', '.join(EMULATORS)}.") from None
