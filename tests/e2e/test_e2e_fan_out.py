"""One notification for 250 people, some of whom must not or cannot be reached."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.support.deployment import COLD_SECONDS, Deployment, Person, Sent, Watch, people
from tests.support.smtp import ScriptedSmtp

pytestmark = pytest.mark.e2e

STEP = 5
"""Seconds: long enough to see the second and third hundred wait, short enough for a test."""

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


class Progress:
    """What is seen of a notification from outside, while it is on its way."""

    def __init__(self, vestnik: Deployment, sent: Sent) -> None:
        self._vestnik = vestnik
        self._sent = sent
        self.statuses: set[str] = set()
        self.visible_at: dict[str, tuple[int, int]] = {}

    def look(self) -> None:
        counts = self._vestnik.counts(self._sent)
        assert sum(counts.values()) == 250, counts
        self.statuses |= {status for status, number in counts.items() if number}
        for message in self._vestnik.queued("DELIVERY_REGULAR"):
            if message.receive_count == 0 and message.body["dispatch"] == self._sent.dispatch_id:
                assert message.group == "application:e2e"
                self.visible_at[message.body["user"]] = (message.body["at"][0], message.visible_at)


def test_everyone_who_should_gets_one_mail_when_it_is_due_and_the_others_a_reason(
    vestnik: Deployment, smtp: ScriptedSmtp, crowd: list[Person]
) -> None:
    wanted = [person for position, person in enumerate(crowd) if position not in REASONS]
    twice = crowd[TWICE].user_id.replace("-", "").upper()
    sent = vestnik.send([*crowd[:200], twice, *crowd[200:]])
    assert sent.recipients == 250
    progress = Progress(vestnik, sent)
    with Watch(progress.look) as watch:
        vestnik.wait_for(sent, COLD_SECONDS + 2 * STEP, queued=0)

    assert watch.looks > 20
    assert {"queued", "sent", "unsubscribed", "wrong_contact"} == progress.statuses
    assert vestnik.counts(sent) == {
        "sent": 236, "unsubscribed": 6, "wrong_contact": 8,
        "queued": 0, "unsent": 0, "failed": 0, "cancelled": 0,
    }  # fmt: skip
    assert smtp.counts() == Counter(person.email for person in wanted)
    assert max(smtp.message_ids().values()) == 1
    _each_row_says_why(vestnik, sent, crowd)
    _each_hundred_is_due_a_step_later(vestnik, smtp, sent, crowd, progress)


def _each_row_says_why(vestnik: Deployment, sent: Sent, crowd: list[Person]) -> None:
    recipients = vestnik.recipients(sent)
    assert list(recipients) == [person.user_id for person in crowd]
    for position, person in enumerate(crowd):
        recipient = recipients[person.user_id]
        assert (recipient.status, recipient.reason) == REASONS.get(position, ("sent", None))
        assert recipient.attempts == (0 if position in REASONS else 1)


def _each_hundred_is_due_a_step_later(
    vestnik: Deployment, smtp: ScriptedSmtp, sent: Sent, crowd: list[Person], progress: Progress
) -> None:
    begin = datetime.fromisoformat(
        vestnik.get(f"/api/v1/notifications/{sent.id}/")["dispatches"][0]["due_at"]
    )
    due = [begin + timedelta(seconds=STEP * chunk) for chunk in range(3)]
    recipients = vestnik.recipients(sent)
    for position, person in enumerate(crowd):
        shown = recipients[person.user_id].due_at
        assert shown is not None
        assert datetime.fromisoformat(shown) == due[position // 100]
    # In the queue: of the second and third hundred every message is there, waiting for its moment.
    assert {user for user, (chunk, _) in progress.visible_at.items() if chunk} == {
        person.user_id for position, person in enumerate(crowd) if position >= 100 and position not in REASONS
    }
    for chunk, visible_at in progress.visible_at.values():
        if chunk:
            # Whole seconds of delay, rounded up, from when it was sent; and MiniStack shows it rounded down.
            assert -1 < visible_at - due[chunk].timestamp() < 3
    # And nobody had it early.
    chunks = {person.email: position // 100 for position, person in enumerate(crowd)}
    for mail in smtp.mails():
        assert mail.at >= due[chunks[mail.recipient]].timestamp()
