"""What the end-to-end tests share: figures that they measure are told at the end of the run."""

import os
from collections.abc import Callable
from typing import Any

import pytest

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
