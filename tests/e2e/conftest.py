"""What the end-to-end tests share: figures that they measure are told at the end of the run."""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.deployment import Deployment

_FIGURES = pytest.StashKey[list[str]]()


PART = "E2E_PART"
"""`k/n`: of the files in n parts the k-th, where there is no time for all."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of other parts alone; with the next commit it is their turn."""
    number, parts = map(int, os.environ.get(PART, "1/1").split("/"))
    files = sorted({each.path for each in items})
    mine = {path for count, path in enumerate(files) if count % parts == number - 1}
    config.hook.pytest_deselected(items=[each for each in items if each.path not in mine])
    items[:] = [each for each in items if each.path in mine]


@pytest.fixture(scope="module", autouse=True)
def _leaves_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a module has put off for hours is not in the next one's queues."""
    own = [each for each in request.session.items if each.path == request.path]
    is_shared = any("vestnik" in getattr(each, "fixturenames", ()) for each in own)
    vestnik: Deployment | None = request.getfixturevalue("vestnik") if is_shared else None
    yield
    if vestnik is not None:
        vestnik.empty_queues()


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Have a line printed at the end of the run."""
    return pytestconfig.stash.setdefault(_FIGURES, []).append


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands over what was told in it: the end of the run is told by another process."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["figures"] = session.config.stash.get(_FIGURES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended."""
    told = getattr(node, "workeroutput", {}).get("figures", [])
    node.config.stash.setdefault(_FIGURES, []).extend(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash.get(_FIGURES, None):
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)
