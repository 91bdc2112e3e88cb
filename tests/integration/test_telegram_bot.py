"""The Telegram bot through the API: links, /start, /stop, being blocked; and what may be sent."""

import json
import uuid
from typing import Any

import boto3
import pytest

from chalicelib import security
from chalicelib.domain.times import iso, later, utc_now
from chalicelib.services.applications import register_application
from chalicelib.services.rights import Scope
from chalicelib.services.telegram_words import WORDS, Said
from chalicelib.tables.contacts import Contact
from chalicelib.tables.suppressions import read_prints, suppress, suppressed_among
from chalicelib.tables.unsubscribes import Unsubscribe, add_scope, end_erasure, find
from tests.support.api import PROBLEM, Answer, Api
from tests.support.aws import World
from tests.support.factories import START, address_of, user_ids
from tests.support.telegram import SECRET, USERNAME, WEBHOOK_TOKEN

ANNA, BORIS, CARL = user_ids(3)
CHAT, GROUP = 5_000_000_042, -1001234567890
HEADER = "X-Telegram-Bot-Api-Secret-Token"
WEBHOOK = "/api/v1/telegram/webhook/"

pytestmark = pytest.mark.usefixtures("world")


def update(text: str | None = None, chat: int = CHAT, language: str | None = "en", **more: Any) -> Any:
    """An Update as Telegram posts it, with what the bot does not look at."""
    sender = {"id": abs(chat), "is_bot": False, "first_name": "Anna", "language_code": language}
    kind = "private" if chat > 0 else "supergroup"
    message = {
        "message_id": 7,
        "date": int(START.timestamp()),
        "from": {name: value for name, value in sender.items() if value is not None},
        "chat": {"id": chat, "first_name": "Anna", "type": kind},
        "entities": [{"offset": 0, "length": 6, "type": "bot_command"}],
    }
    return {"update_id": 10_000, "message": message | ({"text": text} if text else {}), **more}


def membership(status: str, chat: int = CHAT) -> Any:
    return {
        "update_id": 10_001,
        "my_chat_member": {
            "chat": {"id": chat, "type": "private"},
            "from": {"id": chat, "is_bot": False, "first_name": "Anna"},
            "date": int(START.timestamp()),
            "old_chat_member": {"status": "member", "user": {"id": 1, "is_bot": True}},
            "new_chat_member": {"status": status, "user": {"id": 1, "is_bot": True}, "until_date": 0},
        },
    }


def posted(body: Any, token: str | None = WEBHOOK_TOKEN) -> Answer:
    return Api().post(WEBHOOK, body, {HEADER: token})


def said(body: Any) -> str | None:
    """What the bot answers to an update, which is taken in any case."""
    answer = posted(body)
    assert answer.status == 200, answer
    if answer.json == {}:
        return None
    chat = body["message"]["chat"]["id"]
    assert answer.json == {"method": "sendMessage", "chat_id": chat, "text": answer.json["text"]}
    return str(answer.json["text"])


def manager() -> Api:
    name = f"shop-{uuid.uuid4().hex[:8]}"
    return Api(f"{name} {register_application(name, utc_now(), {Scope.MANAGE}).password}")


def payload_of(user: str) -> str:
    """What Telegram passes on when the user follows their link."""
    answer = manager().get(f"/api/v1/users/{user}/telegram_link/")
    assert answer.status == 200, answer
    link, start = answer.json["link"].split("?start=")
    assert link == f"https://t.me/{USERNAME}"
    assert len(start) <= 64
    assert set(start) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    return str(start)


def contact(user: str) -> Contact:
    found = Contact.one(user, consistent=True)
    assert found is not None
    return found


def scopes(user: str) -> set[str]:
    found = find(user)
    return set(found.scopes or ()) if found else set()


def suppressed(chat: int = CHAT) -> str | None:
    return suppressed_among("telegram", [str(chat)], read_prints("telegram")).get(str(chat))


def set_secret(value: Any) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="channels", SecretString=json.dumps(value))


def kept(world: World) -> dict[str, list[str]]:
    counted = ("APPLICATIONS_TABLE", "ATTEMPTS_TABLE")
    return {each: sorted(map(str, world.table(each))) for each in world.tables if each not in counted}


