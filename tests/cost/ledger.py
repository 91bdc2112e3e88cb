"""What was spent, line by line: who asked AWS for what, and how much of it is billed."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Line:
    """One kind of call: by which function, to which service, of what."""

    function: str
    service: str
    operation: str
    target: str
    is_polling: bool = False
    """Lambda's own call to a queue, which is billed as well though no function makes it."""


@dataclass(frozen=True)
class Amount:
    """How much of it: requests as they are billed, read units, write units."""

    requests: float = 0
    reads: float = 0
    writes: float = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.requests + other.requests, self.reads + other.reads, self.writes + other.writes)

    def __mul__(self, factor: float) -> "Amount":
        return Amount(self.requests * factor, self.reads * factor, self.writes * factor)

    def __bool__(self) -> bool:
        return bool(self.requests or self.reads or self.writes)


@dataclass(frozen=True)
class Ledger:
    """All that was spent on something."""

    lines: Mapping[Line, Amount] = field(default_factory=dict)
    invocations: Mapping[str, float] = field(default_factory=dict)
    """Runs of each function."""
    sends: float = 0
    """Letters handed to the channel."""

    def __add__(self, other: "Ledger") -> "Ledger":
        lines, invocations = dict(self.lines), dict(self.invocations)
        for line, amount in other.lines.items():
            lines[line] = lines.get(line, Amount()) + amount
        for function, times in other.invocations.items():
            invocations[function] = invocations.get(function, 0) + times
        return Ledger(lines, invocations, self.sends + other.sends)

    def __mul__(self, factor: float) -> "Ledger":
        return Ledger(
            {line: amount * factor for line, amount in self.lines.items()},
            {function: times * factor for function, times in self.invocations.items()},
            self.sends * factor,
        )

    def __sub__(self, other: "Ledger") -> "Ledger":
        return self + other * -1

    def total(self, counts: Callable[[Line], bool] = lambda line: True) -> Amount:
        """The sum over the lines that count."""
        return sum((amount for line, amount in self.lines.items() if counts(line)), Amount())

    def of(self, function: str) -> "Ledger":
        """What one function spent of it, but for sends."""
        return Ledger(
            {line: amount for line, amount in self.lines.items() if line.function == function},
            {name: times for name, times in self.invocations.items() if name == function},
        )

    @property
    def by_functions(self) -> Amount:
        """What the functions ask for, without Lambda's own polling."""
        return self.total(lambda line: not line.is_polling)

    @property
    def billed(self) -> Amount:
        """Everything, with the polling."""
        return self.total()


def add_up(entries: Iterable[tuple[Line, Amount]], invocations: Mapping[str, float], sends: int) -> Ledger:
    """A ledger of single entries."""
    lines: dict[Line, Amount] = {}
    for line, amount in entries:
        lines[line] = lines.get(line, Amount()) + amount
    return Ledger(lines, Counter(invocations), sends)
