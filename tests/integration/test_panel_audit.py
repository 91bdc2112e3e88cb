"""The audit log as managers read it: who, when, by what, from what to what."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import chalicelib
import infra
from chalicelib.admin.views.audit import ACTIONS, KINDS, PAGE, PAGES
from chalicelib.domain.times import later, utc_now
from chalicelib.services import audit
from chalicelib.services.audit import Via, acting, record
from chalicelib.services.rights import Role
from tests.support.aws import World
from tests.support.factories import user_id
from tests.support.panel import Shown, visitor

pytestmark = pytest.mark.usefixtures("world")

PATH = "/admin/audit"
SCRIPT = "<script>alert(1)</script>"


def add(number: int, who: str = "administrator:anna", via: Via = Via.API, **fields: Any) -> None:
    """An entry; a higher number is a newer one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "utc_now", lambda: later(utc_now(), number / 1000 - 10))
        with acting(who, via, "the-request"):
            what = {"action": "changed", "kind": "application", "about": f"app-{number}", **fields}
            record(**what)


def abouts(shown: Shown) -> list[str]:
    return re.findall(r">app-(\d+)<", shown.html)


def test_the_newest_are_first_with_all_that_is_known() -> None:
    add(1)
    add(
        2,
        before={"is_active": True, "scopes": ["read"]},
        after={"is_active": False, "scopes": ["read", "send"]},
    )
    shown = visitor().get(PATH)
    assert (shown.status, abouts(shown)) == (200, ["2", "1"])
    assert "administrator:anna API Application: changed app-2" in shown.text
    assert "Enabled yes → no" in shown.text
    assert "Rights read → read, send" in shown.text
    assert re.search(r"<time datetime=\"20\d\d-", shown.html)
    assert "→" not in visitor(language="ru").get(PATH + "?about=app-1").text


def test_what_the_panel_does_is_in_it() -> None:
    manager = visitor()
    manager.post("/admin/account/logout_everywhere")
    shown = visitor(login="another").get(PATH)
    assert "administrator:manager panel Administrator: logged out everywhere manager" in shown.text


def test_a_thing_is_linked_with_its_page() -> None:
    for number, kind in enumerate(PAGES):
        add(number, kind=kind, about=user_id(1))
    add(90, kind="contact", about="many")
    add(91, kind="key", about="token")
    html = visitor().get(PATH).html
    for part in set(PAGES.values()):
        assert f'href="../admin/{part}/{user_id(1)}"' in html
    assert "many at once" in html
    assert not re.search(r'href="[^"]*/(many|token)"', html)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("who=user%3Aa", ["1"]),
        ("via=panel", ["3", "2"]),
        ("via=panel&kind=audience", ["2"]),
        ("about=app-3", ["3"]),
        ("month=2020-01", []),
        ("who=&via=&kind=&about=&month=", ["3", "2", "1"]),
    ],
)
def test_filters(query: str, found: list[str]) -> None:
    add(1, who="user:a")
    add(2, via=Via.PANEL, kind="audience")
    add(3, via=Via.PANEL)
    shown = visitor().get(f"{PATH}?{query}")
    assert (shown.status, abouts(shown)) == (200, found)
    assert ("No changes" in shown.text) is (found == [])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("month=2026-13", "must be a month, as 2026-11"),
        ("who=" + "x" * 101, "at most 100 characters"),
        ("via=mail", "Input should be"),
        ("cursor=x", "not a cursor that this service gave"),
    ],
)
def test_a_filter_that_is_none_says_so(query: str, said: str) -> None:
    add(1)
    shown = visitor().get(f"{PATH}?{query}")
    assert (shown.status, abouts(shown)) == (422, [])
    assert said in shown.text


def test_it_is_read_page_by_page() -> None:
    for number in range(PAGE * 2 + 1):
        add(number)
    manager, seen, address = visitor(), [], PATH
    while True:
        shown = manager.get(address)
        seen += abouts(shown)
        found = re.search(r'rel="next" href="\.\./(admin/audit\?[^"]+)"', shown.html)
        if not found:
            break
        address = "/" + found[1].replace("&amp;", "&")
    assert seen == [str(number) for number in reversed(range(PAGE * 2 + 1))]
    assert "Back to the newest" in shown.text


def test_a_full_page_of_the_longest_entries_is_small(world: World) -> None:
    long = "<&>" * 200
    for number in range(PAGE + 1):
        before = {f"a_rather_long_name_{each}": long for each in range(12)}
        after = dict.fromkeys(before, f"{long}x")
        add(number, who=f"user:{user_id(1)}", about=user_id(number), before=before, after=after)
    assert len(visitor().get(PATH).html.encode()) < 100_000


def test_whatever_is_in_an_entry_is_text() -> None:
    add(
        1,
        who=SCRIPT,
        kind=SCRIPT,
        action=SCRIPT,
        about=SCRIPT,
        before={SCRIPT: SCRIPT},
        after={SCRIPT: [SCRIPT]},
    )
    shown = visitor().get(PATH)
    assert shown.status == 200
    assert "<script>alert" not in shown.html
    assert shown.text.count(SCRIPT) == 7


def test_only_managers_read_it() -> None:
    assert [visitor(role).get(PATH).status for role in Role] == [403, 403, 200]


def test_the_requests_of_a_page_do_not_grow_with_the_log(world: World) -> None:
    manager = visitor()
    manager.get(PATH)

    def asked() -> int:
        before = world.database.requests.total()
        assert manager.get(f"{PATH}?who=nobody").status == 200
        return world.database.requests.total() - before

    add(1)
    few = asked()
    for number in range(150):
        add(number)
    assert asked() == few


def recorded() -> Iterator[tuple[str, str]]:
    """Every (action, kind) that is recorded anywhere in the code."""
    for package in (chalicelib, infra):
        for file in Path(str(package.__file__)).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and ast.unparse(node.func) == "audit.record"
                ):
                    action, kind = node.args[:2]
                    assert isinstance(kind, ast.Constant)
                    assert isinstance(kind.value, str)
                    for each in ast.walk(action):
                        if isinstance(each, ast.Constant) and isinstance(each.value, str):
                            yield each.value, kind.value


def test_every_kind_and_action_has_its_words() -> None:
    found = set(recorded())
    assert len(found) > 25
    assert {kind for _, kind in found} <= set(KINDS)
    assert {action for action, _ in found} <= set(ACTIONS)
