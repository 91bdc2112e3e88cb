"""What an express dispatch costs keeps its limits, but for the polling."""

import pytest

from chalicelib.domain.lanes import Lane
from tests.cost.limits import FIXED, SLOPE, exceeded
from tests.cost.report import DOCUMENT, Costs, costs_of, counted_rows, line_of, slope_in

RECIPIENTS = 300
"""Three full chunks: `make cost` takes eleven, which is the same slope and takes longer."""

LANE = Lane.EXPRESS


@pytest.fixture(scope="module")
def costs() -> Costs:
    return costs_of(LANE, RECIPIENTS)


def test_a_recipient_keeps_the_limits(costs: Costs) -> None:
    assert exceeded(costs.slope.by_functions, SLOPE) == []


def test_a_dispatch_keeps_the_limits(costs: Costs) -> None:
    assert exceeded(costs.fixed.by_functions, FIXED) == []


def test_the_polling_is_two_requests_a_batch(costs: Costs) -> None:
    """Batches of five are polled for twice as often: with that a recipient is over the limit, as is known."""
    assert costs.fixed.billed.requests <= FIXED.requests + 1  # the limit is for what the functions ask
    polling = costs.slope.billed.requests - costs.slope.by_functions.requests
    assert polling <= 2 / 5 + 0.05  # a receive and a delete a batch, and a little for fan out


def test_nothing_scans(costs: Costs) -> None:
    assert costs.large.ledger.lines
    assert not [line for line in costs.large.ledger.lines if line.operation == "Scan"]


def test_the_document_says_so(costs: Costs) -> None:
    section = DOCUMENT.read_text("utf-8").partition(f"## The {LANE} lane")[2].partition("\n## ")[0]
    assert not {line_of(row) for row in counted_rows(costs)} - set(section.splitlines()), "run make cost"
    own, billed = costs.slope.by_functions, costs.slope.billed
    here = [own.requests, billed.requests, own.reads, own.writes]
    # A tree of three chunks has a few more messages a chunk than one of eleven, or a few less.
    assert slope_in(section) == pytest.approx(here, abs=0.01), "run make cost"
