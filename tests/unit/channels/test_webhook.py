"""The webhook channel against a real receiver that misbehaves: a result each time, and always in time."""

import base64
import re
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.channels import bounded_http, webhook
from chalicelib.channels.base import Session
from chalicelib.channels.webhook import LEAST_WAIT_SECONDS, LONGEST_WAIT_SECONDS
from chalicelib.domain.results import Accepted, Permanent, RateLimited, Retryable, SendResult, no_time_left
from chalicelib.domain.times import parse
from chalicelib.domain.webhook_signatures import keys_of, shown, signature
from tests.support.factories import letter
from tests.support.webhook_receiver import (
    Behaviour,
    Close,
    Dribble,
    Hold,
    Huge,
    Nonsense,
    Status,
    WebhookReceiver,
)
from tests.support.webhooks import HOST, KEY, SECRET, Resolver, send

SHORT_SECONDS = 0.5


# What is posted.


def test_what_a_receiver_gets(receiver: WebhookReceiver, sender: Session) -> None:
    url = receiver.url(f"/hook/{KEY}?a=b%20c")
    said = {"notification_id": "n", "user_id": "u", "content_id": "order-7", "text": "Зима ☃", "locale": "ru"}
    assert send(sender, url, **said) == Accepted("200")
    (got,) = receiver.got()
    sent = letter(**said)
    assert (got.method, got.target) == ("POST", f"/hook/{KEY}?a=b%20c")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"] == "Vestnik"
    assert got.id == sent.id
    assert got.body.pop("data") == {
        "id": sent.id, "notification_id": "n", "user_id": "u", "title": sent.title, "text": "Зима ☃",
        "content_id": "order-7", "locale": "ru", "unsubscribe_url": sent.unsubscribe_url,
    }  # fmt: skip
    assert got.body["type"] == "notification"
    assert int(parse(got.body["timestamp"]).timestamp()) == int(got.headers["webhook-timestamp"])


def test_it_is_signed_by_each_key_of_the_receiver_and_by_nobody_elses(
    receiver: WebhookReceiver, sender: Session
) -> None:
    assert send(sender, receiver.url()) == Accepted("200")
    (got,) = receiver.got()
    present, before = map(shown, keys_of(SECRET, receiver.url()))
    (others, _) = map(shown, keys_of(SECRET, receiver.url("/other")))
    assert present != before
    assert got.is_signed_by(present)
    assert got.is_signed_by(before)
    assert not got.is_signed_by(others)
    assert not replace(got, raw=got.raw + b" ").is_signed_by(present)
    assert not replace(got, headers={**got.headers, "webhook-id": "x"}).is_signed_by(present)
    assert not replace(got, headers={**got.headers, "webhook-timestamp": "1"}).is_signed_by(present)


