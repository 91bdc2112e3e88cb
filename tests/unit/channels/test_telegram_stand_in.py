"""The stand-in of Telegram's Bot API: it has to refuse what Telegram refuses, or it proves nothing."""

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.telegram import BLOCKED, TOKEN, TelegramServer
from tests.support.telegram_html import MarkupError, parse


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    with TelegramServer() as server:
        yield server


def ask(
    server: TelegramServer, body: Any, method: str = "sendMessage", token: str = TOKEN
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        connection.request(
            "POST", f"/bot{token}/{method}", json.dumps(body), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def html(text: str, chat: Any = 1) -> Any:
    return {"chat_id": chat, "text": text, "parse_mode": "HTML"}


@pytest.mark.parametrize(
    ("markup", "text", "links"),
    [
        ("", "", []),
        ("a &amp; b &lt;i&gt; &quot;&#33;&#x21; &copy; & >", 'a & b <i> "!! &copy; & >', []),
        ("<b>x</b> <i>y<u>z</u></i>", "x yz", []),
        ('<a href="https://a.example/?a=1&amp;b=2">x</a>', "x", ["https://a.example/?a=1&b=2"]),
        ('<pre><code class="language-python">x</code></pre>', "x", []),
        ('<span class="tg-spoiler">x</span><blockquote expandable>y</blockquote>', "xy", []),
    ],
)
def test_markup_is_read(markup: str, text: str, links: list[str]) -> None:
    assert parse(markup) == (text, links)


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        ("<b>x", "Can't find end tag"),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("я<b>x</i>", "Unmatched end tag at byte offset 6"),
        ("<script>x</script>", 'Unsupported start tag "script"'),
        ("1 < 2", "at byte offset 2"),
        ("<br>", 'Unsupported start tag "br"'),
        ("<b", "Unclosed start tag"),
        ("<span>x</span>", "tg-spoiler"),
        ("<a href='x\">x</a>", "Unexpected attribute"),
    ],
)
def test_what_is_no_markup_is_refused(server: TelegramServer, markup: str, reason: str) -> None:
    with pytest.raises(MarkupError, match=r"at byte offset|Can't find"):
        parse(markup)
    status, said = ask(server, html(markup))
    assert (status, said["ok"], said["error_code"]) == (400, False, 400)
    assert said["description"].startswith("Bad Request: can't parse entities: ")
    assert reason in said["description"]
    assert server.messages() == []
    assert [each.code for each in server.refusals] == [400]


@pytest.mark.parametrize("text", ["x" * 4097, "😀" * 2048 + "x", "&lt;" * 4097, "", " \n", "<b></b>"])
def test_a_text_has_to_have_a_length(server: TelegramServer, text: str) -> None:
    assert ask(server, html(text))[0] == 400
    assert server.messages() == []


@pytest.mark.parametrize("text", ["x" * 4096, "😀" * 2048, "<b>" + "&lt;" * 4096 + "</b>"])
def test_a_text_may_be_as_long_as_that(server: TelegramServer, text: str) -> None:
    assert ask(server, html(text))[0] == 200
    assert len(server.messages()) == 1


@pytest.mark.parametrize("chat", ["1", "@channel", None, 0, 1.0, True, 2**63])
def test_a_chat_is_a_whole_number(server: TelegramServer, chat: Any) -> None:
    assert ask(server, html("x", chat))[0] == 400


def test_a_token_is_asked_for(server: TelegramServer) -> None:
    assert ask(server, html("x"), token="1:wrong")[0] == 401
    assert ask(server, html("x"), token="wrong")[0] == 404
    assert ask(server, {}, "noMethod")[0] == 404
    assert server.messages() == []


def test_a_script_is_followed_so_many_times(server: TelegramServer) -> None:
    server.script(1, BLOCKED, times=2)
    assert [ask(server, html("x"))[0] for _ in range(3)] == [403, 403, 200]
    assert ask(server, html("x", 2))[0] == 200
    assert [each.chat for each in server.messages()] == [1, 2]
    assert [(each.chat, each.code) for each in server.refusals] == [(1, 403), (1, 403)]


def test_no_second_has_more_than_the_limit() -> None:
    with TelegramServer(limit_a_second=20) as server:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda chat: ask(server, html("x", chat)), range(1, 101)))
        taken = [each.at for each in server.messages()]
        assert len(taken) + len(server.refusals) == 100
        assert all(late - early >= 1 for early, late in zip(taken, taken[20:], strict=False))
        refused = [said for status, said in answers if status == 429]
        assert len(refused) == len(server.refusals) > 0
        assert all(said["parameters"] == {"retry_after": 1} for said in refused)


def test_no_chat_has_more_than_one_a_second() -> None:
    with TelegramServer(limit_a_second=1000) as server:
        answers = [ask(server, html("x"))[0] for _ in range(10)]
        taken = [each.at for each in server.messages()]
        assert answers[0] == 200
        assert 429 in answers
        assert all(late - early >= 1 for early, late in pairwise(taken))
