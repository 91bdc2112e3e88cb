"""Telegram, all the way: what follows from what the Bot API answers, and what users tell the bot."""

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from chalicelib.domain.times import parse
from chalicelib.services.telegram_words import WORDS, Said
from tests.support.deployment import COLD_SECONDS, Answer, Deployment, Person, Sent
from tests.support.telegram import (
    BLOCKED,
    BROKEN,
    GARBAGE,
    NOT_FOUND,
    USERNAME,
    Behaviour,
    Close,
    Hold,
    Refuse,
    TelegramServer,
    migrated,
    too_many,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

RETRY_SECONDS = 60.0
KEPT = 20
"""So much of a reason is kept with each attempt."""
LATER = 600
RIGHTS = Refuse(400, "Bad Request: not enough rights to send text messages to the chat")
WEBHOOK = "/api/v1/telegram/webhook/"


@pytest.fixture(scope="module")
def server() -> Iterator[TelegramServer]:
    with TelegramServer() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment, server: TelegramServer) -> None:
    vestnik.deploy(TelegramApiUrl=server.url)
    said = vestnik.manage("set-telegram", typed=f"{server.token}\n")
    assert f"sends as @{USERNAME}" in said


def new_chat() -> int:
    """A chat that no other test knows."""
    return uuid.uuid4().int % 2**50 + 1


def in_chats(vestnik: Deployment, chats: Sequence[int], locale: str = "en") -> list[Person]:
    """Users who are reached in these chats."""
    persons = [Person("", locale=locale) for _ in chats]
    rows = [
        {"user_id": person.user_id, "chat_id": str(chat), "locale": locale}
        for person, chat in zip(persons, chats, strict=True)
    ]
    vestnik.put_all("CONTACTS_TABLE", rows)
    return persons


def cold(vestnik: Deployment, function: str) -> None:
    """Have a function begin anew: as when half a minute has passed, for which it remembers suppressions."""
    with vestnik.with_environment(function, BEGUN_ANEW=uuid.uuid4().hex):
        pass


def row_of(vestnik: Deployment, sent: Sent, person: Person) -> dict[str, Any]:
    found = vestnik.row("USERS_NOTIFICATIONS_TABLE", user_id=person.user_id, dispatch_id=sent.dispatch_id)
    assert found is not None
    return found


@pytest.mark.parametrize("express", [True, False])
def test_a_message_arrives_in_the_language_of_its_reader(
    vestnik: Deployment, server: TelegramServer, express: bool
) -> None:
    chat = new_chat()
    (reader,) = in_chats(vestnik, [chat], "ru")
    sent = vestnik.send(
        [reader], channel="telegram", express=express, title="<Новости> & co", text='1 < 2 & "3"'
    )
    vestnik.wait_for(sent, sent=1)
    (message,) = server.messages(chat)
    assert message.text == '<Новости> & co\n\n1 < 2 & "3"\n\nОтписаться'
    row = row_of(vestnik, sent, reader)
    assert (row["status"], row["attempts"], row["address"]) == ("sent", 1, str(chat))
    (link,) = message.links
    assert vestnik.call("POST", link).status == 200
    refused = vestnik.send([reader], channel="telegram", express=express)
    vestnik.wait_for(refused, unsubscribed=1)
    assert len(server.messages(chat)) == 1


REFUSED: dict[str, tuple[Refuse, str]] = {
    "blocked": (BLOCKED, "telegram 403: Forbidden: bot was blocked by the user"),
    "unknown": (NOT_FOUND, "telegram 400: Bad Request: chat not found"),
    "moved": (
        migrated(-1009876543210),
        "telegram 400: Bad Request: group chat was upgraded to a supergroup chat; "
        "its id is -1009876543210 now",
    ),
}


