"""What could not be handled is seen, and what did not reach a queue gets there."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.deployment import COLD_SECONDS, Deployment, Sent, people
from tests.support.smtp import ScriptedSmtp
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

NOWHERE = "vestnik-nowhere"
QUEUES = ["FAN_OUT_EXPRESS", "FAN_OUT_REGULAR", "DELIVERY_EXPRESS", "DELIVERY_REGULAR"]


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


def message_for_nobody(queue: str, mark: str) -> str:
    place = {"chunks": [0, 1]} if queue.startswith("FAN_OUT") else {"at": [0, 0], "address": "a@example.com"}
    return json.dumps({"v": 1, "dispatch": mark, "user": str(uuid.uuid4()), **place})


def test_messages_that_fail_five_times_leave_by_the_dead_letters(vestnik: Deployment) -> None:
    marks: list[str] = []
    with ExitStack() as soon:
        for queue in QUEUES:  # at once: five failures take some seconds
            soon.enter_context(vestnik.failing_soon(queue))
            unknown = str(uuid.uuid4())
            poison = vestnik.put_into(queue, "not { JSON")
            vestnik.put_into(queue, message_for_nobody(queue, unknown))
            marks += [poison, unknown]
        wait_until(
            lambda: vestnik.has_logged("DeadLetters", marks),
            2 * COLD_SECONDS, "all of them among the dead letters",
        )  # fmt: skip

    for queue in QUEUES:
        vestnik.wait_for_queued(queue, 0)
        vestnik.wait_for_queued(f"{queue}_DEAD", 0)


def test_a_recipient_whose_message_fails_five_times_is_failed_as_a_dead_letter(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    persons = vestnik.add_people(people(3))
    with (
        vestnik.failing_soon("DELIVERY_EXPRESS"),
        vestnik.with_environment("DeliverExpress", NOTIFICATIONS_TABLE=NOWHERE),
    ):
        sent = vestnik.send(persons, express=True)
        vestnik.wait_for(sent, failed=3)

    assert {(each.status, each.reason) for each in vestnik.recipients(sent).values()} == {
        ("failed", "dead_letter")
    }
    assert smtp.mails() == []


def test_of_a_fan_out_message_that_fails_five_times_every_recipient_is_failed_as_a_dead_letter(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    persons = vestnik.add_people(people(120))
    with (
        vestnik.failing_soon("FAN_OUT_EXPRESS"),
        vestnik.with_environment("FanOutExpress", DISPATCHES_TABLE=NOWHERE),
    ):
        sent = vestnik.send(persons, express=True)
        vestnik.wait_for(sent, failed=120)

    assert {each.reason for each in vestnik.recipients(sent).values()} == {"dead_letter"}
    assert smtp.mails() == []


def sweep_by_two_at_once(vestnik: Deployment) -> list[dict[str, int]]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda _: vestnik.sweep(), range(2)))


def assert_each_has_exactly_one(
    vestnik: Deployment, smtp: ScriptedSmtp, sent: Sent, emails: list[str]
) -> None:
    vestnik.wait_for(sent, sent=len(emails))
    wait_until(lambda: vestnik.queued("DELIVERY_EXPRESS") == [], COLD_SECONDS, "an empty queue")
    assert smtp.counts() == dict.fromkeys(emails, 1)


def test_what_the_queue_refused_is_unsent_until_the_sweep_has_sent_it_once(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    persons = vestnik.add_people(people(30))
    out_of_reach = vestnik.url_of("DELIVERY_EXPRESS") + "-nowhere"
    with vestnik.without_rules():
        with vestnik.with_environment("FanOutExpress", DELIVERY_EXPRESS_QUEUE_URL=out_of_reach):
            sent = vestnik.send(persons, express=True)
            vestnik.wait_for(sent, unsent=30)
        shown = vestnik.recipients(sent).values()
        assert {(each.status, each.reason) for each in shown} == {("unsent", "queue unavailable")}
        assert {each.shown["is_sent_to_queue"] for each in shown} == {False}
        assert smtp.mails() == []

        swept = sweep_by_two_at_once(vestnik)
        assert max(each.get("requeued", 0) for each in swept) == 30
        assert_each_has_exactly_one(vestnik, smtp, sent, [person.email for person in persons])
        assert not vestnik.sweep().get("requeued")


def test_an_accepted_notification_that_reached_no_queue_is_sent_once_by_the_sweep(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    persons = vestnik.add_people(people(30))
    out_of_reach = vestnik.url_of("FAN_OUT_EXPRESS") + "-nowhere"
    with vestnik.without_rules():
        with vestnik.with_environment("APIHandler", FAN_OUT_EXPRESS_QUEUE_URL=out_of_reach):
            sent = vestnik.send(persons, express=True)
        assert vestnik.counts(sent)["queued"] == 30
        assert not vestnik.sweep().get("dispatches sent"), "it is younger than a minute"

        a_minute_has_passed(vestnik, sent)
        swept = sweep_by_two_at_once(vestnik)
        assert max(each.get("dispatches sent", 0) for each in swept) == 1
        assert_each_has_exactly_one(vestnik, smtp, sent, [person.email for person in persons])
        assert not vestnik.sweep().get("dispatches sent")


def a_minute_has_passed(vestnik: Deployment, sent: Sent) -> None:
    row = vestnik.row("DISPATCHES_TABLE", id=sent.dispatch_id)
    assert row is not None
    earlier = datetime.now(UTC) - timedelta(seconds=61)
    due_at = earlier.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    vestnik.put("DISPATCHES_TABLE", {**row, "due_at": due_at})
