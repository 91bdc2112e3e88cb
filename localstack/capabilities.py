"""What emulators can do or not: the one place that says why a test is not run on one of them.

A test that needs something names it: `@pytest.mark.needs(Capability.BENCHMARKS)`. On an emulator whose
`cannot` has it, the test is skipped with the reason that stands there.
"""

from collections.abc import Mapping
from enum import Enum


class Capability(Enum):
    """Something that not every emulator can do; the value says what it is."""

    KEEPS_STATE = "what was stored is there again after a stop and a start"
    BENCHMARKS = "the benchmarks run on it"
    PROTECTS_TABLES = "a table is protected from deletion when its stack says so"
    FORETELLS = "a change set tells what would be made anew"
    ROLLS_BACK = "a value that AWS refuses is refused, and the stack's change taken back"
    ADOPTS = "a new stack takes over tables that are there (a change set of type IMPORT)"
    DOMAINS = "a stack's API has a domain of its own"
    DASHBOARDS = "a stack's dashboard is there"
    KEEPS_UP = "thousands of messages go through it, to the second, on two cores"
    SES_V2 = "mail is taken by Amazon SES, version 2, and what becomes of it is told"
    LONG_OUTAGE = "minutes of an outage of the queues are within its tests' time"


LOCALSTACK_CANNOT: Mapping[Capability, str] = {
    Capability.KEEPS_STATE: "LocalStack keeps its state only in what is sold",
    Capability.BENCHMARKS: "the figures of docs/performance.md are those of MiniStack",
    Capability.PROTECTS_TABLES: "LocalStack's CloudFormation leaves DeletionProtectionEnabled away",
    Capability.FORETELLS: "LocalStack's change sets have no Replacement",
    Capability.ROLLS_BACK: "LocalStack takes any timeout of a queue, and going back undoes nothing",
    Capability.ADOPTS: "LocalStack refuses change sets of type IMPORT of a stack that is not there",
    Capability.DOMAINS: "LocalStack looks for RestAPI.Stage, which SAM makes, before it has SAM make it",
    Capability.SES_V2: "LocalStack's version without a licence has the first version of SES only",
    Capability.DASHBOARDS: "LocalStack's CloudFormation does not know dashboards, and passes over them",
}
"""What no LocalStack can, and why."""
