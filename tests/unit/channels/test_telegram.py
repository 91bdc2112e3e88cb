"""The Telegram channel, against a Bot API that answers as Telegram does."""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import security, settings
from chalicelib.channels import CHANNELS, telegram, telegram_session
from chalicelib.channels.base import Letter, NotReadyError, Session
from chalicelib.channels.telegram_message import MAX_LENGTH, UNSUBSCRIBE, compose
from chalicelib.domain.results import Accepted, Permanent, RateLimited, Retryable, SendResult
from chalicelib.settings import LOCALES, load
from tests.support import factories
from tests.support.telegram import (
    BLOCKED,
    BROKEN,
    DEACTIVATED,
    GARBAGE,
    LOOPBACK,
    NOT_FOUND,
    TOKEN,
    Behaviour,
    BreakOff,
    Close,
    Dribble,
    Hold,
    Raw,
    Refuse,
    TelegramServer,
    migrated,
    too_many,
)
from tests.support.telegram_html import utf16_length

CHAT = 42
LETTER = factories.letter(address=str(CHAT))
SOON = 0.3


@pytest.fixture(scope="module")
def server() -> Iterator[TelegramServer]:
    with TelegramServer() as server:
        yield server


@pytest.fixture
def bot(server: TelegramServer) -> TelegramServer:
    """A Bot API that behaves, and has no messages yet."""
    server.forget()
    return server


@contextmanager
def session_at(url: str, secret: Any) -> Iterator[Session]:
    """A session of the channel in a deployment of its own."""
    configured = load({**factories.ENVIRONMENT, "TELEGRAM_API_URL": url})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "current", lambda: configured)
        patch.setattr(security, "read_secret", lambda _: secret)
        with telegram_session.telegram_session(configured) as session:
            yield session


def sent(
    server: TelegramServer, *letters: Letter, seconds: float = 60, token: str = TOKEN
) -> Sequence[SendResult]:
    """The results of some letters, sent over one session."""
    with session_at(server.url, {"telegram": {"token": token}}) as session:
        return [session.send(letter, lambda: seconds) for letter in letters]


def test_a_message_is_taken(bot: TelegramServer) -> None:
    (result,) = sent(bot, LETTER)
    (message,) = bot.messages(CHAT)
    assert result == Accepted(str(message.id))
    assert message.text == "A new film\n\nIt is out today.\n\nCome and see.\n\nUnsubscribe"
    assert message.markup.startswith("<b>A new film</b>\n\nIt is")
    assert message.links == (LETTER.unsubscribe_url,)
    assert message.body["link_preview_options"] == {"is_disabled": True}
    assert message.body["chat_id"] == CHAT


def test_a_group_is_a_negative_number(bot: TelegramServer) -> None:
    sent(bot, replace(LETTER, address="-1001234567890"))
    assert len(bot.messages(-1001234567890)) == 1


@pytest.mark.parametrize("locale", LOCALES)
def test_the_last_line_is_in_the_language_of_the_recipient(bot: TelegramServer, locale: str) -> None:
    sent(bot, replace(LETTER, locale=locale))
    assert bot.messages()[0].text.endswith(f"\n\n{UNSUBSCRIBE[locale]}")


def test_markup_of_a_template_is_sent_as_it_is(bot: TelegramServer) -> None:
    sent(bot, replace(LETTER, html="<i>Out</i> &amp; about"))
    assert bot.messages()[0].text == "A new film\n\nOut & about\n\nUnsubscribe"


def test_one_connection_is_reused_over_a_batch(bot: TelegramServer) -> None:
    bot.script(7, BLOCKED)
    letters = [replace(LETTER, address=str(chat)) for chat in (1, 7, 2, 3)]
    results = sent(bot, *letters)
    assert [type(each) for each in results] == [Accepted, Permanent, Accepted, Accepted]
    assert len({each.client_port for each in bot.messages()}) == 1


def test_a_connection_that_was_closed_is_opened_anew(bot: TelegramServer) -> None:
    bot.script(7, Close())
    letters = [replace(LETTER, address=str(chat)) for chat in (1, 7, 2)]
    results = sent(bot, *letters)
    assert [type(each) for each in results] == [Accepted, Retryable, Accepted]
    first, last = bot.messages()
    assert first.client_port != last.client_port


WRONG: tuple[Refuse, ...] = (
    BLOCKED,
    DEACTIVATED,
    NOT_FOUND,
    Refuse(400, "Bad Request: user not found"),
    Refuse(400, "Bad Request: PEER_ID_INVALID"),
    Refuse(403, "Forbidden: bot was kicked from the supergroup chat"),
    Refuse(403, "Forbidden: bot is not a member of the channel chat"),
    Refuse(403, "Forbidden: bot can't initiate conversation with a user"),
)


