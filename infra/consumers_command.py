"""The operator's command `consumers`: what there is of consumers and queues, and another number of them."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from chalicelib.domain.lanes import Lane
from chalicelib.services.queue_depths import Depth
from infra.clients import CLIENT_CONFIG, session
from infra.consumers import (
    RESERVE,
    Account,
    Plan,
    Source,
    Trio,
    account_warning,
    bring_within,
    check_reserve,
    numbers_of,
    or_unbounded,
    parameter_names,
    unreserved_need,
)
from infra.consumers_now import Platform
from infra.stack import DeploymentError, Stack

_NOT_TOLD = "not told"


@dataclass(frozen=True)
class View:
    """What there is at this moment."""

    numbers: Mapping[Lane, tuple[int, int, int]]
    """Each lane's number, minimum and maximum, as the stack's parameters have them."""
    sources: Mapping[Lane, Sequence[Source]]
    depths: Sequence[Depth]
    account: Account | None
    reserved: int
    notes: Sequence[str]

    @property
    def need(self) -> int:
        """How many consumers without a reserve may be at work at once."""
        return unreserved_need({lane: numbers[0] for lane, numbers in self.numbers.items()}, self.reserved)


def add_command(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the command known to a parser."""
    parser = command(
        "consumers",
        run,
        "show consumers and queues; work out and apply another number of consumers of a lane",
    )
    parser.add_argument("--lane", type=Lane, choices=list(Lane), help="only this lane; needed for a change")
    parser.add_argument(
        "--number", type=int, metavar="N", help="how many consumers each of its queues may have"
    )
    parser.add_argument("--min", type=int, metavar="N", help="the least that the number may be")
    parser.add_argument("--max", type=int, metavar="N", help="the most that the number may be")
    parser.add_argument(
        "--apply", action="store_true", help="change the stack; else only say what it would be"
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> str:
    """Show, and change when that is asked for."""
    from chalicelib.services import audit

    client = session(options.endpoint_url).client(
        "cloudformation", endpoint_url=options.endpoint_url, config=CLIENT_CONFIG
    )
    stack = Stack(client, options.stack_name, lambda line: print(line, file=sys.stderr))
    platform = Platform(stack, options.endpoint_url)
    if all(each is None for each in (options.number, options.min, options.max)):
        if options.apply:
            raise DeploymentError("there is nothing to apply: give --number, --min or --max")
        return _shown(options, view(stack, platform))
    if options.lane is None:
        raise DeploymentError("a change is one lane's: give --lane express or --lane regular")
    parameters = stack.parameters()
    trio, notes = wanted(parameters, options.lane, options.number, options.min, options.max)
    plan = Plan(trio, platform.sources([trio.lane])[trio.lane])
    if not options.apply:
        return _shown(
            options, view(stack, platform, trio), plan, [*notes, "nothing is changed: --apply does it"]
        )
    is_changed = stack.change_parameters(trio.parameters)
    before = {name: parameters[name] for name in trio.parameters}
    audit.record("changed", "consumers", str(trio.lane), before=before, after=trio.parameters)
    after = view(stack, platform)
    if any(source.configured != trio.number for source in after.sources[trio.lane]):
        raise DeploymentError(f"{stack.name} is as asked, but its mappings are not:\n{table(after)}")
    done = "done: the stack and its mappings have this" if is_changed else f"{stack.name} already is as asked"
    return _shown(options, after, plan, [*notes, done])


def wanted(
    parameters: Mapping[str, str], lane: Lane, number: int | None, minimum: int | None, maximum: int | None
) -> tuple[Trio, list[str]]:
    """The trio a lane would have, what is not given as it is; and what had to be brought within bounds."""
    now = numbers_of(lane, parameters)
    asked = (
        given if given is not None else had
        for given, had in zip((number, minimum, maximum), now, strict=True)
    )
    trio, notes = bring_within(lane, *asked)
    check_reserve(trio, parameters)
    return trio, notes


def view(stack: Stack, platform: Platform, planned: Trio | None = None) -> View:
    """Look at everything; what is noted takes a lane to have what is planned for it."""
    parameters = stack.parameters()
    numbers = {lane: numbers_of(lane, parameters) for lane in Lane}
    sources, depths, account = platform.sources(), platform.depths(), platform.account()
    reserved = int(parameters[RESERVE])
    notes = list(dict.fromkeys(platform.notes))
    notes += [note for lane in Lane if (note := _disagreement(lane, numbers[lane]))]
    notes += [note for lane in Lane for note in _drift(lane, numbers[lane][0], sources[lane])]
    future = {lane: each[0] for lane, each in numbers.items()}
    future |= {planned.lane: planned.number} if planned else {}
    if account and (warning := account_warning(future, reserved, account.unreserved)):
        notes.append(warning)
    return View(numbers, sources, depths, account, reserved, notes)


def _disagreement(lane: Lane, numbers: tuple[int, int, int]) -> str | None:
    """Whoever changed the stack by other means was not checked."""
    try:
        Trio(lane, *numbers)
    except DeploymentError as error:
        return f"the stack's parameters do not agree: {error}"
    return None


def _drift(lane: Lane, number: int, sources: Sequence[Source]) -> list[str]:
    return [
        f"{source.stage} of {lane} was changed past the stack, where {parameter_names(lane)[0]} is {number}: "
        "no deployment sees that; apply another number, and then this one"
        for source in sources
        if source.configured != number
    ]


def _shown(
    options: argparse.Namespace, found: View, plan: Plan | None = None, notes: Sequence[str] = ()
) -> str:
    lanes = [options.lane] if options.lane else list(Lane)
    found = replace(
        found,
        sources={lane: found.sources[lane] for lane in lanes},
        depths=[depth for depth in found.depths if any(lane.title() in depth.queue for lane in lanes)],
    )
    if options.json:
        return json.dumps(as_json(options.stack_name, found, plan, notes), indent=2)
    said = [str(plan), *notes, ""] if plan else []
    return "\n".join([*said, table(found), *found.notes])


def as_json(stack_name: str, found: View, plan: Plan | None, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "stack": stack_name,
        "plan": plan
        and {
            "lane": plan.trio.lane,
            **_trio_as_json((plan.trio.number, plan.trio.minimum, plan.trio.maximum)),
            "more": {source.queue: more for source, more in zip(plan.sources, plan.more, strict=True)},
            "stopping": plan.stopping,
            "text": str(plan),
        },
        "lanes": {
            lane: {**_trio_as_json(found.numbers[lane]), "sources": [asdict(source) for source in sources]}
            for lane, sources in found.sources.items()
        },
        "queues": [asdict(depth) for depth in found.depths],
        "account": found.account and {**asdict(found.account), "need": found.need},
        "notes": [*notes, *found.notes],
    }


def _trio_as_json(numbers: tuple[int, int, int]) -> dict[str, int]:
    return dict(zip(("number", "min", "max"), numbers, strict=True))


def table(found: View) -> str:
    """Consumers and queues for people."""
    consumers = [
        (
            lane,
            source.stage,
            f"{found.numbers[lane][0]} ({found.numbers[lane][1]} to {found.numbers[lane][2]})",
            or_unbounded(source.configured),
            source.state,
            _NOT_TOLD if source.running is None else str(source.running),
        )
        for lane, sources in found.sources.items()
        for source in sources
    ]
    queues = [
        (depth.queue, str(depth.visible), str(depth.in_flight), str(depth.delayed), age(depth))
        for depth in found.depths
    ]
    return "\n".join(
        [
            *columns([("lane", "stage", "number", "configured", "state", "running"), *consumers]),
            "",
            *columns([("queue", "visible", "in flight", "delayed", "oldest"), *queues]),
            "",
            _account(found),
        ]
    )


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, their cells below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def age(depth: Depth) -> str:
    """How old the oldest message of a queue is."""
    if depth.oldest_seconds is None:
        return _NOT_TOLD
    return "-" if depth.is_empty else duration(depth.oldest_seconds)


def duration(seconds: int) -> str:
    """In one unit, the largest of which there are at least two."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _account(found: View) -> str:
    if found.account is None:
        return f"the account's concurrency: {_NOT_TOLD}"
    return (
        f"the account's concurrency: {found.account.concurrency}, of which {found.account.unreserved} are "
        f"unreserved; up to {found.need} consumers have no reserve"
    )
