"""The operator's commands for secrets, failures and dead letters."""

import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import boto3
import pytest

from chalicelib import security
from chalicelib.domain import times
from chalicelib.domain.results import Permanent
from chalicelib.domain.times import utc_now
from chalicelib.services.errors import NotAuthenticatedError
from infra import dead_queues, failures, manage
from infra.stack import DeploymentError
from tests.support.api import principal
from tests.support.aws import World
from tests.support.factories import delivery, user_id, user_ids
from tests.support.smtp import ScriptedSmtp

ANNA, BORIS = user_ids(2)
LOGIN = {"username": "vestnik", "password": "right"}


@pytest.fixture(autouse=True)
def _stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manage, "use_stack", lambda stack_name, endpoint_url: None)


Manage = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Manage:
    """An operator's command with something piped in; what it prints."""

    def run(*words: str, typed: str = "") -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["manage", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        manage.main()
        return capsys.readouterr().out

    return run


# The mail server's log-in.


@pytest.fixture
def mail_server(world: World) -> Iterator[None]:
    """A mail server that wants a log-in, and that the deployment is set to."""
    with ScriptedSmtp() as server:
        server.require_login(("vestnik", "right"))
        world.configure("SMTP_PORT", str(server.port))
        yield


def test_a_login_that_the_server_takes_is_set(world: World, mail_server: None, run: Manage) -> None:
    said = run("set-smtp-login", "vestnik", "--check", typed="right\n")
    assert "has taken it; every function goes to the mail server as vestnik within 5 minutes" in said
    security.forget_secrets()
    assert security.read_secret("smtp") == LOGIN


def test_a_login_that_the_server_refuses_is_not_set(world: World, mail_server: None, run: Manage) -> None:
    with pytest.raises(SystemExit, match=r"does not take it, and nothing is changed: .*Unknown name"):
        run("set-smtp-login", "vestnik", "--check", typed="wrong\n")
    assert security.read_secret("smtp") == {}


def test_a_server_that_is_not_there_is_said(world: World, run: Manage) -> None:
    world.configure("SMTP_PORT", "1")
    with pytest.raises(SystemExit, match=r"127\.0\.0\.1:1 does not take it, and nothing is changed"):
        run("set-smtp-login", "vestnik", "--check", typed="right\n")
    assert security.read_secret("smtp") == {}


def test_a_login_is_cleared(world: World, run: Manage) -> None:
    run("set-smtp-login", "vestnik", typed="right\n")
    assert "without a log-in" in run("set-smtp-login", "--clear")
    security.forget_secrets()
    assert security.read_secret("smtp") == {}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["set-smtp-login"], "either a USERNAME or --clear"),
        (["set-smtp-login", "vestnik", "--clear"], "either a USERNAME or --clear"),
        (["set-smtp-login", "vestnik"], "there is no password"),
        (["rotate-password", "nobody"], "no such application"),
        (["rotate-password", "shop", "--keep-old-hours", "169"], "from 0 to 168"),
        (["failures", "--cursor", "x"], "not a cursor"),
        (["dead-letters", "--hold"], "say of which queue"),
    ],
)
def test_a_refusal_is_one_line(world: World, run: Manage, words: list[str], reason: str) -> None:
    with pytest.raises(SystemExit, match=reason) as refused:
        run(*words)
    assert "\n" not in str(refused.value)


# A program's password.


def header_of(said: str) -> str:
    return said.splitlines()[0].partition(": ")[2]


def test_a_programs_password_is_rotated_without_a_gap(world: World, run: Manage) -> None:
    old = header_of(run("register-application", "shop"))
    said = run("rotate-password", "shop")
    assert "The old one is good until" in said
    for header in (old, header_of(said)):
        assert principal(header, utc_now()).name == "shop"
    with pytest.raises(NotAuthenticatedError):
        principal(old, times.later(utc_now(), 25 * 3600))


def test_after_a_leak_the_old_password_ends(world: World, run: Manage) -> None:
    old = header_of(run("register-application", "shop"))
    said = run("rotate-password", "shop", "--keep-old-hours", "0")
    assert "The old one ends within half a minute" in said
    with pytest.raises(NotAuthenticatedError):
        principal(old, utc_now())
    assert principal(header_of(said), utc_now()).name == "shop"


# What has failed.


