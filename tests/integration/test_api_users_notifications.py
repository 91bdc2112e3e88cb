"""A user's own list over HTTP: own rows only, newest first, fifteen a page."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.api import users_notifications
from chalicelib.directory import signed_tokens
from chalicelib.domain.results import Permanent
from chalicelib.domain.times import utc_now
from chalicelib.services import users_notifications as service
from chalicelib.services.applications import register_application
from chalicelib.tables.notifications import Notification
from tests.support.api import PROBLEM, Answer, Api
from tests.support.aws import World
from tests.support.factories import user_id, user_ids
from tests.support.users_service import Status, UsersService

ANNA, BORIS = user_ids(2)


@pytest.fixture(autouse=True)
def _world_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users_notifications, "utc_now", world.clock)


@pytest.fixture
def api(world: World) -> Api:
    """A client with Anna's token."""
    return Api(signed_tokens.issue(ANNA, utc_now()))


def path(user: str = ANNA, page: object = None) -> str:
    return f"/api/v1/users_notifications/user/{user}/" + (f"?page={page}" if page is not None else "")


def send(world: World, number: int = 1, *, users: list[str] | None = None, **changes: Any) -> list[str]:
    """Notifications to Anna, a minute apart, sent; the ids of the dispatches, oldest first."""
    ids = []
    for count in range(number):
        ids.append(world.submit(users or [ANNA], **{"title": f"Title {count}", **changes}).id)
        world.clock.advance(60)
    world.checks = False
    world.settle()
    return ids


def results(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["results"]
    return found


def test_a_notification_as_it_stands_for_its_user(world: World, api: Api) -> None:
    world.knows([ANNA, BORIS])
    (dispatch_id,) = send(world, users=[ANNA, BORIS], text="Hello", content_id="film-7", is_express=True)
    (notification,) = world.table("NOTIFICATIONS_TABLE")
    answer = api.get(path())
    assert answer.status == 200
    assert answer.json == {
        "count": 1,
        "next": None,
        "previous": None,
        "results": [
            {
                "id": dispatch_id,
                "notification_id": notification["id"],
                "type": "mail",
                "title": "Title 0",
                "text": "Hello",
                "content_id": "film-7",
                "is_express": True,
                "status": "sent",
                "reason": None,
                "is_user_subscribed": True,
                "is_sent_to_queue": True,
                "is_correct_contacts": True,
                "due_at": "2026-11-23T10:00:00.000Z",
                "sent_at": "2026-11-23T10:01:00.000Z",
                "updated_at": "2026-11-23T10:01:00.000Z",
                "created_at": "2026-11-23T10:00:00.000Z",
            }
        ],
    }


@pytest.mark.parametrize("written", [ANNA, ANNA.replace("-", ""), ANNA.upper()])
def test_the_id_may_be_written_in_any_way(world: World, api: Api, written: str) -> None:
    world.knows([ANNA])
    send(world)
    assert api.get(path(written)).json["count"] == 1


def unsubscribed(world: World) -> None:
    world.unsubscribes(ANNA, "*")


def contactless(world: World) -> None:
    world.knows([ANNA], email="nonsense")


def queueless(world: World) -> None:
    world.queues.down.add(world.queues.url("DELIVERY_REGULAR_QUEUE_URL"))


def refused(world: World) -> None:
    world.channel.by_default = Permanent("smtp 550: No such user")


@pytest.mark.parametrize(
    ("arrange", "status", "reason", "flags"),
    [
        (unsubscribed, "unsubscribed", "unsubscribed", (False, False, True)),
        (contactless, "wrong_contact", "not a valid email", (True, False, False)),
        (queueless, "unsent", "queue unavailable", (True, False, True)),
        (refused, "failed", "smtp 550: No such user", (True, True, True)),
    ],
)
def test_the_flags_say_what_has_become_of_it(
    world: World,
    api: Api,
    arrange: Callable[[World], None],
    status: str,
    reason: str,
    flags: tuple[bool, bool, bool],
) -> None:
    world.knows([ANNA])
    arrange(world)
    send(world)
    (shown,) = results(api.get(path()))
    assert (shown["status"], shown["reason"], shown["sent_at"]) == (status, reason, None)
    names = ("is_user_subscribed", "is_sent_to_queue", "is_correct_contacts")
    assert tuple(shown[name] for name in names) == flags


def test_who_was_unsent_when_the_dispatch_was_cancelled_sees_it_cancelled(world: World, api: Api) -> None:
    world.knows([ANNA])
    queueless(world)
    dispatch = world.submit([ANNA])
    world.fan_out()
    world.cancel(dispatch)
    (shown,) = results(api.get(path()))
    assert (shown["status"], shown["reason"], shown["is_sent_to_queue"]) == ("cancelled", None, True)


def test_newest_first_in_pages_of_fifteen_with_the_addresses_of_their_neighbours(
    world: World, api: Api
) -> None:
    world.knows([ANNA])
    ids = send(world, 31)
    base = f"https://vestnik.example{path()}"
    pages = [api.get(path(page=number)) for number in (1, 2, 3)]
    assert [row["id"] for page in pages for row in results(page)] == ids[::-1]
    assert [len(results(page)) for page in pages] == [15, 15, 1]
    assert {page.json["count"] for page in pages} == {31}
    assert [(page.json["previous"], page.json["next"]) for page in pages] == [
        (None, f"{base}?page=2"),
        (f"{base}?page=1", f"{base}?page=3"),
        (f"{base}?page=2", None),
    ]
    assert api.get(path()).json == pages[0].json


def test_a_full_last_page_is_the_last(world: World, api: Api) -> None:
    world.knows([ANNA])
    send(world, 15)
    assert api.get(path()).json["next"] is None
    assert api.get(path(page=2)).status == 404


def test_before_the_public_address_is_known_those_of_pages_are_relative(world: World, api: Api) -> None:
    world.configure("PUBLIC_URL", "")
    world.knows([ANNA])
    send(world, 16)
    assert api.get(path()).json["next"] == f"{path()}?page=2"


def test_an_empty_list_has_a_first_page_and_no_other(world: World, api: Api) -> None:
    assert api.get(path()).json == {"count": 0, "next": None, "previous": None, "results": []}
    beyond = api.get(path(page=2))
    assert (beyond.status, beyond.content_type) == (404, PROBLEM)
    assert "page 2" in beyond.json["detail"]


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "", "99999999999999999999"])
def test_what_is_no_page_is_refused_with_the_reason(world: World, api: Api, page: str) -> None:
    refused = api.get(path(page=page))
    assert refused.status == 422
    assert refused.fields().keys() == {"page"}


