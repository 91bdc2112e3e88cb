"""How many consumers a lane may have: the number, its bounds, and what a change of them starts and stops.

A consumer is a function at work on a queue. How many a queue has at most is the maximum concurrency of its
event source mapping; a lane's number holds for each of its two queues. Nothing here asks the platform.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from chalicelib.domain.lanes import Lane
from infra.stack import DeploymentError

LEAST, MOST = 2, 1000
"""What Lambda takes as the maximum concurrency of a queue's event source mapping."""

NUMBERS: tuple[int, ...] = (
    *range(LEAST, 151),
    *range(155, 201, 5),
    *range(210, 501, 10),
    *range(550, MOST + 1, 50),
)
"""The numbers the template knows: its mapping `Concurrency` can have no more keys."""

DEAD_LETTER_CONSUMERS = 8
"""Two for each of the four dead-letter queues, whose number nobody changes."""

RESERVE = "ExpressReservedConcurrency"


@dataclass(frozen=True)
class Trio:
    """A lane's number of consumers and its bounds; DeploymentError when they do not agree."""

    lane: Lane
    number: int
    minimum: int
    maximum: int

    def __post_init__(self) -> None:
        number, minimum, maximum = parameter_names(self.lane)
        for name in (minimum, maximum, number):
            value = self.parameters[name]
            if not LEAST <= int(value) <= MOST:
                raise DeploymentError(f"{name} is {value}: Lambda takes {LEAST} to {MOST}")
            if int(value) not in NUMBERS:
                below, above = nearest_below(int(value)), min(each for each in NUMBERS if each > int(value))
                raise DeploymentError(
                    f"{name} is {value}: of the numbers near it {below} and {above} are possible"
                )
        if self.minimum > self.maximum:
            raise DeploymentError(
                f"{minimum} is {self.minimum}, more than {maximum}, which is {self.maximum}"
            )
        if self.number < self.minimum:
            raise DeploymentError(f"{number} is {self.number}, less than {minimum}, which is {self.minimum}")
        if self.number > self.maximum:
            raise DeploymentError(f"{number} is {self.number}, more than {maximum}, which is {self.maximum}")

    @classmethod
    def of(cls, lane: Lane, parameters: Mapping[str, str]) -> Self:
        """The trio among a stack's parameters."""
        return cls(lane, *numbers_of(lane, parameters))

    @property
    def parameters(self) -> dict[str, str]:
        """The trio as parameters of the stack."""
        values = (self.number, self.minimum, self.maximum)
        return dict(zip(parameter_names(self.lane), map(str, values), strict=True))

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        return f"between {self.minimum} and {self.maximum}"


def parameter_names(lane: Lane) -> tuple[str, str, str]:
    """The stack's parameters for a lane: the number, its minimum, its maximum."""
    return (
        f"{lane.title()}NumberOfConsumers",
        f"{lane.title()}MinNumberOfConsumers",
        f"{lane.title()}MaxNumberOfConsumers",
    )


def numbers_of(lane: Lane, parameters: Mapping[str, str]) -> tuple[int, int, int]:
    """A lane's number, minimum and maximum among a stack's parameters, whether they agree or not."""
    number, minimum, maximum = parameter_names(lane)
    return _number(number, parameters), _number(minimum, parameters), _number(maximum, parameters)


def _number(name: str, parameters: Mapping[str, str]) -> int:
    try:
        return int(parameters[name])
    except KeyError:
        raise DeploymentError(f"the stack has no parameter {name}: deploy this version first") from None
    except ValueError:
        raise DeploymentError(f"{name} is {parameters[name]}, which is no number") from None


def nearest_below(number: int) -> int:
    """The largest number the template knows that is not above this one."""
    return max(each for each in NUMBERS if each <= number)


def bring_within(lane: Lane, wanted: int, minimum: int, maximum: int) -> tuple[Trio, list[str]]:
    """The trio nearest to what is wanted, and what had to be changed for that, in words.

    The bounds themselves are not mended: DeploymentError when they are wrong.
    """
    bounds = Trio(lane, minimum, minimum, maximum)
    name, minimum_name, maximum_name = parameter_names(lane)
    if wanted < minimum:
        why = f"less than {minimum_name}"
        why += f", and Lambda takes no less than {LEAST}" if wanted < LEAST else ""
        return bounds, [f"{name}: {wanted} is {why}: {minimum} is taken"]
    if wanted > maximum:
        return (
            Trio(lane, maximum, minimum, maximum),
            [f"{name}: {wanted} is more than {maximum_name}: {maximum} is taken"],
        )
    number = nearest_below(wanted)
    notes = [f"{name}: {wanted} is not possible: {number} is the nearest below"] if number != wanted else []
    return Trio(lane, number, minimum, maximum), notes


