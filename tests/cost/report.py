"""What Vestnik costs, counted and priced: python -m tests.cost.report prints it and writes docs/costs.md."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from chalicelib.domain.lanes import Lane
from chalicelib.services.tick import PART
from tests.cost import bill, panel_costs, recurring, scenarios
from tests.cost.ledger import Amount, Ledger, Line
from tests.cost.limits import FIXED, SLOPE, exceeded
from tests.cost.scenarios import Recording

DOCUMENT = Path(__file__).parents[2] / "docs" / "costs.md"
SMALL, MIDDLE, LARGE = 1, 100, 1_100
"""Recipients: one, one chunk, and eleven chunks in full batches, by which the slope is taken."""

MANY = 1_000
"""Frequencies."""

IN_LISTS = 60
"""Of each kind, more than a page."""

MINUTES_IN_AN_HOUR = 60
RUNS_IN_A_MONTH = MINUTES_IN_AN_HOUR * bill.price_list().assumed("month_hours")
"""Of a frequency of a minute."""

INTRODUCTION = """\
# What it costs

Written by `make cost`; do not edit. The real functions run in memory, from POST (with its authentication) to the
last letter. Each request they make to AWS is recorded with the items before and after it. Requests, read units and
write units follow from these by the rules of the AWS documentation (`tests/cost/units.py`): no emulator reports
them right. Prices, and all that is assumed, stand in `tests/cost/prices.yaml` and below.

The *slope* is what one more recipient costs in full batches: ({large} recipients − {middle}) / {difference}. The *fixed part*
is a dispatch to one recipient without the slope. *Polling* is what Lambda asks the queues on the functions'
behalf, which is billed too. Tests hold the limits (`tests/cost/limits.py`).

A text has {letters} letters here, a contact a name and a mail address. Functions begin cold: each further instance that
sends reads the notification once, and its two secrets every five minutes.
"""  # noqa: E501 - lines of a document, of 115 letters when they are filled in


@dataclass(frozen=True)
class Costs:
    """A lane's dispatches: of one, of a chunk and of many, and what follows from them."""

    lane: Lane
    small: Recording
    middle: Recording
    large: Recording
    recipients: int
    """Of the large one."""

    @property
    def slope(self) -> Ledger:
        return (self.large.ledger - self.middle.ledger) * (1 / (self.recipients - MIDDLE))

    @property
    def fixed(self) -> Ledger:
        return self.small.ledger - self.slope


@cache
def costs_of(lane: Lane, large: int = LARGE) -> Costs:
    """The recorded dispatches of a lane. With fewer chunks the slope is much the same, and sooner found."""
    small, middle, most = (scenarios.dispatch(lane, count) for count in (SMALL, MIDDLE, large))
    return Costs(lane, small, middle, most, large)


@cache
def single(lane: Lane) -> Ledger:
    """A plain dispatch to one, to compare others with."""
    return scenarios.dispatch(lane, SMALL).ledger


# The document.


def introduction() -> str:
    return INTRODUCTION.format(
        letters=len(scenarios.TEXT), large=f"{LARGE:,}", middle=MIDDLE, difference=f"{LARGE - MIDDLE:,}"
    )


def lane_section(lane: Lane) -> str:
    """All about the dispatches of one lane."""
    costs = costs_of(lane)
    slope, fixed = costs.slope, costs.fixed
    return _section(
        f"The {lane} lane",
        _table(
            ["", "requests", "with polling", "read units", "write units"],
            [
                _amounts("**slope**, a recipient", slope),
                _limit("limit", SLOPE),
                _amounts("**fixed part**, a dispatch", fixed),
                _limit("limit", FIXED),
                *counted_rows(costs),
                _amounts(f"{LARGE:,} recipients", costs.large.ledger),
            ],
        ),
        _verdict(costs),
        f"Where {LARGE - MIDDLE:,} more recipients go (requests, read and write units of one recipient):",
        _lines(slope),
        "Where the fixed part goes (a minus: one recipient's share of a batch is in the slope already):",
        _lines(fixed),
        f"In {bill.price_list().currency}, at the prices below:",
        _bills(
            {
                "a million recipients in full batches": slope * bill.MILLION,
                "a million dispatches to one recipient, all of them cold": costs.small.ledger * bill.MILLION,
            }
        ),
    )


def counted_rows(costs: Costs) -> list[list[str]]:
    """The rows of one recipient and of one chunk."""
    return [
        _amounts("1 recipient", costs.small.ledger),
        _amounts(f"{MIDDLE} recipients", costs.middle.ledger),
    ]