@pytest.mark.parametrize("refusal", WRONG, ids=lambda each: each.description)
def test_what_is_wrong_with_a_chat_for_good(bot: TelegramServer, refusal: Refuse) -> None:
    bot.script(CHAT, refusal)
    reason = f"telegram {refusal.code}: {refusal.description}"
    assert sent(bot, LETTER) == [Permanent(reason, is_wrong_contact=True)]


def test_a_group_that_has_moved_says_where_to(bot: TelegramServer) -> None:
    bot.script(CHAT, migrated(-1009876543210))
    (result,) = sent(bot, LETTER)
    assert isinstance(result, Permanent)
    assert result.is_wrong_contact
    assert result.reason.endswith("; its id is -1009876543210 now")


@pytest.mark.parametrize(
    "refusal",
    [
        Refuse(400, "Bad Request: not enough rights to send text messages to the chat"),
        Refuse(403, "Forbidden: bot can't send messages to the user"),
        Refuse(413, "Request Entity Too Large"),
    ],
    ids=lambda each: each.description,
)
def test_what_is_refused_but_not_because_of_the_chat(bot: TelegramServer, refusal: Refuse) -> None:
    bot.script(CHAT, refusal)
    assert sent(bot, LETTER) == [Permanent(f"telegram {refusal.code}: {refusal.description}")]


@pytest.mark.parametrize(
    ("behaviour", "seconds"),
    [
        (too_many(7), 7),
        (too_many(100_000), telegram_session.MOST_RETRY_AFTER_SECONDS),
        (too_many(-1), 1),
        (Refuse(429, "Too Many Requests"), telegram_session.RETRY_AFTER_SECONDS),
        (Raw(b"slow down", 429, (("Retry-After", "9"),)), 9),
        (Raw(b"", 429, (("Retry-After", "Fri, 27 Nov 2026 10:00:00 GMT"),)), 5),
    ],
)
def test_it_is_asked_to_wait(bot: TelegramServer, behaviour: Behaviour, seconds: float) -> None:
    bot.script(CHAT, behaviour)
    (result,) = sent(bot, LETTER)
    assert isinstance(result, RateLimited)
    assert result.reason.startswith("telegram 429: ")
    assert result.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (BROKEN, "telegram 500: Internal Server Error"),
        (Raw(b"<html>", 502), "telegram 502: an answer that is no JSON of the Bot API's"),
        (Raw(b"<html>", 403), "telegram 403: an answer that is no JSON of the Bot API's"),
        (GARBAGE, "telegram 200: an answer that is no JSON of the Bot API's"),
        (Raw(b'{"result": 1}'), "telegram 200: an answer that is no JSON of the Bot API's"),
        (Raw(b'{"ok": true}'), "telegram 200: no reason"),
        (Raw(b"[" * 60_000), "telegram 200: an answer that is no JSON of the Bot API's"),
        (Raw(b"", 302, (("Location", "http://127.0.0.1:1/"),)), "telegram 302: an answer that is no JSON"),
        (Raw(b" " * 70_000), "telegram: an answer that is not whole"),
        (BreakOff(), "telegram: an answer that is not whole"),
        (Close(), "telegram: no answer: RemoteDisconnected"),
        (Close(is_taken=True), "telegram: no answer: RemoteDisconnected"),
    ],
)
def test_what_may_be_over_soon_is_tried_again(bot: TelegramServer, behaviour: Behaviour, reason: str) -> None:
    bot.script(CHAT, behaviour, times=1)
    first, second = sent(bot, LETTER, LETTER)
    assert isinstance(first, Retryable)
    assert first.reason.startswith(reason)
    assert isinstance(second, Accepted), "the next message is not harmed"


@pytest.mark.parametrize("token", ["1:wrong", "123456789:AAnother"])
def test_a_token_that_is_not_right_is_the_deployments_fault(bot: TelegramServer, token: str) -> None:
    assert sent(bot, LETTER, token=token) == [Retryable("telegram 401: Unauthorized")]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [(Hold(), f"no answer within {SOON} s"), (Dribble(), "an answer that is not whole")],
    ids=str,
)
def test_a_send_ends_in_time(bot: TelegramServer, behaviour: Behaviour, reason: str) -> None:
    bot.script(CHAT, behaviour, times=1)
    with session_at(bot.url, {"telegram": {"token": TOKEN}}) as session:
        first, second = (session.send(LETTER, partial(float, each)) for each in (SOON, 60.0))
    assert first == Retryable(f"telegram: {reason}")
    assert isinstance(second, Accepted)