@pytest.fixture
def failed(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Notifications by what became of them: one that failed as dead letters, one refused, one sent."""
    monkeypatch.setattr(times, "utc_now", world.clock)
    world.knows([ANNA, BORIS])
    found = {"sent": world.submit([ANNA, BORIS]).notification_id}
    world.settle()
    world.clock.advance(1)
    world.channel.answers["user-1@example.com"] = [Permanent("smtp 552: Mailbox full")]
    found["refused"] = world.submit([ANNA, BORIS]).notification_id
    world.settle()
    world.clock.advance(1)
    dispatch = world.submit([ANNA, BORIS])
    world.fan_out()
    world.queues.waiting("DELIVERY_REGULAR_QUEUE_URL").clear()
    for position, user in enumerate([ANNA, BORIS]):
        message = delivery(dispatch.id, user, position=position)
        world.queues.put("DELIVERY_REGULAR_DEAD_QUEUE_URL", message.dump())
    world.bury()
    found["dead"] = dispatch.notification_id
    return found


def test_the_newest_failures_and_their_reasons(failed: dict[str, str], run: Manage) -> None:
    header, *lines, summary = run("failures").splitlines()
    assert header.split() == ["notification", "created", "author", "failed", "reasons"]
    assert [line.split("  ")[0] for line in lines] == [failed["dead"], failed["refused"]]
    assert lines[0].endswith("application:shop  2       dead_letter (2)")
    assert lines[1].endswith("application:shop  1       smtp 552: Mailbox full (1)")
    assert summary == "2 of 3 notifications have failed recipients"


def test_failures_of_a_reason_or_of_a_month(failed: dict[str, str], run: Manage) -> None:
    said = run("failures", "--reason", "dead_letter", "--month", "2026-11")
    assert failed["dead"] in said
    assert failed["refused"] not in said
    assert said.endswith("1 of 3 notifications have failed recipients of dead_letter\n")
    assert run("failures", "--month", "2026-10") == "0 of 0 notifications have failed recipients\n"
    with pytest.raises(SystemExit) as refused:
        run("failures", "--month", "2026-13")
    assert refused.value.code == 2


def test_failures_are_looked_for_a_few_at_once(failed: dict[str, str], run: Manage) -> None:
    said = run("failures", "--look", "1").splitlines()
    assert failed["dead"] in said[1]
    cursor = said[-1].partition("--cursor ")[2]
    rest = run("failures", "--cursor", cursor)
    assert failed["refused"] in rest
    assert failed["dead"] not in rest
    assert "1 of 2 notifications" in rest


def test_the_reasons_are_those_of_a_sample(
    world: World, failed: dict[str, str], run: Manage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "SAMPLE", 1)
    assert "2       dead_letter (1)" in run("failures")


def test_no_table_is_scanned_for_failures(world: World, failed: dict[str, str], run: Manage) -> None:
    world.database.requests.clear()
    run("failures")
    assert set(world.database.requests) <= {"Query", "BatchGetItem", "GetItem"}
    assert world.database.requests.total() <= 20, world.database.requests


# What lies in the dead-letter queues.


@pytest.fixture
def dead(world: World) -> list[str]:
    """Twelve dead letters of the regular delivery queue, one of which nobody understands."""
    bodies = [delivery("dispatch", user_id(number), name="Anna").dump() for number in range(11)]
    bodies.append("not { JSON")
    sqs = boto3.client("sqs")
    for body in bodies:
        sqs.send_message(
            QueueUrl=world.queues.url("DELIVERY_REGULAR_DEAD_QUEUE_URL"),
            MessageBody=body,
            MessageGroupId="application:shop",
        )
    return bodies


def bodies_in(url: str) -> Counter[str]:
    return Counter(message["Body"] for message in dead_queues.look_into(boto3.client("sqs"), url, 100))


def test_dead_letters_are_shown_and_stay(world: World, dead: list[str], run: Manage) -> None:
    said = run("dead-letters").splitlines()
    assert "delivery-regular: 12 dead letters, 0 more are hidden at this moment" in said
    assert "fan-out-express: 0 dead letters, 0 more are hidden at this moment" in said
    assert sum("application:shop  received" in line for line in said) == 12
    assert sum("not JSON: 'not { JSON'" in line for line in said) == 1
    assert "Anna" not in "".join(said)
    assert "@" not in "".join(said)
    assert bodies_in(world.queues.url("DELIVERY_REGULAR_DEAD_QUEUE_URL")) == Counter(dead)
    assert len(run("dead-letters", "delivery-regular", "--limit", "3").splitlines()) == 4


def test_dead_letters_are_moved_back(world: World, dead: list[str], run: Manage) -> None:
    assert run("move-back", "delivery-regular") == "12 messages are in delivery-regular again\n"
    assert bodies_in(world.queues.url("DELIVERY_REGULAR_DEAD_QUEUE_URL")) == Counter()
    moved = dead_queues.look_into(boto3.client("sqs"), world.queues.url("DELIVERY_REGULAR_QUEUE_URL"), 100)
    assert Counter(each["Body"] for each in moved) == Counter(dead)
    assert {each["Attributes"]["MessageGroupId"] for each in moved} == {"application:shop"}


def test_what_the_queue_does_not_take_stays_among_the_dead_letters(
    world: World, dead: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = boto3.client("sqs")
    answer = {
        "Successful": [{"Id": str(number)} for number in range(1, 10)],
        "Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}],
    }
    monkeypatch.setattr(client, "send_message_batch", lambda **_: answer)
    with pytest.raises(DeploymentError, match=r"1 messages were not taken \(InternalError\)"):
        dead_queues.move_back(client, "delivery-regular")
    left = dead_queues.depth_of(client, world.queues.url("DELIVERY_REGULAR_DEAD_QUEUE_URL"))
    assert (left.visible, left.hidden) == (2, 1)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ('{"v": 1, "dispatch": "d", "address": "a@b.c"}', '{"v": 1, "dispatch": "d"}'),
        ("[1]", "no message: '[1]'"),
    ],
)
def test_a_body_as_it_is_shown(body: str, shown: str) -> None:
    assert dead_queues.shown_body(body) == shown


def test_a_dead_letter_that_is_moved_back_is_sent_once(world: World) -> None:
    """As `move-back` has it: a copy comes again of what was worked already, and of what was not."""
    world.knows([ANNA, BORIS])
    dispatch = world.submit([ANNA, BORIS])
    world.settle()
    for position, user in enumerate([ANNA, BORIS]):
        world.queues.put("DELIVERY_REGULAR_QUEUE_URL", delivery(dispatch.id, user, position=position).dump())
    world.settle()
    assert set(world.channel.addresses().values()) == {1}
    assert json.dumps(world.counts(dispatch)) == '{"sent": 2}'
