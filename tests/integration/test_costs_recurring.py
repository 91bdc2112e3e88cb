"""What runs of frequencies cost, and dispatches that have a time: they keep the limits of plain ones.

A file of its own, in parallel with the others.
"""

import re

import pytest

from chalicelib.domain.lanes import Lane
from chalicelib.services.tick import PART
from tests.cost import bill, recurring, report
from tests.cost.ledger import Amount, Ledger
from tests.cost.limits import FIXED, SLOPE, exceeded
from tests.cost.report import numbers_in

FILTER_READS = 4
"""Of the filter of the suppressed: four items, eventually consistent, for fan out and for deliver."""


def section(lane: Lane) -> str:
    written = report.DOCUMENT.read_text("utf-8")
    return written.partition(f"## Runs and times, the {lane} lane")[2].partition("\n## ")[0]


@pytest.mark.parametrize("lane", Lane)
def test_a_run_keeps_the_limits_of_a_dispatch(lane: Lane) -> None:
    alone = recurring.runs(lane, 1)
    requests, _, reads, writes = numbers_in(section(lane), "| **fixed part**")
    assert exceeded(Amount(requests, reads, writes), FIXED) == []
    assert alone.by_functions == Amount(requests=23, reads=13, writes=13)
    assert not [line for line in alone.lines if line.operation == "Scan"]


@pytest.mark.parametrize("lane", Lane)
def test_runs_of_the_same_second_share_requests_and_nothing_else(lane: Lane) -> None:
    """Letters of a batch are counted together; each run has a dispatch, a text and a hundred of its own."""
    alone, of_part = recurring.runs(lane, 1).by_functions, share(lane).by_functions
    assert alone.requests - of_part.requests > 6
    # The filter of the suppressed is read twice a minute by each function, whatever it works on.
    assert alone.reads - FILTER_READS < of_part.reads < alone.reads - FILTER_READS + 0.5
    assert alone.writes - 1 < of_part.writes < alone.writes


@pytest.mark.parametrize("lane", Lane)
def test_a_further_recipient_keeps_the_limits_of_a_recipient(lane: Lane) -> None:
    """Here of whole batches only: `make cost` takes a whole hundred, for which there are some reads more."""
    of_batches = ((recurring.run_to(lane, 11) - recurring.runs(lane, 1)) * (1 / 10)).by_functions
    requests, _, reads, writes = numbers_in(section(lane), "| **slope**")
    for found in (of_batches, Amount(requests, reads, writes)):
        assert exceeded(found, SLOPE) == []
    here = [of_batches.requests, of_batches.reads, of_batches.writes]
    assert [requests, reads, writes] == pytest.approx(here, abs=0.1)


@pytest.mark.parametrize("lane", Lane)
def test_the_polling_of_the_queues_is_told_beside_it(lane: Lane) -> None:
    alone = recurring.runs(lane, 1).billed
    _, with_polling, _, _ = numbers_in(section(lane), "| **slope**")
    _, fixed, _, _ = numbers_in(section(lane), "| **fixed part**")
    assert fixed == pytest.approx(alone.requests - with_polling, abs=0.001)
    assert fixed <= FIXED.requests + 2  # the limit itself is for what the functions ask


@pytest.mark.parametrize("lane", Lane)
def test_a_time_costs_the_message_of_a_part_and_a_read(lane: Lane) -> None:
    extra = recurring.at_a_time(lane) - report.single(lane)
    assert extra.by_functions == Amount(requests=2, reads=1, writes=0)
    assert extra.billed == Amount(requests=4, reads=1, writes=0)  # the part is received and deleted


@pytest.mark.parametrize("lane", Lane)
def test_the_document_says_so(lane: Lane) -> None:
    written = section(lane).splitlines()
    assert not {report.line_of(row) for row in report.run_rows(lane)} - set(written), "run make cost"
    month = recurring.warm_run(lane) * report.RUNS_IN_A_MONTH
    assert report.month_sentence(month) in written, "run make cost"


def test_the_page_of_frequencies_has_the_same_figures() -> None:
    page = report.DOCUMENT.with_name("frequencies.md").read_text("utf-8")
    alone, plain = recurring.runs(Lane.REGULAR, 1).by_functions, report.single(Lane.REGULAR).by_functions
    for spent in (alone, plain):
        assert f"{spent.requests:g} requests, {spent.reads:g} read and {spent.writes:g} write units" in page
    (shared,) = [cells for cells in report.run_rows(Lane.REGULAR) if f"{PART} in" in cells[0]]
    assert f"of {PART} in the same second {shared[1]} requests each" in page
    cost = sum(bill.money(recurring.warm_run(Lane.REGULAR) * report.RUNS_IN_A_MONTH).values())
    assert f"{cost:.2f} {bill.price_list().currency} a month" in page


def test_the_page_of_scale_has_the_same_prices() -> None:
    prices = re.findall(r"(\d+\.\d\d) USD", report.DOCUMENT.with_name("scale.md").read_text("utf-8"))
    assert len(prices) >= 4
    costs = report.DOCUMENT.read_text("utf-8")
    assert [each for each in prices if not re.search(rf"\b{each}\b", costs)] == []


@pytest.mark.parametrize("lane", Lane)
def test_each_of_a_thousand_costs_as_it_does_in_a_full_part(lane: Lane) -> None:
    """But for what an instance reads once."""
    found = numbers_in(section(lane), f"| a run, {report.MANY:,}")
    own, billed = share(lane).by_functions, share(lane).billed
    assert found == pytest.approx([own.requests, billed.requests, own.reads, own.writes], abs=0.3)


def share(lane: Lane) -> Ledger:
    """What each run of a full part costs."""
    return recurring.runs(lane, PART) * (1 / PART)