def test_nothing_is_sent_after_the_end(bot: TelegramServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name service that answers late: what nobody waits for any more must not go out then."""
    answered, asked = threading.Event(), threading.Event()
    find = socket.getaddrinfo

    def late(*args: Any, **kwargs: Any) -> Any:
        asked.set()
        answered.wait(30)
        return find(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", late)
    with session_at(bot.url.replace(LOOPBACK, "localhost"), {"telegram": {"token": TOKEN}}) as session:
        result = session.send(LETTER, lambda: SOON)
    assert result == Retryable(f"telegram: no answer within {SOON} s")
    assert asked.is_set()
    threads = [each for each in threading.enumerate() if each.name == "resolver"]
    answered.set()
    for each in threads:
        each.join(10)
        assert not each.is_alive()
    assert bot.messages() == []


def test_without_time_nothing_is_begun(bot: TelegramServer) -> None:
    assert sent(bot, LETTER, seconds=0) == [RateLimited("no time left to send", 0)]
    assert bot.asked == []


def test_a_server_that_is_not_there(bot: TelegramServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with session_at(f"http://127.0.0.1:{port}", {"telegram": {"token": TOKEN}}) as session:
        result = session.send(LETTER, lambda: 60)
    assert isinstance(result, Retryable)
    assert str(port) not in result.reason
    assert TOKEN not in result.reason


def test_no_reason_has_the_token(bot: TelegramServer) -> None:
    bot.script(CHAT, Refuse(400, f"Bad Request: /bot{TOKEN}/sendMessage is\nno good " + "x" * 500))
    (result,) = sent(bot, LETTER)
    assert isinstance(result, Permanent)
    assert TOKEN not in result.reason
    assert "\n" not in result.reason
    assert len(result.reason) < 250


@pytest.mark.parametrize(
    "secret", [{}, {"telegram": None}, {"telegram": {}}, {"telegram": {"token": "no/../token"}}]
)
def test_without_a_bot_the_deployment_is_not_ready(secret: Any) -> None:
    with pytest.raises(NotReadyError, match="bot"), session_at("http://127.0.0.1:9", secret):
        pass


def test_without_an_address_the_deployment_is_not_ready() -> None:
    with (
        pytest.raises(NotReadyError, match="TELEGRAM_API_URL"),
        session_at("", {"telegram": {"token": TOKEN}}),
    ):
        pass


TITLES = st.text(max_size=telegram.TelegramChannel.limits.title)
TEXTS = st.text(max_size=400) | st.sampled_from(["<b>", "</a>", "&lt;", "&amp;amp;", '"><script>', "&#60;x"])
URLS = st.sampled_from(["https://a.example/x/", "https://a.example/?a=\"&b=<c>'"]).map(str)


@given(title=TITLES, text=TEXTS, url=URLS, locale=st.sampled_from(LOCALES))
def test_whatever_is_said_telegram_takes_it_and_shows_it_as_it_is(
    server: TelegramServer, title: str, text: str, url: str, locale: str
) -> None:
    server.forget()
    letter = replace(LETTER, title=title, text=text, unsubscribe_url=url, locale=locale)
    (result,) = sent(server, letter)
    assert isinstance(result, Accepted), result
    (message,) = server.messages()
    assert message.links == (url,)
    for part in (" ".join(title.split()), text.replace("\r\n", "\n").strip()):
        assert part in message.text


@given(filler=st.sampled_from(["x", "<", "&", '"', "я", "😀"]), locale=st.sampled_from(LOCALES))
def test_what_the_limits_allow_fits_into_a_message(server: TelegramServer, filler: str, locale: str) -> None:
    server.forget()
    channel = CHANNELS["telegram"]
    title = filler * (channel.limits.title // channel.length(filler))
    text = filler * (channel.limits.text // channel.length(filler))
    assert channel.length(text) == channel.limits.text == utf16_length(text)
    (result,) = sent(server, replace(LETTER, title=title, text=text, locale=locale))
    assert isinstance(result, Accepted), result


def test_what_is_too_long_all_the_same_is_refused_here(bot: TelegramServer) -> None:
    line = len("A new film") + len("Unsubscribe") + 4
    fits = "<i>" + "&lt;" * (MAX_LENGTH - line) + "</i>"
    longer = replace(LETTER, html=fits + "x")
    results = sent(bot, replace(LETTER, html=fits), longer)
    assert isinstance(results[0], Accepted)
    assert results[1] == Permanent("too long for telegram: 4097 of 4096")
    bot.script(CHAT, Raw(json.dumps({"ok": True, "result": {"message_id": 5}}).encode()))
    assert compose(longer).endswith("</a>")


def test_how_long_a_send_takes_at_most() -> None:
    assert CHANNELS["telegram"].longest_send_seconds() == telegram.SEND_SECONDS <= 8