def test_what_is_wrong_with_a_chat_is_final_and_remembered(
    vestnik: Deployment, server: TelegramServer
) -> None:
    chats = {name: new_chat() for name in (*REFUSED, "rights", "good")}
    persons = dict(zip(chats, in_chats(vestnik, list(chats.values())), strict=True))
    for name, (refusal, _) in REFUSED.items():
        server.script(chats[name], refusal)
    server.script(chats["rights"], RIGHTS, times=1)
    sent = vestnik.send(persons.values(), channel="telegram", express=True)
    vestnik.wait_for(sent, sent=1, failed=4)
    for name, (_, reason) in REFUSED.items():
        shown = vestnik.recipient(sent, persons[name])
        assert (shown.status, shown.reason, shown.attempts) == ("failed", reason, 1)
    shown = vestnik.recipient(sent, persons["rights"])
    assert (shown.status, shown.reason) == ("failed", f"telegram 400: {RIGHTS.description}")

    cold(vestnik, "FanOutExpress")
    refusals = len(server.refusals)
    again = vestnik.send(persons.values(), channel="telegram", express=True)
    vestnik.wait_for(again, sent=2, wrong_contact=3)
    for name, (_, reason) in REFUSED.items():
        shown = vestnik.recipient(again, persons[name])
        assert (shown.status, shown.reason) == ("wrong_contact", f"suppressed: {reason}")
    assert len(server.refusals) == refusals, "they were not even asked for"
    assert len(server.messages(chats["rights"])) == 1


PASSING: dict[str, tuple[Behaviour, str, int]] = {
    "too many": (too_many(1), "telegram 429: Too Many Requests: retry after 1", 1),
    "broken": (BROKEN, "telegram 500: Internal Server Error", 2),
    "garbage": (GARBAGE, "telegram 200: an answer that is no JSON of the Bot API's", 2),
    "closed": (Close(), "telegram: no answer: RemoteDisconnected", 2),
    "silent": (Hold(), "telegram: no answer within 8.0 s", 2),
}
"""What happens once, what is said of it, and how many attempts there were at the end."""


def test_what_passes_is_tried_again(vestnik: Deployment, server: TelegramServer) -> None:
    chats = {name: new_chat() for name in PASSING}
    persons = dict(zip(chats, in_chats(vestnik, list(chats.values())), strict=True))
    for name, (behaviour, _, _) in PASSING.items():
        server.script(chats[name], behaviour, times=1)
    sent = vestnik.send(persons.values(), channel="telegram", express=True)
    vestnik.wait_for(sent, RETRY_SECONDS, sent=len(PASSING))
    for name, (_, reason, attempts) in PASSING.items():
        row = row_of(vestnik, sent, persons[name])
        assert (name, row["status"], row["attempts"]) == (name, "sent", attempts)
        assert reason[:KEPT] in row["last_attempts"]
        assert len(server.messages(chats[name])) == 1, name
    assert not vestnik.has_logged("DeliverExpress", [server.token])


def test_who_asks_to_wait_is_waited_for(vestnik: Deployment, server: TelegramServer) -> None:
    chat = new_chat()
    (reader,) = in_chats(vestnik, [chat])
    server.script(chat, too_many(LATER))
    sent = vestnik.send([reader], channel="telegram", express=True)
    wait_until(lambda: [each for each in server.refusals if each.chat == chat], COLD_SECONDS, "a refusal")
    shown = wait_until(
        lambda: [each for each in [vestnik.recipient(sent, reader)] if each.reason], COLD_SECONDS, "a reason"
    )[0]
    assert (shown.status, shown.attempts) == ("queued", 0)
    assert shown.reason == f"telegram 429: Too Many Requests: retry after {LATER}"
    row = row_of(vestnik, sent, reader)
    waits = parse(row["not_before"]) - parse(row["updated_at"])
    assert waits.total_seconds() == LATER
    assert len([each for each in server.refusals if each.chat == chat]) == 1


# What users tell the bot.


