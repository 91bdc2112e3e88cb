"""What emulators can do or not: the one place that says why a test is not run on one of them.

A test that needs something names it: `@pytest.mark.needs(Capability.BENCHMARKS)`. On an emulator whose
`cannot` has it, the test is skipped with the reason that stands there.
"""

from enum import Enum


class Capability(Enum):
    """Something that not every emulator can do; the value says what it is."""

    KEEPS_STATE = "what was stored is there again after a stop and a start"
    BENCHMARKS = "the benchmarks run on it"
    OPERATION = "it can be deployed to, upgraded, operated and watched as an account can"
    LONG_OUTAGE = "minutes of an outage of the queues are within its tests' time"