def slope_in(section: str) -> list[float]:
    """What a lane's section says of the slope: requests, with polling, read units, write units."""
    return numbers_in(section, "| **slope**")


def numbers_in(section: str, start: str) -> list[float]:
    """The numbers in the row of a section that starts so."""
    row = next(line for line in section.splitlines() if line.startswith(start))
    return [float(cell) for cell in row.strip("| ").split(" | ")[1:]]


def others_section() -> str:
    """Dispatches that do not go smoothly."""
    rows = []
    for lane in Lane:
        plain = single(lane)
        rows += [
            _amounts(
                f'a recipient who is told "try later" once, {lane}', scenarios.retried(lane).ledger - plain
            ),
            _amounts(f"an unsent recipient, swept once, {lane}", scenarios.swept(lane).ledger - plain),
        ]
    rows += [
        _paced_row("regular, in all", comes_back=False),
        _paced_row("who comes back once", comes_back=True),
    ]
    large = scenarios.dispatch(Lane.REGULAR, SMALL, scenarios.LARGE_TEXT).ledger - single(Lane.REGULAR)
    letters = f"{len(scenarios.LARGE_TEXT):,}"
    return _section(
        "What goes wrong, and what is large",
        "What it costs beside a dispatch to one recipient for whom all goes well:",
        _table(
            ["", "requests", "with polling", "read units", "write units"],
            [*rows, _amounts(f"a text of {letters} letters that are not Latin", large)],
        ),
        "The seventeen queries of the sweep are in it, and what it then reads. A text is written once a"
        " dispatch, and read once by each function instance that sends it. By a channel with a rate a batch"
        " has a write more; who finds all slots taken comes back, and is received, read and sent once more.",
    )


def _paced_row(what: str, *, comes_back: bool) -> list[str]:
    fewer, more = (
        scenarios.paced(Lane.REGULAR, count, comes_back=comes_back) for count in (MIDDLE, 2 * MIDDLE)
    )
    return _amounts(
        f"a recipient by a channel with a rate, {what}", (more.ledger - fewer.ledger) * (1 / MIDDLE)
    )


def rights_section() -> str:
    """What it costs to know who asks."""
    rows = []
    for who in scenarios.callers():
        rows += [
            _amounts(f"{who}, the first time", scenarios.rights(who, 0).ledger),
            _amounts(f"{who}, a moment later", scenarios.rights(who, 1).ledger),
        ]
    return _section(
        "Who asks",
        "A request for a notification that is not there: one consistent read of its own, and all else is"
        " spent to know who asks, to count an application's requests, and to hold log-ins within their limit."
        " What was checked a moment ago costs nothing more: it is believed for half a minute.",
        _table(["", "requests", "with polling", "read units", "write units"], rows),
    )


def recurring_section(lane: Lane) -> str:
    """What a run of a frequency costs, and a dispatch that is to be sent at a time."""
    alone, month = recurring.runs(lane, SMALL), recurring.warm_run(lane) * RUNS_IN_A_MONTH
    of_many = recurring.runs(lane, MANY) * (1 / MANY)
    slope = recurring.slope(lane)
    return _section(
        f"Runs and times, the {lane} lane",
        "A run of a frequency to one recipient, and a dispatch to one that has a `send_at`, beside"
        " one that is sent at once. What the tick costs anyway is not in them: it is in the idle"
        " hour. Each frequency has a notification and an audience of its own. Functions begin cold,"
        f" and there is one instance of each: of its secrets each of {MANY:,} runs has only its share."
        " Runs in different seconds of a minute share the tick's messages, but few batches: their costs are"
        " in between.",
        _table(
            ["", "requests", "with polling", "read units", "write units"],
            [
                _amounts("a dispatch, posted and sent at once", single(lane)),
                _amounts("a dispatch, posted to be sent an hour later", recurring.at_a_time(lane)),
                *run_rows(lane),
                _amounts(f"a run, {MANY:,} in the same second, each", of_many),
                _amounts("**fixed part**, a run", alone - slope),
                _limit("limit of a dispatch", FIXED),
                _amounts("**slope**, a further recipient (200 − 100)", slope),
                _limit("limit of a dispatch", SLOPE),
            ],
        ),
        f"The fixed part of a run is {_within(alone - slope, FIXED)} limits of a dispatch, a further"
        f" recipient is {_within(slope, SLOPE)} limits of a recipient, by the functions' own requests."
        " Beside what there is of a plain dispatch, a run's frequency is read for each batch and each"
        " hundred: it may have been stopped.",
        "Where a run goes that is alone in its minute:",
        _lines(alone),
        f"Where each of {MANY:,} goes that are due in the same second:",
        _lines(of_many),
        f"In {bill.price_list().currency}, at the prices below:",
        _bills(
            {
                "a million dispatches, posted and sent at once": single(lane) * bill.MILLION,
                "a million runs, each alone in its minute, all of them cold": alone * bill.MILLION,
                f"a million runs, {MANY:,} in the same second": of_many * bill.MILLION,
                "a month of a frequency of a minute, one recipient": month,
            }
        ),
        month_sentence(month),
    )


