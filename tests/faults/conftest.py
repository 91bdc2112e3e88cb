"""One world for all runs, and a summary of what was run."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from moto import mock_aws

from tests.faults.world import World
from tests.support.aws import use_test_account


def part_of(text: str) -> tuple[int, int]:
    """'2/3' is the second of three parts."""
    part, of = map(int, text.split("/"))
    if not 1 <= part <= of:
        raise ValueError(f"there is no part {text}")
    return part, of


@dataclass
class Tally:
    """What was run, and what came of it."""

    seed: int = field(default_factory=lambda: int(os.environ.get("SEED", "1")))
    pairs: int = field(default_factory=lambda: int(os.environ.get("PAIRS", "300")))
    part: tuple[int, int] = field(default_factory=lambda: part_of(os.environ.get("PART", "1/1")))
    """Of the single faults: which part of how many."""
    lines: list[str] = field(default_factory=list)
    calls: int = 0
    runs: int = 0
    second_sends: int = 0


TALLY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = Tally()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.stash[TALLY]


@pytest.fixture(scope="module")  # and no longer: what it replaces, other tests need
def faulty() -> Iterator[World]:
    """The world whose calls can fail."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_test_account(monkeypatch)
        with mock_aws():
            yield World(monkeypatch)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tally = config.stash[TALLY]
    if tally.runs:
        terminalreporter.section("faults")
        for line in tally.lines:
            terminalreporter.line(line)
        terminalreporter.line(
            f"{tally.runs} runs over {tally.calls} calls (pairs drawn with SEED={tally.seed}; "
            f"single faults: part {tally.part[0]} of {tally.part[1]}); "
            f"{tally.second_sends} second sends, each where nobody could know of the first."
        )
