"""What others do while a process stands between two of its calls."""

from typing import TYPE_CHECKING

from tests.faults.rules import MINUTE_SECONDS
from tests.faults.scenarios import ANNA
from tests.faults.wire import Fault, Process

if TYPE_CHECKING:
    from tests.faults.world import World

ECHO_SECONDS = 3.0
"""After a read timeout the SDK sends a request again."""
LATE_SECONDS = 400.0
"""Longer than every lease and every visibility timeout."""


def meanwhile(world: "World", fault: Fault, process: Process) -> None:
    """Let it happen, whole, before the process makes its next call."""
    match fault:
        case Fault.SECOND_COPY:
            process.again()
        case Fault.SWEEP:
            world.sweep()
        case Fault.SWEEP_LATER:
            world.clock.advance(MINUTE_SECONDS + 1)
            world.sweep()
        case Fault.LATE_ECHO:
            world.clock.advance(ECHO_SECONDS)
            world.all_that_is_due(sweeps=True)
        case Fault.WAKES_LATE:
            world.clock.advance(LATE_SECONDS)
            if process.name == "api":
                process.again()
            world.all_that_is_due(sweeps=False)
        case Fault.CANCEL:
            world.cancel()
        case Fault.ERASE:
            world.erase(ANNA)
        case Fault.TICK:
            world.tick()
            world.all_that_is_due(sweeps=False)
        case Fault.PUT_OFF:
            world.put_off()
        case Fault.CHANGE:
            world.change_frequency()
        case Fault.PAUSE:
            world.pause()
        case Fault.DELETE:
            world.delete_frequency()
        case Fault.OPERATOR:
            # At this very moment: nobody sleeps, and who failed just now is left alone.
            world.points.are_failed_sent_again = True
            if world.is_accepted():
                world.send_again()
            world.all_that_is_due(sweeps=True)
