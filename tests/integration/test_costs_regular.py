"""What a regular dispatch costs keeps its limits. Each lane takes a while: a file of its own, in parallel."""

import pytest

from chalicelib.domain.lanes import Lane
from tests.cost.limits import FIXED, SLOPE, exceeded
from tests.cost.report import DOCUMENT, Costs, costs_of, lane_section

LANE = Lane.REGULAR


@pytest.fixture(scope="module")
def costs() -> Costs:
    return costs_of(LANE)


def test_a_recipient_keeps_the_limits(costs: Costs) -> None:
    assert exceeded(costs.slope.by_functions, SLOPE) == []


def test_a_dispatch_keeps_the_limits(costs: Costs) -> None:
    assert exceeded(costs.fixed.by_functions, FIXED) == []


def test_so_do_both_with_the_polling_of_the_queues(costs: Costs) -> None:
    assert exceeded(costs.slope.billed, SLOPE) == []
    assert exceeded(costs.fixed.billed, FIXED) == []


def test_nothing_scans(costs: Costs) -> None:
    assert costs.large.ledger.lines
    assert not [line for line in costs.large.ledger.lines if line.operation == "Scan"]


def test_the_document_says_so(costs: Costs) -> None:
    assert lane_section(LANE) in DOCUMENT.read_text("utf-8"), "`make cost` writes docs/costs.md anew"