def check_consumers(parameters: Mapping[str, str]) -> list[Trio]:
    """The lanes' trios as the stack would have them; DeploymentError when something does not agree."""
    trios = [Trio.of(lane, parameters) for lane in Lane if parameter_names(lane)[0] in parameters]
    for trio in trios:
        check_reserve(trio, parameters)
    return trios


def check_reserve(trio: Trio, parameters: Mapping[str, str]) -> None:
    """Express consumers beyond the reserve would be throttled: their messages would end as dead letters."""
    reserved = int(parameters.get(RESERVE, 0))
    if trio.lane is Lane.EXPRESS and 0 < reserved < trio.number:
        name = parameter_names(trio.lane)[0]
        raise DeploymentError(f"{RESERVE} is {reserved}, less than {name}, which is {trio.number}")


@dataclass(frozen=True)
class Source:
    """One queue of a lane and the mapping that gives it to its function, as they are now."""

    stage: str
    """fan out, or deliver."""
    queue: str
    function: str
    configured: int | None
    """None: nothing bounds it."""
    state: str
    """Lambda's own word, as Enabled or Disabled."""
    running: int | None = None
    """None: nobody tells."""


@dataclass(frozen=True)
class Plan:
    """What there is of a lane's consumers, and what is wanted."""

    trio: Trio
    sources: Sequence[Source]
    """None before the first deployment."""

    @property
    def more(self) -> list[int]:
        """For each queue how many consumers more may start; so many fewer when it is negative.

        What nothing bounds has all to lose and nothing to gain: 0.
        """
        return [self.trio.number - (each.configured or self.trio.number) for each in self.sources]

    @property
    def stopping(self) -> int:
        """How many consumers that are known to run have to end, when they have done what they are at."""
        return sum(max(0, (each.running or 0) - self.trio.number) for each in self.sources)

    def __str__(self) -> str:
        wanted = f"{self.trio.number} wanted for each queue, {self.trio.bounds}"
        if not self.sources:
            return f"{self.trio.lane}: no consumers configured yet; {wanted}: {self.trio.number} may start"
        return f"{self.trio.lane}: {self._configured}, {self._running}; {wanted}: {self._change}"

    @property
    def _configured(self) -> str:
        words = [or_unbounded(each.configured) for each in self.sources]
        states = [f" ({each.stage} is {each.state})" for each in self.sources if each.state != "Enabled"]
        return f"{_joined(self.sources, words)} consumers configured{''.join(states)}"

    @property
    def _running(self) -> str:
        words = ["not told" if each.running is None else str(each.running) for each in self.sources]
        joined = _joined(self.sources, words)
        return "how many are running is not told" if joined == "not told" else f"{joined} running"

    @property
    def _change(self) -> str:
        words = [
            "now bounded" if each.configured is None else _change(more)
            for each, more in zip(self.sources, self.more, strict=True)
        ]
        ending = f"; {self.stopping} running end after their work" if self.stopping else ""
        return f"{_joined(self.sources, words)}{ending}"


def _joined(sources: Sequence[Source], words: Sequence[str]) -> str:
    """One word where all queues have the same, else each with its stage."""
    if len(set(words)) == 1:
        return words[0]
    return " and ".join(f"{word} ({each.stage})" for each, word in zip(sources, words, strict=True))


def or_unbounded(configured: int | None) -> str:
    """How many are configured, in words."""
    return "unbounded" if configured is None else str(configured)


def _change(more: int) -> str:
    if more == 0:
        return "nothing changes"
    return f"{more} more may start" if more > 0 else f"{-more} fewer may run"


@dataclass(frozen=True)
class Account:
    """How many functions may be at work at once in the whole account and region."""

    concurrency: int
    unreserved: int


def unreserved_need(numbers: Mapping[Lane, int], reserved: int) -> int:
    """How many consumers may be at work at once that have no reserve of their own."""
    sharing = [number for lane, number in numbers.items() if lane is not Lane.EXPRESS or not reserved]
    return DEAD_LETTER_CONSUMERS + 2 * sum(sharing)


def account_warning(numbers: Mapping[Lane, int], reserved: int, unreserved: int) -> str | None:
    """What to say when the account may not have enough for all consumers at once."""
    need = unreserved_need(numbers, reserved)
    if need <= unreserved:
        return None
    return (
        f"warning: up to {need} consumers without a reserve may be at work at once, and of this account's "
        f"concurrency only {unreserved} are unreserved: what is throttled five times ends as a dead letter. "
        "Have fewer consumers, or ask AWS for a higher quota"
    )
