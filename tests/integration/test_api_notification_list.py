"""What an application or an administrator sees and does: lists, recipients by status, cancel, send again."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.results import Permanent, Retryable
from chalicelib.services import notification_list
from chalicelib.services.administrators import create_administrator
from chalicelib.services.applications import register_application
from chalicelib.services.cursors import write_cursor
from chalicelib.services.send_again import SETTLED_AFTER_SECONDS
from chalicelib.tables.dispatches import cancel_dispatch
from chalicelib.tables.notifications import Notification
from tests.support.api import Answer, Api, basic, set_api_clock
from tests.support.aws import World
from tests.support.factories import START, address_of, user_id, user_ids

PATH = "/api/v1/notifications/"
DAY = 86_400
FULL = Permanent("smtp 552: Mailbox full")


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    set_api_clock(monkeypatch, world.clock)
    return Api(f"shop {register_application('shop', START).password}")


@pytest.fixture
def admin(world: World, api: Api) -> Api:
    return Api(basic("anna", create_administrator("anna", START)))


def post(api: Api, users: list[str] | None = None, **changed: Any) -> str:
    body = {"type": "mail", "title": "Hello", "text": "Text", "users": users or [user_id(1)], **changed}
    answer = api.post(PATH, body)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def walk(api: Api, path: str) -> list[dict[str, Any]]:
    """Every result of a list, page by page."""
    found: list[dict[str, Any]] = []
    joint = "&" if "?" in path else "?"
    answer = api.get(path)
    while True:
        assert answer.status == 200, answer.body
        found += answer.json["results"]
        if answer.json["next"] is None:
            return found
        answer = api.get(f"{path}{joint}cursor={answer.json['next']}")


class TestList:
    def test_newest_first_over_the_months(self, world: World, api: Api) -> None:
        world.configure("RETENTION_DAYS", "60")
        posted = []
        for day in (datetime(2026, 9, 30, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC), START):
            for minute in range(3):
                world.clock.now = day.replace(minute=minute)
                posted.append(post(api, title=f"{minute}"))
        found = walk(api, f"{PATH}?limit=2")
        assert [each["id"] for each in found] == posted[::-1]
        assert found[0].keys() == {
            *("id", "type", "is_express", "title", "text", "content_id", "author", "created_at", "frequency"),
            *("template", "variables"),
        }

    def test_filters(self, world: World, api: Api, admin: Api) -> None:
        world.clock.now = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
        old = post(api)
        world.clock.now = START
        express = post(api, is_express=True)
        world.clock.advance(1)
        mine = post(admin)

        def ids(asked: str, by: Api = admin) -> list[str]:
            return [each["id"] for each in walk(by, f"{PATH}?{asked}")]

        assert ids("") == [mine, express, old]
        assert ids("month=2026-10") == [old]
        assert ids("month=2026-09") == []
        assert ids("is_express=true") == [express]
        assert ids("is_express=false") == [mine, old]
        assert ids("author=application:shop") == [express, old]
        assert ids("author=administrator:anna&month=2026-11") == [mine]
        assert ids("type=mail&limit=1") == [mine, express, old]
        assert ids("type=pigeon") == []

    def test_an_application_sees_its_own(self, api: Api, admin: Api) -> None:
        mine, _ = post(api), post(admin)
        assert [each["id"] for each in walk(api, PATH)] == [mine]
        assert walk(api, f"{PATH}?author=administrator:anna") == []

    def test_a_page_reads_so_much_whatever_the_table_has(self, world: World, api: Api, admin: Api) -> None:
        for _ in range(30):
            post(api)
        admin.get(PATH)
        world.database.requests.clear()
        assert len(admin.get(f"{PATH}?limit=10").json["results"]) == 10
        assert world.database.requests == {"Query": 1, "BatchGetItem": 1}

    def test_one_that_goes_meanwhile_is_not_the_end(
        self, world: World, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notification_list, "READ_AT_ONCE", 2)
        posted = sorted(post(api) for _ in range(5))
        goes = Notification(posted[3])
        world.database.before("BatchGetItem", Notification.table(), goes.delete)
        found = [each["id"] for each in api.get(PATH).json["results"]]
        assert found == [posted[4], posted[2], posted[1], posted[0]]

    def test_a_page_of_long_texts_is_shorter(self, api: Api) -> None:
        posted = sorted(post(api, text="ы" * 50_000) for _ in range(7))
        found, sizes = [], []
        cursor: str | None = ""
        while cursor is not None:
            answer = api.get(f"{PATH}?limit=100{cursor and '&cursor=' + cursor}")
            assert len(json.dumps(answer.body.decode())) < 1_100_000  # so Lambda writes it
            sizes.append(len(answer.json["results"]))
            found += [each["id"] for each in answer.json["results"]]
            cursor = answer.json["next"]
        assert (found, sizes) == (posted[::-1], [3, 3, 1])

    def test_a_text_that_is_too_long_for_a_page_is_one(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notification_list, "MAX_PAGE_BYTES", 1)
        posted = sorted(post(api) for _ in range(3))
        assert [each["id"] for each in walk(api, PATH)] == posted[::-1]

    @pytest.mark.parametrize(
        "parts",
        [["garbage", "x"], ["9999-99", "x"], ["2026-13", "-"], ["2026-11", ""], ["2026-11", "\ud800"]],
    )
    def test_a_forged_cursor_is_refused(self, api: Api, parts: list[str]) -> None:
        answer = api.get(f"{PATH}?cursor={write_cursor(*parts)}")
        assert (answer.status, list(answer.fields())) == (422, ["cursor"])

    @pytest.mark.parametrize(
        ("asked", "field"),
        [
            ("month=2026-13", "month"),
            ("month=November", "month"),
            ("is_express=maybe", "is_express"),
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("cursor=nonsense", "cursor"),
            ("cursor=W10", "cursor"),
            ("type=" + "x" * 33, "type"),
        ],
    )
    def test_a_wrong_filter_is_refused(self, api: Api, asked: str, field: str) -> None:
        answer = api.get(f"{PATH}?{asked}")
        assert (answer.status, list(answer.fields())) == (422, [field])


class TestRecipients:
    @pytest.fixture
    def notification(self, world: World, api: Api) -> str:
        """To six: the mail server refuses the fourth, and the first at first."""
        users = user_ids(6)
        world.knows(users)
        world.channel.answers = {
            address_of(users[3]): [FULL],
            address_of(users[0]): [Retryable("smtp 451: later")],
        }
        notification = post(api, users)
        world.settle(60 * 2)
        return notification

    def test_all_and_those_of_each_status_whatever_the_pages(self, world: World, api: Api) -> None:
        users = user_ids(250)
        world.checks = False  # after each of so many steps they would take the most time
        world.knows(users[:240])
        for user in users[50:60]:
            world.unsubscribes(user, "mail")
        world.channel.answers = {address_of(user): [FULL] for user in (users[3], users[7], users[107])}
        notification = post(api, users)
        world.settle(60 * 2)
        counts = api.get(f"{PATH}{notification}/").json["counts"]
        for status, places in {
            "failed": [3, 7, 107],
            "unsubscribed": list(range(50, 60)),
            "wrong_contact": list(range(240, 250)),
            "unsent": [],
            "cancelled": [],
        }.items():
            found = walk(api, f"{PATH}{notification}/recipients/?status={status}&limit=4")
            assert [each["user_id"] for each in found] == [user_id(place + 1) for place in places]
            assert {each["status"] for each in found} <= {status}
            assert counts[status] == len(places)
        for limit in (7, 100):
            found = walk(api, f"{PATH}{notification}/recipients/?limit={limit}")
            assert [each["user_id"] for each in found] == users

    def test_who_is_queued_has_no_row_yet(self, world: World, api: Api) -> None:
        notification = post(api, user_ids(3))
        found = walk(api, f"{PATH}{notification}/recipients/?status=queued")
        assert [(each["user_id"], each["updated_at"]) for each in found] == [
            (user, None) for user in user_ids(3)
        ]

    def test_an_unknown_status_is_refused(self, api: Api, notification: str) -> None:
        assert list(api.get(f"{PATH}{notification}/recipients/?status=lost").fields()) == ["status"]

    def test_one_of_them_with_times_and_reasons(self, world: World, api: Api, notification: str) -> None:
        (state,) = api.get(f"{PATH}{notification}/recipients/{user_id(4)}/").json["results"]
        assert (state["status"], state["reason"], state["attempts"]) == ("failed", FULL.reason, 1)
        assert [each["result"] for each in state["last_attempts"]] == ["smtp 552: Mailbox full"]
        (tried_again,) = api.get(f"{PATH}{notification}/recipients/{user_id(1)}/").json["results"]
        assert (tried_again["status"], len(tried_again["last_attempts"])) == ("sent", 2)

    def test_one_who_has_no_row_yet_is_found_in_the_audience(self, world: World, api: Api) -> None:
        notification = post(api, user_ids(150))
        (state,) = api.get(f"{PATH}{notification}/recipients/{user_id(150)}/").json["results"]
        assert (state["status"], state["attempts"], state["due_at"]) == ("queued", 0, None)

    @pytest.mark.parametrize("user", [user_id(9999), "nobody"])
    def test_who_is_no_recipient_is_not_found(self, api: Api, notification: str, user: str) -> None:
        assert api.get(f"{PATH}{notification}/recipients/{user}/").status == 404

    def test_another_application_sees_none(self, api: Api, notification: str) -> None:
        other = Api(f"other {register_application('other', START).password}")
        assert other.get(f"{PATH}{notification}/recipients/{user_id(4)}/").status == 404


class TestCancel:
    def cancel(self, api: Api, notification: str) -> Answer:
        return api.post(f"{PATH}{notification}/cancel/", b"", {"Content-Type": None})

    def test_what_is_not_sent_yet_never_is(self, world: World, api: Api) -> None:
        users = user_ids(150)
        world.knows(users)
        notification = post(api, users)
        world.settle()  # the first hundred; the others wait for their minute
        cancelled = self.cancel(api, notification)
        assert (cancelled.status, cancelled.json["counts"]["cancelled"]) == (200, 50)
        assert cancelled.json["dispatches"][0]["cancelled_at"] == "2026-11-23T10:00:00.000Z"
        world.settle(DAY)
        assert len(world.channel.sent) == 100
        counts = api.get(f"{PATH}{notification}/").json["counts"]
        assert (counts["sent"], counts["cancelled"]) == (100, 50)

    def test_done_again_it_changes_nothing(self, world: World, api: Api) -> None:
        notification = post(api)
        first = self.cancel(api, notification).json
        world.clock.advance(60)
        assert self.cancel(api, notification).json == first

    def test_a_lost_answer_is_no_failure(self, world: World, api: Api) -> None:
        notification = post(api)
        lost = world.database.lose_answers("UpdateItem", "")
        assert self.cancel(api, notification).json["counts"]["cancelled"] == 1
        assert lost

    def test_before_it_reached_the_queue(self, world: World, api: Api) -> None:
        world.queues.down = {world.queues.url("FAN_OUT_REGULAR_QUEUE_URL")}
        notification = post(api)
        self.cancel(api, notification)
        world.queues.down = set()
        world.clock.advance(60)
        assert world.sweep() == {"dispatches sent": 1}
        world.settle(DAY)
        assert not world.channel.sent
        assert api.get(f"{PATH}{notification}/").json["counts"]["cancelled"] == 1

    def test_another_application_cannot(self, world: World, api: Api) -> None:
        notification = post(api)
        other = Api(f"other {register_application('other', START).password}")
        assert self.cancel(other, notification).status == 404
        assert world.table("DISPATCHES_TABLE")[0].get("cancelled_at") is None

    def test_a_dispatch_that_is_not_there_is_not_made(self, world: World) -> None:
        cancel_dispatch("nothing", START)
        assert not world.table("DISPATCHES_TABLE")


class TestSendAgain:
    @pytest.fixture
    def notification(self, world: World, api: Api) -> str:
        users = user_ids(3)
        world.knows(users)
        world.channel.answers = {address_of(user): [FULL] for user in users[:2]}
        notification = post(api, users)
        world.settle()
        world.clock.advance(SETTLED_AFTER_SECONDS)
        return notification

    def test_all_who_failed(self, world: World, api: Api, notification: str) -> None:
        answer = api.post(f"{PATH}{notification}/send_again/", {})
        assert (answer.status, answer.json) == (200, {"sent_again": 2, "is_complete": True})
        world.sweep()
        world.settle()
        assert api.get(f"{PATH}{notification}/").json["counts"]["sent"] == 3

    def test_one(self, api: Api, notification: str) -> None:
        answer = api.post(f"{PATH}{notification}/send_again/", {"user_id": user_id(2)})
        assert answer.json == {"sent_again": 1, "is_complete": True}

    def test_so_many_at_once_as_a_request_has_time_for(
        self, api: Api, notification: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.api.notification_actions.SENT_AGAIN_AT_ONCE", 1)
        answers = [api.post(f"{PATH}{notification}/send_again/", {}).json for _ in range(3)]
        assert [each["sent_again"] for each in answers] == [1, 1, 0]
        assert [each["is_complete"] for each in answers] == [False, False, True]

    def test_who_just_failed_is_left_for_the_next_time(self, world: World, api: Api) -> None:
        world.knows([user_id(1)])
        world.channel.by_default = FULL
        notification = post(api)
        world.settle()
        assert api.post(f"{PATH}{notification}/send_again/", {}).json["sent_again"] == 0

    def test_a_user_id_that_is_none(self, api: Api, notification: str) -> None:
        assert list(api.post(f"{PATH}{notification}/send_again/", {"user_id": "x"}).fields()) == ["user_id"]