def run_rows(lane: Lane) -> list[list[str]]:
    """The rows of a run that is alone, and of one of a full part."""
    return [
        _amounts("a run, alone in its minute", recurring.runs(lane, SMALL)),
        _amounts(f"a run, {PART} in the same second, each", recurring.runs(lane, PART) * (1 / PART)),
    ]


def month_sentence(month: Ledger) -> str:
    """What a frequency that runs each minute comes to."""
    own = month.by_functions
    return (
        f"A frequency of a minute to one recipient runs {_number(RUNS_IN_A_MONTH)} times a month, by"
        f" functions that stay warm: {_number(own.requests)} requests, {_number(own.reads)} read"
        f" units, {_number(own.writes)} write units; {_money(sum(bill.money(month).values()))}"
        f" {bill.price_list().currency} on top of an idle month."
    )


def idle_section() -> str:
    """What is spent while nobody sends anything."""
    polling = bill.idle_polling(hours=1)
    empty, full = idle_hour(), idle_hour(MANY)
    return _section(
        "An idle hour",
        _table(
            ["", "requests", "with polling", "read units", "write units"],
            [
                _amounts("60 ticks that find nothing", empty.of("tick")),
                _amounts("60 sweeps that find nothing", empty.of("sweep")),
                _amounts(f"Lambda's polling of {len(bill.polled_queues())} empty queues", polling),
                _amounts("**together**", empty + polling),
                _amounts(f"60 ticks that find none of {MANY:,} frequencies due", full.of("tick")),
                _amounts(f"60 sweeps beside {MANY:,} frequencies", full.of("sweep")),
                _amounts(f"**together**, with {MANY:,} frequencies", full + polling),
            ],
        ),
        f"{MANY:,} frequencies of which none is due {_difference(full - empty)}: the tick asks a sparse index"
        " for what is due within 120 s, and reads no other entry.",
        f"In {bill.price_list().currency} for an idle month:",
        _table(
            ["", *_idle_month(empty), "**in all**"],
            [
                _idle_month_row("no frequencies", empty),
                _idle_month_row(f"{MANY:,} frequencies, none of them due", full),
            ],
        ),
        "The polling is assumed, not counted: how often Lambda asks queues in which there is nothing."
        " It is of all queues, the dead letters' too, and the same whatever is in the tables.",
    )


def idle_hour(frequencies: int = 0) -> Ledger:
    """All ticks and sweeps of an hour."""
    return recurring.idle_minute(frequencies).ledger * MINUTES_IN_AN_HOUR


def _idle_month(hour: Ledger) -> dict[str, float]:
    hours = bill.price_list().assumed("month_hours")
    parts = {
        "60 ticks an hour": hour.of("tick"),
        "60 sweeps an hour": hour.of("sweep"),
        "polling of empty queues": bill.idle_polling(hours=1),
    }
    prices = {name: sum(bill.money(ledger * hours).values()) for name, ledger in parts.items()}
    return {**prices, "secrets": bill.money_of_secrets_in_a_month()}


def _idle_month_row(name: str, hour: Ledger) -> list[str]:
    parts = _idle_month(hour).values()
    return [name, *map(_money, parts), _money(sum(parts))]


def _difference(ledger: Ledger) -> str:
    more = ledger.billed
    if not more:
        return "cost nothing more"
    counted = {"requests": more.requests, "read units": more.reads, "write units": more.writes}
    return "cost more: " + ", ".join(f"{_number(value)} {name}" for name, value in counted.items())


def _within(ledger: Ledger, limit: Amount) -> str:
    over = exceeded(ledger.by_functions, limit)
    return f"over ({'; '.join(over)}) the" if over else "within the"


