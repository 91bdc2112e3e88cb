"""What `make mutants` breaks is still there: else it would break nothing, and nobody would see it."""

import pytest

from tests.faults.mutants import MUTANTS, ROOT, Mutant
from tests.faults.scenarios import CASES


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_its_place_is_there_once(mutant: Mutant) -> None:
    assert (ROOT / mutant.path).read_text("utf-8").count(mutant.was) == 1
    assert mutant.becomes != mutant.was


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_there_is_a_scenario_where_it_shows(mutant: Mutant) -> None:
    assert any(mutant.scenario in scenario.name for scenario, _ in CASES)
