"""A mail server that is slow, dribbles, vanishes or is gone: leases are kept and nothing is lost.

All by express, whose pauses between attempts are short. A send may take 10 s, its function 20 s.
"""

from collections import defaultdict

import pytest

from tests.support.deployment import COLD_SECONDS, Deployment, Person, Sent, Watch, people
from tests.support.smtp import Dribble, ScriptedSmtp, Slow, Step, Vanish
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

BATCH = 5
RECIPIENTS = 2 * BATCH
SMTP_SECONDS = 10
FUNCTION_SECONDS = 20


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


class Messages:
    """How many messages there were for each recipient: one more for each time it was put off."""

    def __init__(self, vestnik: Deployment) -> None:
        self._vestnik = vestnik
        self._ids: dict[str, set[str]] = defaultdict(set)

    def look(self) -> None:
        for message in self._vestnik.queued("DELIVERY_EXPRESS"):
            self._ids[message.body["user"]].add(message.id)
            assert message.receive_count <= 1, "a message came again by its visibility"

    def further(self, person: Person) -> int:
        return len(self._ids[person.user_id]) - 1


def send_in_full_batches(vestnik: Deployment, crowd: list[Person]) -> Sent:
    """Send, and let deliver begin when every message is there, so that it takes whole batches."""
    vestnik.add_people(crowd)
    with vestnik.paused("DeliverExpress"):
        sent = vestnik.send(crowd, express=True)
        wait_until(
            lambda: len(vestnik.queued("DELIVERY_EXPRESS")) == len(crowd), COLD_SECONDS, "every message"
        )
    return sent


def assert_each_has_exactly_one(
    vestnik: Deployment, smtp: ScriptedSmtp, sent: Sent, crowd: list[Person]
) -> None:
    vestnik.wait_for(sent, 3 * FUNCTION_SECONDS, sent=len(crowd))
    wait_until(lambda: not vestnik.queued("DELIVERY_EXPRESS"), COLD_SECONDS, "an empty queue")
    assert smtp.counts() == dict.fromkeys((person.email for person in crowd), 1)
    assert smtp.overlapping() == set()
    assert vestnik.queued("DELIVERY_EXPRESS_DEAD") == []


def test_under_a_slow_server_what_does_not_fit_is_handed_back_and_sent_at_its_first_attempt(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    # Five answers to the first mail of a connection, three to the next: of a whole batch two fit.
    crowd = people(BATCH)
    smtp.script(Slow(0.8))
    messages = Messages(vestnik)
    with Watch(messages.look) as watch:
        sent = send_in_full_batches(vestnik, crowd)
        assert_each_has_exactly_one(vestnik, smtp, sent, crowd)

    assert watch.looks > 20
    assert {each.attempts for each in vestnik.recipients(sent).values()} == {1}
    assert sum(messages.further(person) for person in crowd) >= 2


def test_under_a_dribbling_server_a_send_ends_in_time_and_the_rest_is_handed_back(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    crowd = people(RECIPIENTS)
    smtp.script(Dribble())
    messages = Messages(vestnik)
    with Watch(messages.look):
        sent = send_in_full_batches(vestnik, crowd)
        # Two whole batches are under way; the first send of each ends by our own limit.
        wait_until(
            lambda: sum(each.attempts for each in vestnik.recipients(sent).values()) >= 2,
            COLD_SECONDS + SMTP_SECONDS, "two failed attempts",
        )  # fmt: skip
        failed = [each for each in vestnik.recipients(sent).values() if each.attempts]
        assert {each.reason for each in failed} == {f"smtp: no end after {SMTP_SECONDS} s"}
        assert {each.status for each in failed} <= {"queued", "sending"}
        assert smtp.mails() == []
        smtp.behave()
        assert_each_has_exactly_one(vestnik, smtp, sent, crowd)

    attempts = vestnik.recipients(sent)
    handed_back = [messages.further(each) - (attempts[each.user_id].attempts - 1) for each in crowd]
    assert sum(handed_back) >= 2


@pytest.mark.parametrize("step", [Step.CONNECT, Step.MAIL, Step.RCPT])
def test_when_the_server_vanishes_in_the_middle_it_is_tried_again(
    vestnik: Deployment, smtp: ScriptedSmtp, step: Step
) -> None:
    crowd = people(RECIPIENTS)
    smtp.script(Vanish(step, times=1 if step is Step.RCPT else RECIPIENTS))
    sent = send_in_full_batches(vestnik, crowd)

    assert_each_has_exactly_one(vestnik, smtp, sent, crowd)
    attempts = [each.attempts for each in vestnik.recipients(sent).values()]
    assert sum(attempts) > RECIPIENTS
    if step is Step.RCPT:
        assert set(attempts) == {2}


def test_while_the_server_is_gone_everyone_waits_and_is_sent_to_when_it_is_back(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    crowd = people(RECIPIENTS)
    smtp.refuse_connections()
    try:
        sent = send_in_full_batches(vestnik, crowd)
        wait_until(
            lambda: all(each.attempts for each in vestnik.recipients(sent).values()),
            COLD_SECONDS, "an attempt for everyone",
        )  # fmt: skip
        assert vestnik.counts(sent)["queued"] == RECIPIENTS
        assert all("smtp" in (each.reason or "") for each in vestnik.recipients(sent).values())
    finally:
        smtp.come_back()
    assert_each_has_exactly_one(vestnik, smtp, sent, crowd)
