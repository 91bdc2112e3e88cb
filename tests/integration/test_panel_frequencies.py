"""The panel's frequencies: listed, shown, paused, resumed and deleted, and who may do that."""

import re
from typing import Any

import pytest

from chalicelib.domain.times import iso, later
from chalicelib.services.content import Content
from chalicelib.services.rights import Principal, Role, administrator
from tests.support.api import set_api_clock
from tests.support.aws import World
from tests.support.factories import START
from tests.support.panel import Browser
from tests.support.panel import visitor as logged_in
from tests.support.panel_frequencies import (
    PATH,
    SCRIPT,
    audience,
    form_of,
    make,
    rows,
    stored,
    typed,
)


@pytest.fixture
def anna(world: World, monkeypatch: pytest.MonkeyPatch) -> Browser:
    set_api_clock(monkeypatch, world.clock)
    return logged_in(login="anna", now=START)


def test_without_any_the_page_says_what_to_do(anna: Browser) -> None:
    shown = anna.get(PATH)
    assert "No frequencies" in shown.text
    assert 'href="../admin/frequencies/_new"' in shown.html
    assert "_new" not in logged_in(Role.VIEWER, now=START).get(PATH).html


def test_one_is_paused_resumed_and_deleted(world: World, anna: Browser) -> None:
    make()
    version = form_of(anna.get(f"{PATH}/news"), "main")["version"]
    shown = anna.post(f"{PATH}/news/pause", {"version": version})
    assert "Paused: it does not run until it is resumed." in shown.text
    row = stored()
    assert (row.is_paused, row.next_run_at) == (True, None)
    shown = anna.post(f"{PATH}/news/resume", {"version": str(row.version)})
    assert "Resumed: it runs again." in shown.text
    row = stored()
    assert (row.is_paused, row.next_run_at) == (False, iso(later(START, 3600)))
    shown = anna.post(f"{PATH}/news/delete", {"version": str(row.version)})
    assert (shown.path, "Deleted." in shown.text) == (f"{PATH}?done=deleted", True)
    assert not world.table("FREQUENCIES_TABLE")


def test_what_is_resumed_behind_its_end_is_not_said_to_run(world: World, anna: Browser) -> None:
    make(timing={"period": 600, "ends_at": later(START, 1200)})
    version = form_of(anna.get(f"{PATH}/news"), "main")["version"]
    anna.post(f"{PATH}/news/pause", {"version": version})
    world.clock.advance(25 * 60)
    assert "None: it is paused, and its end has come." in anna.get(f"{PATH}/news").text
    shown = anna.post(f"{PATH}/news/resume", {"version": str(stored().version)})
    assert "Resumed, but it has ended" in shown.text
    assert "ended" in shown.text


def test_with_a_filter_there_is_a_way_back_to_all(world: World, anna: Browser) -> None:
    for path in (f"{PATH}?author=application:nobody", "/admin/audit?who=application:nobody"):
        shown = anna.get(path)
        assert "Show all" in shown.text
        assert "Show all" not in anna.get(path.partition("?")[0]).text


def test_a_viewer_sees_and_changes_nothing(world: World, anna: Browser) -> None:
    made = make()
    before = rows(world)
    viewer = logged_in(Role.VIEWER, now=START)
    shown = viewer.get(f"{PATH}/news")
    assert shown.status == 200
    assert "that is for senders and managers" in shown.text
    assert "frequencies/news/" not in shown.html
    version = {"version": str(made.frequency.version)}
    for path in ("_new", "news/edit", "_times?kind=period&period=1"):
        assert viewer.get(f"{PATH}/{path}").status == 403
    for path, fields in (
        ("_new", typed(slug="other")),
        ("_said", {}),
        ("news/edit", typed(**version)),
        ("news/pause", version),
        ("news/resume", version),
        ("news/delete", version),
    ):
        assert viewer.post(f"{PATH}/{path}", fields).status == 403
    assert rows(world) == before


def test_a_sender_may(anna: Browser) -> None:
    sender = logged_in(Role.SENDER, now=START)
    assert sender.post(f"{PATH}/_new", typed()).path == f"{PATH}/news?done=created"
    assert "frequencies/news/edit" in sender.get(f"{PATH}/news").html