def panel_section() -> str:
    """What a page of the panel asks for."""
    rows = []
    for path, (first, then) in panel_costs.costs(IN_LISTS).items():
        most = panel_costs.LOOKS_THROUGH.get(path)
        rows.append([f"`/admin{path}`", *([f"at most {most}"] * 2 if most else [str(first), str(then)])])
    return _section(
        "The panel",
        f"Requests to AWS for a page with {IN_LISTS} of each kind in the tables: the first time that a"
        " function is asked for it, and again. They are no more for three times as many"
        " (`tests/integration/test_costs_panel.py`).",
        _table(["", "the first time", "again"], rows),
    )


def prices_section() -> str:
    """The list prices and the assumptions."""
    known = bill.price_list()
    return _section(
        "Prices and assumptions",
        f"List prices of {known.region} in {known.currency} on {known.date}, for a million of each, before"
        " any free tier. Not in the bills: storage and backups, data transfer, Lambda's time for cold starts,"
        " metrics, alarms and traces (runbook.md), and the mail provider. Look again before a decision"
        " depends on a figure.",
        _table(
            ["", "price", "where it is published"],
            [[name, f"{each['price']:,}", each["source"]] for name, each in known.prices.items()],
            align="---",
        ),
        "What can't be counted is assumed:",
        _table(
            ["", "value", "reason"],
            [
                [name, f"{each['value']:,}", ": ".join(filter(None, [each["reason"], each.get("source")]))]
                for name, each in known.assumptions.items()
            ],
            align="---",
        ),
    )


SECTIONS: Sequence[Callable[[], str]] = (
    introduction,
    partial(lane_section, Lane.REGULAR),
    partial(lane_section, Lane.EXPRESS),
    others_section,
    rights_section,
    partial(recurring_section, Lane.REGULAR),
    partial(recurring_section, Lane.EXPRESS),
    idle_section,
    panel_section,
    prices_section,
)


def document() -> str:
    """All of docs/costs.md."""
    # A lane takes ten seconds or more: each its own processor.
    with ProcessPoolExecutor() as pool:
        return "\n".join(each.result() for each in [pool.submit(section) for section in SECTIONS])


# How it is written.


def _section(title: str, *parts: str) -> str:
    return "\n\n".join([f"## {title}", *parts]) + "\n"


def line_of(cells: Sequence[str]) -> str:
    """A row as it stands in the document."""
    return f"| {' | '.join(cells)} |"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "---:") -> str:
    lines = [head, ["---"] + [align] * (len(head) - 1), *rows]
    return "\n".join(map(line_of, lines))


def _amounts(name: str, ledger: Ledger) -> list[str]:
    own, billed = ledger.by_functions, ledger.billed
    return [name, *map(_number, (own.requests, billed.requests, own.reads, own.writes))]


def _limit(name: str, limit: Amount) -> list[str]:
    return [name, *map(_number, (limit.requests, limit.requests, limit.reads, limit.writes))]


def _number(value: float) -> str:
    # Not "-0", which a sum of fractions can leave behind.
    return f"{round(value, 3) + 0.0:,.3f}".rstrip("0").rstrip(".")


def _money(value: float) -> str:
    return f"{value:,.2f}"


def _verdict(costs: Costs) -> str:
    polled = costs.slope.billed.requests
    batch = round(1 / costs.slope.invocations[f"deliver_{costs.lane}"])
    is_kept = polled <= SLOPE.requests
    return (
        "The limits are for the functions' own requests. With the polling a recipient takes"
        f" {_number(polled)} requests, which is {'also within' if is_kept else 'over'} the limit:"
        f" a full batch is {batch} messages."
    )


def _lines(ledger: Ledger) -> str:
    rows = [
        [_name(line), *map(_number, (amount.requests, amount.reads, amount.writes))]
        for line, amount in sorted(ledger.lines.items())
        if amount
    ]
    return _table(["", "requests", "read units", "write units"], rows)


def _name(line: Line) -> str:
    polling = " (polling)" if line.is_polling else ""
    return f"{line.function}: {line.operation}, {line.target}{polling}"


def _bills(ledgers: dict[str, Ledger]) -> str:
    rows = []
    for name, ledger in ledgers.items():
        parts = bill.money(ledger)
        rows.append([name, *map(_money, parts.values()), _money(sum(parts.values()))])
    return _table(["", *bill.PARTS, "**in all**"], rows)


def main() -> None:
    text = document()
    DOCUMENT.write_text(text, "utf-8")
    print(text)
    print(f"Written to {DOCUMENT.relative_to(DOCUMENT.parents[1])}.")


if __name__ == "__main__":
    main()