# A link.


def test_who_follows_a_link_is_reached_in_that_chat(world: World) -> None:
    world.knows([ANNA], locale="ru", time_zone="Europe/Moscow")
    add_scope(ANNA, "telegram", utc_now())
    suppress("telegram", str(CHAT), "blocked by the user", later(utc_now(), -1))
    assert said(update(f"/start {payload_of(ANNA)}")) == WORDS[Said.CONNECTED]["ru"]
    found = contact(ANNA)
    assert found.chat_id == str(CHAT)
    assert (found.email, found.name, found.time_zone) == (address_of(ANNA), "Anna", "Europe/Moscow")
    assert scopes(ANNA) == set()
    assert suppressed() is None


def test_a_link_makes_a_contact_where_there_is_none() -> None:
    start = payload_of(ANNA)
    for _ in range(2):
        assert said(update(f"/start@{USERNAME.upper()} {start}")) == WORDS[Said.CONNECTED]["en"]
    assert contact(ANNA).chat_id == str(CHAT)


def test_who_refuses_everything_is_told_so() -> None:
    add_scope(ANNA, "*", utc_now())
    assert said(update(f"/start {payload_of(ANNA)}")) == WORDS[Said.REFUSES_ALL]["en"]
    assert scopes(ANNA) == {"*"}


@pytest.mark.parametrize("change", ["late", "damaged", "of another use", "not base64", "another user"])
def test_a_link_that_is_not_good_connects_nothing(world: World, change: str) -> None:
    secret = security.read_secret("link")
    if change == "late":
        start = security.sign_telegram_link(secret, ANNA, int(utc_now().timestamp()) - 1)
    elif change == "of another use":
        start = security.sign_unsubscribe_link(secret, ANNA, "mail")
    else:
        start = payload_of(ANNA)
        changed = "A" if start[-1] != "A" else "B"
        start = {
            "damaged": start[:-1] + changed,
            "not base64": "!" * 48,
            "another user": start[:24] + payload_of(BORIS)[24:],
        }[change]
    before = kept(world)
    assert said(update(f"/start {start}", language="ru")) == WORDS[Said.LINK_NOT_GOOD]["ru"]
    assert kept(world) == before


def test_a_link_of_the_key_before_is_still_good() -> None:
    start = payload_of(ANNA)
    old = security.read_secret("link")
    new = {"kid": "2", "key": "n" * 64, "previous": [old]}
    boto3.client("secretsmanager").put_secret_value(SecretId="link", SecretString=json.dumps(new))
    security.forget_secrets()
    assert said(update(f"/start {start}")) == WORDS[Said.CONNECTED]["en"]


def test_in_a_group_nobody_is_connected(world: World) -> None:
    start, before = payload_of(ANNA), kept(world)
    assert said(update(f"/start {start}", chat=GROUP)) == WORDS[Said.ONLY_IN_PRIVATE]["en"]
    assert kept(world) == before


def test_an_erased_user_is_not_brought_back(world: World) -> None:
    start = payload_of(ANNA)
    world.erases(ANNA)
    before = kept(world)
    assert said(update(f"/start {start}")) == WORDS[Said.ERASED]["en"]
    assert kept(world) == before
    assert manager().get(f"/api/v1/users/{ANNA}/telegram_link/").status == 409
    tombstone = Unsubscribe.one(ANNA, consistent=True)
    assert tombstone is not None
    end_erasure(tombstone)
    assert manager().delete(f"/api/v1/unsubscribes/{ANNA}/").status == 204
    assert said(update(f"/start {start}")) == WORDS[Said.CONNECTED]["en"]


def test_with_an_outside_users_service_contacts_are_kept_there(world: World) -> None:
    start = payload_of(ANNA)
    world.configure("GET_USERS_INFO_HOST", "http://127.0.0.1:9/{page}/{field}")
    world.configure("NUMBER_OF_TRIES_TO_GET_USERS", "1")
    world.configure("DIRECTORY", "http")
    before = kept(world)
    assert said(update(f"/start {start}")) == WORDS[Said.KEPT_ELSEWHERE]["en"]
    assert kept(world) == before
    answer = manager().get(f"/api/v1/users/{ANNA}/telegram_link/")
    assert (answer.status, answer.content_type) == (409, PROBLEM)


