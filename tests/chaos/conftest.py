"""One emulator and one deployment for all tests under faults, and the seed that these are drawn from."""

import os
import random
from collections.abc import Iterator

import pytest

from localstack.ministack import MiniStack
from tests.support.deployment import Deployment, deployed
from tests.support.smtp import ScriptedSmtp

SEED = os.environ.get("SEED") or str(random.SystemRandom().randrange(10**6))
WORDS = f"SEED={SEED} draws the same faults again"


def pytest_report_header() -> str:
    return f"chaos: {WORDS}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]
    if report.failed:
        report.sections.append(("seed", WORDS))
    return report  # type: ignore[return-value]


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """What a test draws its faults from: the same for the same SEED, whichever tests run with it."""
    return f"{SEED} {request.node.name}"


@pytest.fixture(scope="session")
def vestnik(smtp_server: ScriptedSmtp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The deployed package, on an emulator that keeps its state."""
    home = tmp_path_factory.mktemp("emulator")
    with deployed(Deployment(smtp_server, home / "emulator.log", home / "state", MiniStack)) as vestnik:
        yield vestnik