@pytest.mark.parametrize("slug", ["nothing", "Not-A-Slug", "%3Cscript%3E", "x" * 3_000])
def test_what_is_not_there_is_not_found(world: World, anna: Browser, slug: str) -> None:
    for path in (slug, f"{slug}/edit"):
        assert anna.get(f"{PATH}/{path}").status == 404
    for action in ("edit", "pause", "resume", "delete"):
        assert anna.post(f"{PATH}/{slug}/{action}", typed(version="1")).status == 404
    assert rows(world) == [[], [], []]


def test_they_are_listed_by_slug_of_all_or_of_one(world: World, anna: Browser) -> None:
    slugs = sorted(f"frequency-{number:02}-{'x' * 50}" for number in range(30))
    content = Content("webhook", "<" * 200, "Text", True)
    to = audience()
    timing = {"cron": "*/7 3-5 1,15 * *", "time_zone": "America/Argentina/ComodRivadavia"}
    for slug in reversed(slugs):
        make(slug, administrator("olga"), timing=timing, content=content, users=None, audience_id=to)
    make("mine", administrator("anna"), timing={"cron": "5 7 * * SAT,SUN"})
    found: list[str] = []
    path, counts = PATH, []
    while path:
        world.database.requests.clear()
        shown = anna.get(path)
        counts.append(world.database.requests.total())
        assert len(shown.html.encode()) < 100_000
        found += re.findall(r"admin/frequencies/([a-z][^\"]+)\"", shown.html)
        following = re.search(r'rel="next" href="\.\./([^"]+)"', shown.html)
        path = f"/{following[1]}" if following else ""
    assert found == [*slugs, "mine"]
    assert len(counts) == 2
    assert len(set(counts)) == 1
    shown = anna.get(f"{PATH}?author=administrator:anna")
    assert "frequency-" not in shown.text
    assert "at 07:05: Saturday, Sunday" in shown.text


def test_what_is_stored_is_no_script(anna: Browser) -> None:
    to = audience(name=SCRIPT)
    said = Content("mail", SCRIPT, SCRIPT, False, SCRIPT)
    make("news", administrator("anna"), content=said, users=None, audience_id=to)
    make("other", Principal("application", SCRIPT))
    by_template = Content("mail", "", "", False, None, "order_shipped@1", {"order": SCRIPT[:40]})
    make("third", content=by_template)
    pages = ["", "/news", "/news/edit", "/_new", "/other", "/third", "/third/edit", f"?author={SCRIPT}"]
    for path in pages:
        shown = anna.get(f"{PATH}{path.replace('<', '%3C')}")
        assert shown.status == 200
        assert "alert(1)" in shown.html
        assert "<script>alert" not in shown.html
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", shown.html)


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        ({"period": 1}, "every second"),
        ({"period": 90}, "every 90 seconds"),
        ({"period": 60}, "every minute"),
        ({"period": 600}, "every 10 minutes"),
        ({"period": 3600}, "every hour"),
        ({"period": 172_800}, "every 2 days"),
        ({"period": 604_800}, "every week"),
        ({"cron": "* * * * *"}, "every minute UTC"),
        ({"cron": "*/15 * * * *"}, "every 15 minutes UTC"),
        ({"cron": "*/7 * * * *"}, "by the cron expression */7 * * * * UTC"),
        ({"cron": "5 * * * *"}, "every hour at minute 05 UTC"),
        ({"cron": "0 8 * * *"}, "every day at 08:00 UTC"),
        ({"cron": "30 9 * * 1-5"}, "from Monday to Friday at 09:30 UTC"),
        ({"cron": "30 9 * * 5-7"}, "at 09:30: Friday, Saturday, Sunday UTC"),
        ({"cron": "30 9 * * 0,7,wed"}, "at 09:30: Wednesday, Sunday UTC"),
        ({"cron": "0 8 1 * *"}, "every month on day 1 at 08:00 UTC"),
        ({"cron": "0 8 1 * MON"}, "by the cron expression 0 8 1 * MON UTC"),
        ({"cron": "0 8 * * MON#1"}, "by the cron expression 0 8 * * MON#1 UTC"),
        ({"cron": "0 8 L * *"}, "by the cron expression 0 8 L * * UTC"),
        ({"cron": "0 8 * 5 *"}, "by the cron expression 0 8 * 5 * UTC"),
    ],
)
def test_when_it_runs_is_said_in_words(anna: Browser, timing: dict[str, Any], words: str) -> None:
    make(timing=timing)
    assert f"When {words}" in anna.get(f"{PATH}/news").text