@pytest.mark.parametrize("secret", [{}, {"telegram": {**SECRET, "username": None}}])
def test_there_is_no_link_without_a_bot(secret: Any) -> None:
    set_secret(secret)
    answer = manager().get(f"/api/v1/users/{ANNA}/telegram_link/")
    assert (answer.status, answer.content_type) == (409, PROBLEM)
    assert "bot" in answer.json["detail"]


def test_a_link_says_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.api import telegram

    monkeypatch.setattr(telegram, "utc_now", lambda: START)
    answer = manager().get(f"/api/v1/users/{ANNA}/telegram_link/")
    assert answer.json["expires_at"] == iso(later(START, security.TELEGRAM_LINK_SECONDS))


# What else is said to the bot.


def test_stop_and_start_of_everybody_in_a_chat(world: World) -> None:
    world.knows([ANNA, BORIS], chat_id=str(CHAT), locale="ru")
    world.knows([CARL], chat_id="43")
    for _ in range(2):
        assert said(update("/stop")) == WORDS[Said.STOPPED]["ru"]
        assert [scopes(each) for each in (ANNA, BORIS, CARL)] == [{"telegram"}, {"telegram"}, set()]
    assert suppressed() is None, "the users have refused, not the chat"
    suppress("telegram", str(CHAT), "blocked by the user", later(utc_now(), -1))
    for _ in range(2):
        assert said(update(f"/start@{USERNAME}")) == WORDS[Said.SUBSCRIBED]["ru"]
        assert [scopes(each) for each in (ANNA, BORIS, CARL)] == [set(), set(), set()]
        assert suppressed() is None


def test_in_a_group_it_is_about_the_group_and_nobodys_own_refusals(world: World) -> None:
    world.knows([ANNA, BORIS], chat_id=str(GROUP))
    add_scope(ANNA, "telegram", START)
    assert said(update("/stop", chat=GROUP)) == WORDS[Said.STOPPED]["en"]
    assert find(BORIS) is None
    (found,) = [each for each in world.table("SUPPRESSIONS_TABLE") if "listed" in each]
    assert (found["address"], found["reason"]) == (str(GROUP), "stopped by the user")
    assert said(update("/start", chat=GROUP)) == WORDS[Said.SUBSCRIBED]["en"]
    refused = find(ANNA)
    assert refused is not None
    assert refused.refuses("telegram")
    assert not [each for each in world.table("SUPPRESSIONS_TABLE") if "listed" in each]


def test_of_who_is_not_known_any_more_the_chat_is_not_kept(world: World) -> None:
    world.knows([ANNA], chat_id=str(CHAT))
    world.erases(ANNA)
    assert posted(membership("kicked")).status == 200
    assert str(CHAT) not in str(world.table("SUPPRESSIONS_TABLE"))
    assert [each for each in world.table("SUPPRESSIONS_TABLE") if "listed" in each]


def test_stop_leaves_other_refusals_and_the_erased_alone(world: World) -> None:
    world.knows([ANNA, BORIS], chat_id=str(CHAT))
    add_scope(ANNA, "mail", utc_now())
    world.erases(BORIS)
    said(update("/stop"))
    assert scopes(ANNA) == {"mail", "telegram"}
    said(update("/start"))
    assert scopes(ANNA) == {"mail"}
    tombstone = find(BORIS)
    assert tombstone is not None
    assert tombstone.is_tombstone


def test_stop_of_nobody_is_kept_by_the_chat() -> None:
    for _ in range(2):
        assert said(update("/stop", language="ru-RU")) == WORDS[Said.STOPPED]["ru"]
        assert suppressed() == "stopped by the user"
    assert said(update("/start")) == WORDS[Said.SUBSCRIBED]["en"]
    assert suppressed() is None
    assert said(update("/start")) == WORDS[Said.HOW_TO_CONNECT]["en"]