def tell_bot(vestnik: Deployment, server: TelegramServer, update: dict[str, Any]) -> Answer:
    """Post an update to the webhook that Telegram was told of, with what it was told to say."""
    assert server.webhook["url"] == vestnik.api_url + WEBHOOK
    headers = {
        "Content-Type": "application/json",
        "X-Telegram-Bot-Api-Secret-Token": server.webhook["secret_token"],
    }
    body = json.dumps({"update_id": 1, **update}).encode()
    answer = vestnik.call("POST", server.webhook["url"], body, headers)
    assert answer.status == 200, answer
    return answer


def say(vestnik: Deployment, server: TelegramServer, chat: int, text: str) -> Any:
    """Write something to the bot; what it says to that."""
    sender = {"id": chat, "is_bot": False, "first_name": "Anna", "language_code": "ru"}
    message = {
        "message_id": 1,
        "date": 1,
        "chat": {"id": chat, "type": "private"},
        "from": sender,
        "text": text,
    }
    answer = tell_bot(vestnik, server, {"message": message}).json()
    assert (answer["method"], answer["chat_id"]) == ("sendMessage", chat)
    return answer["text"]


def test_a_user_connects_a_chat_and_stops_and_starts_and_blocks(
    vestnik: Deployment, server: TelegramServer
) -> None:
    chat = new_chat()
    reader = Person("reader@example.com", "Anna", "ru")
    vestnik.add_people([reader])
    token = vestnik.manage("user-token", reader.user_id).strip()
    link = vestnik.ask("GET", f"/api/v1/users/{reader.user_id}/telegram_link/", authorization=token)["link"]
    assert link.startswith(f"https://t.me/{USERNAME}?start=")
    start = link.partition("?start=")[2]

    assert say(vestnik, server, chat, f"/start {start}") == WORDS[Said.CONNECTED]["ru"]
    contact = vestnik.row("CONTACTS_TABLE", user_id=reader.user_id)
    assert contact is not None
    assert (contact["chat_id"], contact["email"]) == (str(chat), reader.email)
    vestnik.wait_for(vestnik.send([reader], channel="telegram", express=True), sent=1)

    assert say(vestnik, server, chat, "/stop") == WORDS[Said.STOPPED]["ru"]
    vestnik.wait_for(vestnik.send([reader], channel="telegram", express=True), unsubscribed=1)

    assert say(vestnik, server, chat, f"/start@{USERNAME}") == WORDS[Said.SUBSCRIBED]["ru"]
    vestnik.wait_for(vestnik.send([reader], channel="telegram", express=True), sent=1)

    kicked = {"chat": {"id": chat, "type": "private"}, "new_chat_member": {"status": "kicked"}}
    assert tell_bot(vestnik, server, {"my_chat_member": kicked}).json() == {}
    cold(vestnik, "FanOutExpress")
    blocked = vestnik.send([reader], channel="telegram", express=True)
    vestnik.wait_for(blocked, wrong_contact=1)
    assert vestnik.recipient(blocked, reader).reason == "suppressed: blocked by the user"
    assert len(server.messages(chat)) == 2


@pytest.mark.parametrize("token", ["", "wrong"])
def test_nobody_but_telegram_is_listened_to(vestnik: Deployment, server: TelegramServer, token: str) -> None:
    body = json.dumps({"update_id": 1, "message": {"chat": {"id": 1}, "text": "/stop"}}).encode()
    headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": token}
    assert vestnik.call("POST", WEBHOOK, body, headers).status == 401


def test_a_token_that_telegram_refuses_is_not_set(vestnik: Deployment, server: TelegramServer) -> None:
    before = vestnik.secret("CHANNELS_SECRET_ARN")
    assert "401 Unauthorized; nothing is changed" in vestnik.refused("set-telegram", typed="1:wrong\n")
    assert vestnik.secret("CHANNELS_SECRET_ARN") == before
    assert f"webhook {vestnik.api_url}{WEBHOOK}" in vestnik.manage("set-telegram", "--check")
