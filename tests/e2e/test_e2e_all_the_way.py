"""One notification for 250 people, some of whom must not or cannot be reached."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.support.deployment import COLD_SECONDS, Deployment, Person, Sent, Watch, people
from tests.support.queue_page import QueuedMessage
from tests.support.smtp import ScriptedSmtp

pytestmark = pytest.mark.e2e

STEP = 5
"""Seconds: long enough to see the second and third hundred wait, short enough for a test.

Only here there is one. This file comes first: to change the parameters costs more when more workers run.
"""

UNSUBSCRIBED = [3, 104, 205]
MAIL_UNSUBSCRIBED = [7, 108, 209]
WRONG = [11, 112, 213]
EMPTY = [15, 116]
UNKNOWN = [19, 120, 249]
OTHER_CHANNEL_UNSUBSCRIBED = 23
TWICE = 42

REASONS = {
    **dict.fromkeys(UNSUBSCRIBED + MAIL_UNSUBSCRIBED, ("unsubscribed", "unsubscribed")),
    **dict.fromkeys(WRONG, ("wrong_contact", "not a valid email")),
    **dict.fromkeys(EMPTY, ("wrong_contact", "no email")),
    **dict.fromkeys(UNKNOWN, ("wrong_contact", "unknown to the directory")),
}


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy(ThrottleStepSeconds=STEP)


@pytest.fixture
def crowd(vestnik: Deployment) -> list[Person]:
    """250 users; what is special about some is as the lists above say."""
    crowd = people(250)
    for position in WRONG:
        crowd[position] = replace(crowd[position], email="nobody at nowhere")
    for position in EMPTY:
        crowd[position] = replace(crowd[position], email="")
    vestnik.add_people([person for position, person in enumerate(crowd) if position not in UNKNOWN])
    for position in UNSUBSCRIBED:
        vestnik.unsubscribe(crowd[position], "*")
    for position in MAIL_UNSUBSCRIBED:
        vestnik.unsubscribe(crowd[position], "mail")
    vestnik.unsubscribe(crowd[OTHER_CHANNEL_UNSUBSCRIBED], "telegram")
    return crowd


def assert_counts_add_up(vestnik: Deployment, sent: Sent, seen: set[str]) -> None:
    counts = vestnik.counts(sent)
    assert sum(counts.values()) == 250, counts
    seen |= {status for status, number in counts.items() if number}


def test_everyone_who_should_gets_one_mail_when_it_is_due_and_the_others_a_reason(
    vestnik: Deployment, smtp: ScriptedSmtp, crowd: list[Person]
) -> None:
    strangers = vestnik.send(people(250))
    vestnik.wait_for(strangers, wrong_contact=250)  # now fan out is warm, and in time for the second hundred
    wanted = [person for position, person in enumerate(crowd) if position not in REASONS]
    twice = crowd[TWICE].user_id.replace("-", "").upper()
    seen: set[str] = set()
    with vestnik.paused("DeliverRegular"):
        sent = vestnik.send([*crowd[:200], twice, *crowd[200:]])
        assert sent.recipients == 250
        watch = Watch(lambda: assert_counts_add_up(vestnik, sent, seen))
        with watch:
            vestnik.wait_for_queued("DELIVERY_REGULAR", len(wanted))
            queued = vestnik.queued("DELIVERY_REGULAR")
            vestnik.resume("DeliverRegular")
            vestnik.wait_for(sent, COLD_SECONDS + 2 * STEP, queued=0)

    assert watch.looks > 20
    assert seen == {"queued", "sent", "unsubscribed", "wrong_contact"}
    assert vestnik.counts(sent) == {
        "sent": 236, "unsubscribed": 6, "wrong_contact": 8,
        "queued": 0, "unsent": 0, "failed": 0, "cancelled": 0,
    }  # fmt: skip
    assert smtp.counts() == Counter(person.email for person in wanted)
    assert max(smtp.message_ids().values()) == 1
    due = _each_row_says_why(vestnik, sent, crowd)
    _each_message_waits_for_its_moment(queued, due, wanted)
    _nobody_had_it_early(smtp, due, crowd)


def _each_row_says_why(vestnik: Deployment, sent: Sent, crowd: list[Person]) -> list[float]:
    """And when it is due: the moments of the three hundreds."""
    begin = vestnik.get(f"/api/v1/notifications/{sent.id}/")["dispatches"][0]["due_at"]
    due = [datetime.fromisoformat(begin) + timedelta(seconds=STEP * chunk) for chunk in range(3)]
    recipients = vestnik.recipients(sent)
    assert list(recipients) == [person.user_id for person in crowd]
    for position, person in enumerate(crowd):
        recipient = recipients[person.user_id]
        assert (recipient.status, recipient.reason) == REASONS.get(position, ("sent", None))
        assert recipient.attempts == (0 if position in REASONS else 1)
        assert recipient.due_at is not None
        assert datetime.fromisoformat(recipient.due_at) == due[position // 100]
    return [moment.timestamp() for moment in due]


def _each_message_waits_for_its_moment(
    queued: list[QueuedMessage], due: list[float], wanted: list[Person]
) -> None:
    assert {message.body["user"] for message in queued} == {person.user_id for person in wanted}
    for message in queued:
        assert message.group == "application:e2e"
        chunk = message.body["at"][0]
        # SQS delays by whole seconds, so they are rounded up; the emulator shows them rounded down.
        moment = max(due[chunk], message.sent_at)
        assert moment - 1 < message.visible_at <= moment + 2
        assert chunk < 2 or message.sent_at < due[chunk] - 1, "sent too late to show that it waits"


def _nobody_had_it_early(smtp: ScriptedSmtp, due: list[float], crowd: list[Person]) -> None:
    chunks = {person.email: position // 100 for position, person in enumerate(crowd)}
    for mail in smtp.mails():
        assert mail.at >= due[chunks[mail.recipient]]