@pytest.mark.parametrize(("language", "locale"), [(None, "en"), ("de", "en"), ("RU", "ru")])
def test_a_stranger_is_told_how_to_connect(language: str | None, locale: str) -> None:
    assert said(update("/start", language=language)) == WORDS[Said.HOW_TO_CONNECT][locale]


@pytest.mark.parametrize("status", ["kicked", "left"])
def test_who_blocks_the_bot_is_sent_nothing_until_they_let_it_in_again(status: str) -> None:
    for _ in range(2):
        assert posted(membership(status)).json == {}
        assert suppressed() == "blocked by the user"
    posted(membership("restricted"))
    assert suppressed() == "blocked by the user"
    for _ in range(2):
        assert posted(membership("member")).json == {}
        assert suppressed() is None


@pytest.mark.parametrize(
    "body",
    [
        update("hello"),
        update("/help"),
        update("/starting"),
        update("/stop@another_bot"),
        update("/start " + "x" * 300),
        update("x" * 4096),
        update("/start a b"),
        update(None, sticker={"emoji": "x"}),
        update(None),
        {"update_id": 1},
        {"update_id": 1, "edited_message": {"text": "/stop"}},
        {"update_id": 1, "message": None, "poll": {"id": "1"}},
        {"update_id": 1, "channel_post": {"chat": {"id": GROUP, "type": "channel"}, "text": "/stop"}},
    ],
)
def test_what_is_of_no_interest_is_answered_and_nothing_is_done(world: World, body: Any) -> None:
    world.knows([ANNA], chat_id=str(CHAT))
    before = kept(world)
    assert said(body) is None
    assert kept(world) == before


# Who may say that.


@pytest.mark.parametrize("token", [None, "", "wrong", WEBHOOK_TOKEN + "x", "ü"])
@pytest.mark.parametrize("body", [update("/stop"), membership("kicked")])
def test_nobody_but_telegram_is_listened_to(world: World, token: str | None, body: Any) -> None:
    world.knows([ANNA], chat_id=str(CHAT))
    before = kept(world)
    answer = posted(body, token)
    assert (answer.status, answer.content_type) == (401, PROBLEM)
    assert kept(world) == before


@pytest.mark.parametrize("secret", [{}, {"telegram": {"token": SECRET["token"]}}])
def test_without_a_webhook_nobody_is(secret: Any) -> None:
    set_secret(secret)
    for token in (None, "", WEBHOOK_TOKEN):
        assert posted(update("/stop"), token).status == 401


def test_a_new_token_of_the_webhook_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "_read_at", {})
    assert posted(update("/start")).status == 200
    set_secret({"telegram": {**SECRET, "webhook_token": "new"}})
    assert posted(update("/start"), "new").status == 200


@pytest.mark.parametrize("body", [{}, {"update_id": "1"}, {"update_id": 1, "message": {"chat": 5}}, b"{"])
def test_a_body_that_is_no_update_is_refused(world: World, body: Any) -> None:
    before = kept(world)
    assert posted(body).status in (400, 422)
    assert kept(world) == before


def test_an_outage_is_said_and_telegram_comes_again(world: World) -> None:
    world.knows([ANNA], chat_id=str(CHAT))
    world.database.fail("UpdateItem", "unsubscribes", times=10)
    assert posted(update("/stop")).status == 503


# What may be sent.


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"title": "😀" * 100, "text": "😀" * 1850}, {}),
        ({"title": "😀" * 101}, {"title": "at most 200 characters by telegram"}),
        ({"text": "😀" * 1851}, {"text": "at most 3700 characters by telegram"}),
        ({"text": "x" * 3701}, {"text": "at most 3700 characters by telegram"}),
    ],
)
def test_content_is_limited_as_telegram_counts(
    world: World, fields: dict[str, str], wrong: dict[str, str]
) -> None:
    world.knows([ANNA], chat_id=str(CHAT))
    api = Api(f"shop {register_application('shop', utc_now()).password}")
    body = {"type": "telegram", "title": "Title", "text": "Text", "users": [ANNA], **fields}
    before = kept(world)
    answer = api.post("/api/v1/notifications/", body)
    if wrong:
        assert (answer.status, answer.fields()) == (422, wrong)
        assert kept(world) == before
    else:
        assert answer.status == 201, answer
