"""A list of the panel costs no more of a larger table: the figures of docs/costs.md are of any."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from moto import mock_aws

from chalicelib.admin.declaring import View
from chalicelib.services.rights import Role
from tests.cost.panel_costs import LISTS, LOOKS_THROUGH, MOST, MOST_OF, fill, requests_of, still_world
from tests.support.aws import use_test_account
from tests.support.panel import Browser, visitor

SMALL, LARGE, LARGER = 3, 60, 120
"""Of each kind: less than a page, more than one, many more."""


@dataclass(frozen=True)
class Size:
    """A page when there is so much."""

    requests: int
    bytes: int


@pytest.fixture(scope="module")
def sizes() -> Iterator[dict[int, dict[str, Size]]]:
    """How many there are of each kind -> each list, and what it took."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_test_account(monkeypatch)
        with mock_aws():
            world = still_world(monkeypatch)
            browser = visitor(Role.MANAGER, now=world.clock())
            found, there = {}, 0
            for count in (0, SMALL, LARGE, LARGER):
                fill(world, there, count)
                there = count
                found[count] = {view.name: _look(browser, view) for view in LISTS}
            yield found


def _look(browser: Browser, view: View) -> Size:
    path = f"/admin{view.path}"
    browser.get(path)  # what a function learns but once
    shown, requests = requests_of(lambda: browser.get(path))
    assert shown.status == 200, shown.text
    return Size(requests, len(shown.html.encode()))


@pytest.mark.parametrize("view", LISTS, ids=lambda view: view.name.removeprefix("panel_get_"))
def test_a_list_costs_no_more_of_a_larger_table(sizes: dict[int, dict[str, Size]], view: View) -> None:
    requests = {count: of[view.name].requests for count, of in sizes.items()}
    if view.path not in LOOKS_THROUGH:
        assert requests[LARGER] == requests[LARGE], requests
    assert max(requests.values()) <= MOST_OF.get(view.path, MOST), requests


def test_the_lists_are_full(sizes: dict[int, dict[str, Size]]) -> None:
    """Else it proves nothing."""
    grown = {name for name, size in sizes[LARGE].items() if size.bytes > sizes[0][name].bytes + 3_000}
    assert {name.split("_")[2] for name in grown} >= {
        "notifications", "audiences", "frequencies", "unsubscribes", "suppressions", "applications",
        "administrators", "audit",
    }  # fmt: skip
