"""The panel's page of operations: what it shows is what there is, and it costs so much at most."""

import re
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.domain.lanes import Lane
from chalicelib.domain.results import Permanent
from chalicelib.domain.times import later
from chalicelib.services import operations
from chalicelib.services.rights import Role
from chalicelib.services.send_again import SETTLED_AFTER_SECONDS
from chalicelib.tables import activity
from chalicelib.tables.users_notifications import UsersNotification
from tests.support.api import set_api_clock
from tests.support.aws import World
from tests.support.factories import START, address_of, user_id, user_ids
from tests.support.panel import Browser, Shown
from tests.support.panel import visitor as logged_in

PAGE = "/admin/operations"
FAILURES = "/admin/operations/failures"
EVIL = "<script>alert(1)</script>\"'"


class Ages:
    """Stands for CloudWatch."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.age: float | None = None

    def get_metric_data(self, **asked: Any) -> Any:
        self.asked += 1
        if self.error:
            raise self.error
        wanted = asked["MetricDataQueries"]
        values = [] if self.age is None else [self.age]
        return {"MetricDataResults": [{"Id": each["Id"], "Values": values} for each in wanted]}


@pytest.fixture(autouse=True)
def ages(world: World, monkeypatch: pytest.MonkeyPatch) -> Ages:
    set_api_clock(monkeypatch, world.clock)
    told = Ages()
    monkeypatch.setattr(operations, "metrics_client", lambda: told)
    return told


def visitor(role: Role = Role.MANAGER) -> Browser:
    return logged_in(role, now=START)


def cells(shown: Shown, table: str) -> dict[str, list[str]]:
    """The rows of a table by their heads."""
    found = re.search(rf'<table[^>]* id="{table}">(.*?)</table>', shown.html, re.DOTALL)
    assert found, shown.text
    rows = re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</th>(.*?)</tr>", found[1], re.DOTALL)
    return {_words(head): [_words(each) for each in re.findall(r"<td.*?</td>", row)] for head, row in rows}


def _words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def failed(world: World, *users: str, reason: str = "no such mailbox", **changes: Any) -> Any:
    """A dispatch of which these have failed, long enough ago."""
    world.knows(users)
    world.channel.answers |= {address_of(each): [Permanent(reason)] for each in users}
    dispatch = world.submit(list(users), **changes)
    world.settle(60)
    world.clock.advance(SETTLED_AFTER_SECONDS + 1)
    return dispatch


def test_an_installation_that_has_done_nothing_says_so(world: World) -> None:
    shown = visitor().get(PAGE)
    assert "Nothing in the last hour" in shown.text
    assert cells(shown, "queues") == {
        f"{stage}, {lane} lane": ["0", "0", "0", "–", "0"]
        for lane in ("express", "regular")
        for stage in ("Fan-out", "Delivery")
    }
    assert "10 (from 2 to 50, 12 reserved)" in shown.text
    assert "4 (from 2 to 20)" in shown.text
    assert "No failures" in visitor().get(FAILURES).text


def test_what_lies_in_queues_and_among_the_dead_letters(world: World, ages: Ages) -> None:
    world.knows(user_ids(150))
    world.submit(user_ids(150))
    world.fan_out()
    world.fan_out()
    world.submit([user_id(1)], is_express=True)
    world.queues.put("DELIVERY_EXPRESS_DEAD_QUEUE_URL", "{}")
    found = cells(visitor().get(PAGE), "queues")
    assert found["Fan-out, express lane"] == ["1", "0", "0", "unknown", "0"]
    assert found["Delivery, regular lane"] == ["100", "0", "50", "unknown", "0"]
    assert found["Delivery, express lane"] == ["0", "0", "0", "–", "1 oldest unknown"]


def test_cloudwatch_tells_the_age_and_is_asked_once_a_minute(world: World, ages: Ages) -> None:
    ages.age = 360.0
    world.submit([user_id(1)])
    manager = visitor()
    for _ in range(3):
        assert cells(manager.get(PAGE), "queues")["Fan-out, regular lane"] == ["1", "0", "0", "6 min", "0"]
    assert ages.asked == 1
    world.clock.advance(61)
    ages.error = ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "GetMetricData")
    assert cells(manager.get(PAGE), "queues")["Fan-out, regular lane"] == ["1", "0", "0", "unknown", "0"]
    assert ages.asked == 2


def test_a_queue_that_does_not_answer_is_named_and_the_rest_is_shown(world: World) -> None:
    world.queues.down = {world.queues.url("DELIVERY_REGULAR_QUEUE_URL")}
    shown = visitor().get(PAGE)
    assert shown.status == 200
    assert cells(shown, "queues")["Delivery, regular lane"] == ["does not answer", "does not answer"]
    assert cells(shown, "queues")["Fan-out, regular lane"] == ["0", "0", "0", "–", "0"]


def test_what_waits_is_shown_with_the_oldest(world: World) -> None:
    world.knows(user_ids(4))
    world.queues.down = {world.queues.url("DELIVERY_REGULAR_QUEUE_URL")}
    world.submit(user_ids(3))
    world.fan_out()
    world.clock.advance(300)
    shown = visitor().get(PAGE)
    assert "Unsent, regular lane 3 oldest 5 min queue unavailable 3 Pending" in shown.text
    assert "Unsent, express lane 0 Pending" in shown.text
    assert re.search(r'href="[^"]*notifications/[0-9a-f-]{36}/recipients\?status=unsent"', shown.html)


def test_of_many_that_wait_those_that_are_next_are_told_by_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "LOOKED_AT", 2)
    world.knows(user_ids(4))
    world.queues.down = {world.queues.url("DELIVERY_REGULAR_QUEUE_URL")}
    world.submit(user_ids(3))
    world.fan_out()
    assert "queue unavailable 2 of the 2 that are next" in visitor().get(PAGE).text


def test_sent_and_failed_are_charted_by_the_minute_and_told_by_channel_and_reason(world: World) -> None:
    world.knows(user_ids(5))
    world.channel.answers = {address_of(user_id(1)): [Permanent("no")]}
    world.submit(user_ids(5))
    world.settle()
    shown = visitor().get(PAGE)
    # channel: accepted, sent, failed, tried again, unsent, wrong contact, unsubscribed
    assert cells(shown, "channels") == {"mail, regular lane": ["5", "4", "refused 1", "0", "0", "0", "0"]}
    assert re.findall(r'class="bar-sent".*?<title>[-\d]+ [:\d]+: (\d+)</title>', shown.html) == ["4"]
    assert re.findall(r'class="bar-failed".*?<title>[-\d]+ [:\d]+: (\d+)</title>', shown.html) == ["1"]
    rows = re.findall(r"<tr><td><time.*?</tr>", shown.html)
    assert len(rows) == 60
    assert sum(int(each) for each in re.findall(r'number">(\d+)<', "".join(rows))) == 5 + 4 + 1
    world.clock.advance(3600)
    assert "Nothing in the last hour" in logged_in(now=world.clock()).get(PAGE).text


def test_a_bar_is_seen_however_small_its_number(world: World) -> None:
    activity.count(Lane.REGULAR, {"mail sent": 100_000}, world.clock())
    activity.count(Lane.EXPRESS, {"mail sent": 1}, later(world.clock(), -60))
    html = visitor().get(PAGE).html
    assert re.findall(r'class="bar-sent"[^>]* height="(\d+)"', html) == ["2", "118"]


def test_htmx_gets_the_part_that_changes(world: World) -> None:
    part = visitor().get(PAGE, {"HX-Request": "true"})
    assert "<html" not in part.html
    assert part.html.lstrip().startswith('<p class="error" role="alert"></p>'), "where trouble is told"
    assert cells(part, "queues").keys() == cells(visitor().get(PAGE), "queues").keys()


def test_a_minute_that_is_over_is_read_once(world: World) -> None:
    manager = visitor()
    manager.get(PAGE)
    seen = world.database.record("Query", world.tables["ACTIVITY_TABLE"])
    manager.get(PAGE)
    assert len(seen) == operations.SETTLED_AFTER
    seen.clear()
    # What is counted late in a minute that has just ended is not missed.
    activity.count(Lane.REGULAR, {"mail sent": 7}, world.clock())
    world.clock.advance(90)
    assert "7 in total" in manager.get(PAGE).text
    assert len(seen) <= operations.SETTLED_AFTER + 2


def test_it_costs_so_much_at_most_whatever_the_tables_hold(world: World) -> None:
    def asked() -> Counter[str]:
        operations.forget()
        world.database.requests.clear()
        assert visitor().get(PAGE).status == 200
        return Counter(world.database.requests)

    nothing = asked()
    world.knows(user_ids(250))
    world.queues.down = {
        world.queues.url(f"{stage}_{lane}_QUEUE_URL")
        for stage in ("FAN_OUT", "DELIVERY")
        for lane in ("EXPRESS", "REGULAR")
    }
    for lane in Lane:
        for _ in range(3):
            world.submit(user_ids(250), is_express=lane is Lane.EXPRESS)
    some = asked()
    assert some["Query"] == nothing["Query"] == 60 + 2 * (4 + 4)
    assert some["BatchGetItem"] - nothing["BatchGetItem"] <= 4
    assert some - nothing == Counter(BatchGetItem=some["BatchGetItem"] - nothing["BatchGetItem"])


def test_failed_ones_are_listed_with_their_reasons_and_sent_again(world: World) -> None:
    dispatch = failed(world, user_id(1), user_id(2), title="Autumn")
    world.submit([user_id(3)], title="Fine")
    sender = visitor(Role.SENDER)
    shown = sender.get(FAILURES)
    assert "Autumn" in shown.text
    assert "Fine" not in shown.text
    assert "no such mailbox (2)" in shown.text
    action = f"{FAILURES}/{dispatch.notification_id}/send_again"
    assert f"operations/failures/{dispatch.notification_id}/send_again" in shown.html
    done = sender.post(action)
    assert (done.status, "They are being sent again." in done.text) == (200, True)
    assert "Autumn" not in done.text
    rows = [UsersNotification.one(user_id(each), dispatch.id, consistent=True) for each in (1, 2)]
    assert [row and row.status for row in rows] == ["unsent", "unsent"]
    assert "Nothing was sent again: no recipient is failed any more." in sender.post(action).text


def test_looking_for_failures_costs_so_much_at_most(world: World) -> None:
    for number in range(operations.NOTIFICATIONS + 2):
        world.submit([user_id(number + 1)])
    failed(world, *user_ids(30))
    manager = visitor()
    world.database.requests.clear()
    assert manager.get(FAILURES).status == 200
    most = Counter(Query=1, GetItem=1, BatchGetItem=1)
    for _ in range(operations.NOTIFICATIONS):  # its dispatches, and who of each has failed
        most += Counter(Query=1 + operations.DISPATCHES, BatchGetItem=1 + operations.DISPATCHES)
    assert Counter(world.database.requests) <= most


def test_who_has_just_failed_is_left_for_the_next_time(world: World) -> None:
    world.knows([user_id(1)])
    world.channel.answers = {address_of(user_id(1)): [Permanent("no")]}
    dispatch = world.submit([user_id(1)])
    world.settle()
    said = visitor().post(f"{FAILURES}/{dispatch.notification_id}/send_again").text
    assert "Nothing was sent again" in said
    assert world.channel.addresses() == {address_of(user_id(1)): 1}


def test_a_viewer_sees_and_sends_nothing_again(world: World) -> None:
    dispatch = failed(world, user_id(1))
    viewer = visitor(Role.VIEWER)
    shown = viewer.get(FAILURES)
    assert (shown.status, "send_again" in shown.html) == (200, False)
    assert viewer.get(PAGE).status == 200
    assert viewer.post(f"{FAILURES}/{dispatch.notification_id}/send_again").status == 403
    row = UsersNotification.one(user_id(1), dispatch.id, consistent=True)
    assert row
    assert row.status == "failed"


@pytest.mark.parametrize("notification", ["x", user_id(7)])
def test_a_notification_that_is_not_there(notification: str) -> None:
    assert visitor().post(f"{FAILURES}/{notification}/send_again").status == 404


def test_a_cursor_that_is_none_of_ours() -> None:
    assert visitor().get(f"{FAILURES}?cursor=x").status in (400, 422)


def test_older_ones_are_looked_at_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failed(world, user_id(1), title="Older")
    world.clock.advance(1)
    world.submit([user_id(2)], title="Newer")
    monkeypatch.setattr(operations, "NOTIFICATIONS", 1)
    first = visitor().get(FAILURES)
    assert "None of the notifications checked has a failed recipient." in first.text
    found = re.search(r'rel="next" href="[./]*(admin[^"]+)"', first.html)
    assert found
    second = visitor().get("/" + found[1].replace("&amp;", "&"))
    assert "Older" in second.text


def test_what_was_typed_elsewhere_is_text_here(world: World) -> None:
    failed(world, *user_ids(3), reason=EVIL, title=EVIL)
    for page in (PAGE, FAILURES):
        html = visitor().get(page).html
        assert "<script>alert" not in html
        assert len(html.encode()) < 100_000
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;" in visitor().get(FAILURES).html
    assert cells(visitor().get(PAGE), "channels")