@pytest.mark.parametrize("user", ["anna", "1", ANNA + "0", ANNA[:-1], "%20"])
def test_what_is_no_id_is_not_found(world: World, api: Api, user: str) -> None:
    answer = api.get(path(user))
    assert (answer.status, answer.content_type) == (404, PROBLEM)


def test_older_than_so_many_are_neither_counted_nor_shown(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_COUNTED", 16)
    world.knows([ANNA])
    ids = send(world, 18)
    assert api.get(path()).json["count"] == 16
    assert [row["id"] for row in results(api.get(path(page=2)))] == [ids[2]]


def test_what_has_expired_is_not_shown_though_the_table_still_has_it(world: World, api: Api) -> None:
    world.knows([ANNA])
    send(world, 2)
    world.clock.now = world.clock() + timedelta(days=29)
    assert api.get(path()).json["count"] == 2
    world.clock.advance(86_400 - 90)  # the first is past its time, the second has half a minute
    (shown,) = results(api.get(path()))
    assert shown["title"] == "Title 1"
    assert len(world.rows()) == 1  # by user: both are still there
    assert len(world.table("USERS_NOTIFICATIONS_TABLE")) == 2


def test_of_a_notification_that_is_gone_the_row_is_shown(world: World, api: Api) -> None:
    world.knows([ANNA])
    send(world)
    (notification,) = world.table("NOTIFICATIONS_TABLE")
    Notification(notification["id"]).delete()
    (shown,) = results(api.get(path()))
    assert (shown["status"], shown["notification_id"]) == ("sent", notification["id"])
    assert [shown[name] for name in ("type", "title", "text", "content_id", "is_express", "created_at")] == [
        None
    ] * 6


def test_a_page_costs_a_query_and_two_readings(world: World, api: Api) -> None:
    world.knows([ANNA])
    send(world, 20)
    api.get(path())
    before = world.database.requests.copy()
    api.get(path())
    assert world.database.requests - before == {"Query": 1, "BatchGetItem": 2}


def test_another_users_list_is_forbidden_and_nobodys_is_not_shown(world: World, api: Api) -> None:
    world.knows([ANNA, BORIS])
    send(world, users=[ANNA, BORIS])
    other = api.get(path(BORIS))
    assert (other.status, other.content_type) == (403, PROBLEM)
    assert api.get(path(), {"Authorization": None}).status == 401
    assert api.get(path(), {"Authorization": "nonsense"}).status == 401


def test_applications_and_administrators_are_not_the_user(world: World, api: Api) -> None:
    password = register_application("shop", utc_now()).password
    assert api.get(path(), {"Authorization": f"shop {password}"}).status == 403


def test_when_nobody_can_say_whose_a_token_is_it_is_503_and_not_401(
    world: World, users_service: UsersService
) -> None:
    for name, value in {**users_service.settings, "USER_AUTH": "host"}.items():
        world.configure(name, value)
    users_service.tokens["anna"] = ANNA
    users_service.misbehave("token", Status(500))
    api = Api("anna")
    down = api.get(path())
    assert (down.status, down.content_type) == (503, PROBLEM)
    assert down.headers["Retry-After"]
    users_service.behave()
    assert api.get(path()).status == 200
    assert api.get(path(user_id(99))).status == 403
    assert Api("nobody").get(path()).status == 401
