"""Asking services outside: what is tried again, and that nothing takes longer than was said."""

import time
from dataclasses import replace

import pytest

from chalicelib import outside
from chalicelib.outside import Answer, Limits, OutsideError, Request, Service, SilentError
from tests.support.users_service import (
    Behaviour,
    BreakOff,
    Close,
    Dribble,
    Hold,
    Raw,
    Status,
    UsersService,
)

LIMITS = Limits(tries=3, timeout_seconds=0.2, seconds=5, at_once=4)
SILENCE_SECONDS = 10.0


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time by which a silent service may be asked again."""
    moment = [1000.0]
    monkeypatch.setattr(outside, "clock", lambda: moment[0])
    return moment


@pytest.fixture
def service() -> Service:
    return Service("the service", SILENCE_SECONDS)


@pytest.fixture
def request_(users_service: UsersService) -> Request:
    users_service.tokens["good"] = "1"
    return Request("GET", users_service.settings["AUTH_HOST"], {"Authorization": "Bearer good"})


def test_an_answer_is_handed_over_whole(service: Service, request_: Request) -> None:
    answer = service.ask_one(request_, LIMITS)
    assert (answer.status, answer.object()) == (200, {"id": "1"})


def test_a_connection_is_used_again(service: Service, request_: Request, users_service: UsersService) -> None:
    for _ in range(3):
        service.ask_one(request_, LIMITS)
    assert len({each.client_port for each in users_service.asked}) == 1


@pytest.mark.parametrize(
    "behaviour",
    [Status(500), Status(503), Status(429), Close(), BreakOff(), Hold(), Dribble()],
    ids=lambda each: type(each).__name__ + str(getattr(each, "status", "")),
)
def test_what_may_be_over_in_a_moment_is_tried_again(
    service: Service, request_: Request, users_service: UsersService, behaviour: Behaviour
) -> None:
    users_service.misbehave("token", behaviour, times=2)
    assert service.ask_one(request_, LIMITS).status == 200
    assert users_service.count("token") == 3


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 418])
def test_what_will_not_change_is_asked_once_and_no_redirect_is_followed(
    service: Service, request_: Request, users_service: UsersService, status: int
) -> None:
    users_service.misbehave(
        "token", Status(status, headers=(("Location", f"{users_service.url}/elsewhere/"),))
    )
    assert service.ask_one(request_, LIMITS).status == status
    assert [each.what for each in users_service.asked] == ["token"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_quick_refusal_ends_after_all_tries_and_is_no_silence(
    service: Service, request_: Request, users_service: UsersService, status: int
) -> None:
    users_service.misbehave("token", Status(status, headers=(("Retry-After", "3600"),)), times=3)
    with pytest.raises(OutsideError, match=f"^status {status}$") as refused:
        service.ask_one(request_, LIMITS)
    assert not isinstance(refused.value, SilentError)
    assert service.ask_one(request_, LIMITS).status == 200


@pytest.mark.parametrize("behaviour", [Hold(), Dribble(), Dribble(in_head=True)], ids=str)
def test_it_never_takes_longer_than_all_together(
    service: Service, request_: Request, users_service: UsersService, behaviour: Behaviour
) -> None:
    users_service.misbehave("token", behaviour)
    started = time.monotonic()
    with pytest.raises(SilentError):
        service.ask_one(request_, replace(LIMITS, tries=10, timeout_seconds=0.3, seconds=0.8))
    assert 0.7 < time.monotonic() - started < 2


def test_who_was_silent_is_left_alone_for_a_while(
    service: Service, request_: Request, users_service: UsersService, now: list[float]
) -> None:
    users_service.misbehave("token", Close(), times=3)
    with pytest.raises(SilentError, match=r"^no answer \(ProtocolError\)$"):
        service.ask_one(request_, LIMITS)
    now[0] += SILENCE_SECONDS - 0.1
    with pytest.raises(SilentError, match="left alone"):
        service.ask_one(request_, LIMITS)
    assert users_service.count("token") == 3
    now[0] += 0.1
    assert service.ask_one(request_, LIMITS).status == 200


def test_of_many_the_first_silence_spares_the_others(
    service: Service, request_: Request, users_service: UsersService, now: list[float]
) -> None:
    users_service.misbehave("token", Hold())
    started = time.monotonic()
    answers = service.ask([request_] * 40, LIMITS)
    assert time.monotonic() - started < 2
    assert all(isinstance(each, SilentError) for each in answers)
    assert users_service.count("token") <= 4 * 3  # four at once, three tries each


def test_many_answers_come_in_the_order_of_the_questions(
    service: Service, users_service: UsersService
) -> None:
    users_service.tokens.update({f"t{number}": str(number) for number in range(30)})
    url = users_service.settings["AUTH_HOST"]
    requests = [Request("GET", url, {"Authorization": f"Bearer t{number}"}) for number in range(30)]
    answers = service.ask(requests, LIMITS)
    assert [each.object()["id"] for each in answers if isinstance(each, Answer)] == [
        str(number) for number in range(30)
    ]
    assert service.ask([], LIMITS) == []


def test_nobody_there_is_silence(service: Service, users_service: UsersService, request_: Request) -> None:
    users_service.stop()
    with pytest.raises(SilentError, match="NewConnectionError"):
        service.ask_one(request_, LIMITS)


def test_no_message_holds_the_address(service: Service, users_service: UsersService) -> None:
    users_service.stop()
    with pytest.raises(OutsideError) as failure:
        service.ask_one(Request("GET", f"{users_service.url}/?key=secret"), LIMITS)
    assert "secret" not in str(failure.value)


def test_an_endless_answer_is_not_read_to_its_end(
    service: Service, request_: Request, users_service: UsersService
) -> None:
    users_service.misbehave("token", Raw(b'"' + b"x" * (outside.MAX_ANSWER_BYTES + 1) + b'"'))
    with pytest.raises(OutsideError, match="more than"):
        service.ask_one(request_, replace(LIMITS, timeout_seconds=5))
    assert users_service.count("token") == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(404, b"{}"), "status 404"),
        (Answer(302, b"{}"), "status 302"),
        (Answer(204, b""), "not JSON"),
        (Answer(200, b"<html>"), "not JSON"),
        (Answer(200, b"\xff\xfe{}"), "not JSON"),
        (Answer(200, b"[" * 100_000), "not JSON"),
        (Answer(200, b'{"n": ' + b"9" * 10_000 + b"}"), "not JSON"),
        (Answer(200, b"[]"), "no object"),
        (Answer(200, b"null"), "no object"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_is_no_object_says_what_it_is(answer: Answer, reason: str) -> None:
    with pytest.raises(OutsideError, match=reason):
        answer.object()