def test_a_signature_is_that_of_the_specifications_example() -> None:
    """https://github.com/standard-webhooks/standard-webhooks: what its libraries are tested with."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signed = signature([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert shown(key) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


# What follows from what the receiver answers.

NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        *((Status(status), Accepted(str(status))) for status in (200, 201, 202, 299)),
        (Status(204, body=b""), Accepted("204")),
        (Status(410), Permanent("127.0.0.1: status 410", is_wrong_contact=True)),
        *((Status(each), Permanent(f"127.0.0.1: status {each}")) for each in (400, 401, 403, 404, 405, 422)),
        *((Status(each), Retryable(f"127.0.0.1: status {each}")) for each in (408, 425, 429, 500, 502, 503)),
        (Status(503, (("Retry-After", "7"),)), RateLimited("127.0.0.1: status 503", 7.0)),
        (Status(429, (("Retry-After", "7"),)), RateLimited("127.0.0.1: status 429", 7.0)),
        (Status(429, (("Retry-After", "0"),)), RateLimited("127.0.0.1: status 429", LEAST_WAIT_SECONDS)),
        (
            Status(429, (("Retry-After", "999999999"),)),
            RateLimited("127.0.0.1: status 429", LONGEST_WAIT_SECONDS),
        ),
        (
            Status(429, (("Retry-After", "Sat, 01 Jan 2000 00:00:00 GMT"),)),
            RateLimited("127.0.0.1: status 429", LEAST_WAIT_SECONDS),
        ),
        (
            Status(429, (("Retry-After", "Wed, 01 Jan 2200 00:00:00 GMT"),)),
            RateLimited("127.0.0.1: status 429", LONGEST_WAIT_SECONDS),
        ),
        (Status(429, (("Retry-After", "soon"),)), Retryable("127.0.0.1: status 429")),
        (
            Status(503, (("Retry-After", f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"),)),
            Retryable("127.0.0.1: status 503"),
        ),
        (Status(429, (("Retry-After", "Mon, 30 Nov 2026 10:00:00"),)), Retryable("127.0.0.1: status 429")),
        (Status(500, (("Retry-After", "7"),)), Retryable("127.0.0.1: status 500")),
        (Close(), Retryable("127.0.0.1: no answer: RemoteDisconnected")),
        (Nonsense(), Retryable("127.0.0.1: no answer: BadStatusLine")),
    ],
    ids=str,
)
def test_what_follows_from_an_answer(
    receiver: WebhookReceiver, sender: Session, answer: Behaviour, expected: SendResult
) -> None:
    receiver.answer(answer)
    assert send(sender, receiver.url(f"/{KEY}")) == expected
    assert len(receiver.got()) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: WebhookReceiver, sender: Session, status: int) -> None:
    with WebhookReceiver() as inner:
        receiver.answer(Status(status, (("Location", inner.url("/latest/meta-data")),)))
        result = send(sender, receiver.url())
        assert result == Permanent(f"127.0.0.1: status {status}: redirects are not followed")
        assert inner.got() == []
    assert len(receiver.got()) == 1


def test_nobody_there(sender: Session) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = send(sender, f"http://127.0.0.1:{port}/{KEY}")
    assert result == Retryable("127.0.0.1: no connection: Connection refused")


# Time.


@pytest.mark.parametrize("answer", [Hold(), Dribble()], ids=str)
def test_who_holds_or_dribbles_is_left_in_time(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, sender: Session, answer: Behaviour
) -> None:
    monkeypatch.setattr(webhook, "SEND_SECONDS", SHORT_SECONDS)
    receiver.answer(answer)
    assert send(sender, receiver.url()) == Retryable("127.0.0.1: no answer within 0.5 s")
    # The next one is not held up, and goes over a connection of its own.
    receiver.answer(Status())
    assert send(sender, receiver.url()) == Accepted("200")
    held, next_one = receiver.got()
    assert held.client_port != next_one.client_port


@pytest.mark.parametrize("answer", [Dribble(in_head=False), Huge()], ids=str)
def test_a_body_without_end_takes_nothing_back(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, sender: Session, answer: Behaviour
) -> None:
    monkeypatch.setattr(webhook, "SEND_SECONDS", SHORT_SECONDS)
    receiver.answer(answer)
    assert send(sender, receiver.url()) == Accepted("200")


def test_the_time_that_is_left_goes_before(receiver: WebhookReceiver, sender: Session) -> None:
    receiver.answer(Hold())
    asked = letter(address=receiver.url())
    assert sender.send(asked, lambda: 0.3) == Retryable("127.0.0.1: no answer within 0.3 s")
    assert sender.send(asked, lambda: 0.0) == no_time_left()
    assert len(receiver.got()) == 1


def test_a_name_service_that_does_not_answer_is_left_in_time(
    monkeypatch: pytest.MonkeyPatch, sender: Session
) -> None:
    asked, end = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> object:
        asked.set()
        end.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    monkeypatch.setattr(webhook, "SEND_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    assert send(sender, f"https://{HOST}/") == Retryable(f"{HOST}: no answer within 0.5 s")
    assert asked.is_set()
    end.set()


def test_a_server_that_does_not_shake_hands_is_left_in_time(
    monkeypatch: pytest.MonkeyPatch, sender: Session
) -> None:
    monkeypatch.setattr(webhook, "SEND_SECONDS", SHORT_SECONDS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = send(sender, f"https://127.0.0.1:{silent.getsockname()[1]}/")
    assert result == Retryable("127.0.0.1: no answer within 0.5 s")


# Connections.


def test_connections_are_reused_within_a_batch_and_made_anew_when_they_are_gone(
    receiver: WebhookReceiver, sender: Session
) -> None:
    for _ in range(3):
        assert send(sender, receiver.url()) == Accepted("200")
    receiver.answer(Status(204, (("Connection", "close"),), b""), times=1)
    assert send(sender, receiver.url()) == Accepted("204")
    assert send(sender, receiver.url()) == Accepted("200")
    first, second, third, closed, last = (got.client_port for got in receiver.got())
    assert first == second == third == closed != last


def test_a_connection_that_the_server_has_closed_meanwhile_costs_no_attempt(
    secure: WebhookReceiver, sender: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, secure.port, ["127.0.0.1"])
    url = secure.url(host=HOST)
    assert send(sender, url) == Accepted("200")
    assert send(sender, url) == Accepted("200")
    secure.drop_connections()
    assert send(sender, url) == Accepted("200")
    first, second, third = (got.client_port for got in secure.got())
    assert first == second != third


def test_so_many_connections_are_kept_and_no_more(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, sender: Session
) -> None:
    monkeypatch.setattr(bounded_http, "KEPT_CONNECTIONS", 1)
    with WebhookReceiver() as other:
        for each in (receiver, other, receiver, receiver):
            assert send(sender, each.url()) == Accepted("200")
    first, second, third = (got.client_port for got in receiver.got())
    assert first != second == third


def test_no_reason_has_a_path(receiver: WebhookReceiver, sender: Session) -> None:
    for status in (302, 404, 410, 429, 500):
        receiver.answer(Status(status, (("Location", f"/{KEY}"), ("Retry-After", "9"))), times=1)
        result = send(sender, receiver.url(f"/{KEY}?{KEY}"))
        assert re.search(r"127\.0\.0\.1: status", str(result))
        assert KEY not in str(result)


@given(
    st.text(st.characters(codec="latin-1"), max_size=40)
    | st.integers().map(str)
    | st.datetimes().map(format_datetime)
)
def test_whatever_a_receiver_says_to_wait_is_bounded_or_nothing(text: str) -> None:
    wait = webhook._wait_of(text, NOW)
    assert wait is None or LEAST_WAIT_SECONDS <= wait <= LONGEST_WAIT_SECONDS
