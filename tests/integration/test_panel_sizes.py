"""The panel's pages stay small, and ask AWS the same number of times, whatever the tables hold."""

from collections import Counter

import pytest

from chalicelib.admin.views.notification_form import CHOSEN_FROM
from chalicelib.services import audiences, operations
from tests.support.api import set_api_clock
from tests.support.aws import World
from tests.support.factories import START
from tests.support.panel import visitor
from tests.support.panel_pages import crawl, view_of
from tests.support.panel_world import BOSS, furnish

EVIL = "<script>alert(1)</script>\"' onfocus=alert(1) style=x "
MAX_BYTES = 100_000
BY_WHAT_HAS_FAILED = {"/admin/operations/failures"}
"""What costs so much at most, and less where nobody has failed: tests of the operations have the limit."""
FEW, MANY = 27, 37
"""More than a page has, and so many more."""


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.checks = False
    set_api_clock(monkeypatch, world.clock)


def test_a_full_page_is_small_and_costs_a_fixed_number_of_requests(world: World) -> None:
    """Each list is read with more than a page of it in the tables, and with still more."""
    for number in range(CHOSEN_FROM):
        audiences.create(f"{EVIL} {number}", BOSS, world.clock())
    furnish(world, EVIL * 10, many=FEW)
    browser = visitor(now=START)
    lists = [path for path in crawl(browser).pages if "?" not in path and not _is_of_one(path)]
    lists = [path for path in lists if path not in BY_WHAT_HAS_FAILED]

    def asked() -> dict[str, Counter[str]]:
        found = {}
        for path in lists:
            operations.forget()
            world.database.requests.clear()
            assert browser.get(path).status == 200, path
            found[path] = Counter(world.database.requests)
        return found

    few = asked()
    furnish(world, EVIL * 10, many=MANY, first=FEW)
    many = asked()
    for path in lists:
        assert many[path] == few[path], path
    sizes = {path: len(shown.html.encode()) for path, shown in crawl(browser).pages.items()}
    assert {path: size for path, size in sizes.items() if size >= MAX_BYTES} == {}
    assert max(sizes.values()) > 10_000


def _is_of_one(path: str) -> bool:
    view = view_of("GET", path)
    return view is None or "{" in view.path
