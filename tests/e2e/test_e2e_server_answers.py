"""What follows from what the mail server answers."""

import pytest

from tests.support.deployment import Deployment, people
from tests.support.smtp import Refuse, ScriptedSmtp, Step, Vanish

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


@pytest.mark.parametrize(
    "answer",
    [
        Refuse("451 4.7.1 Greylisted, come back later", times=1),
        Refuse("452 4.3.1 Mailbox full for the moment", at=Step.END, times=1),
        Refuse("421 4.3.2 Shutting down", times=1),
    ],
    ids=lambda answer: f"{answer.reply[:3]} at {answer.at}",
)
def test_for_the_time_being_costs_one_attempt_more(
    vestnik: Deployment, smtp: ScriptedSmtp, answer: Refuse
) -> None:
    listed, other = vestnik.add_people(people(2))
    smtp.script(answer, to=listed.email)
    sent = vestnik.send([listed, other], express=True)
    vestnik.wait_for(sent, sent=2)

    assert smtp.counts() == {listed.email: 1, other.email: 1}
    assert vestnik.recipient(sent, listed).attempts == 2
    assert vestnik.recipient(sent, other).attempts == 1
    row = vestnik.row("USERS_NOTIFICATIONS_TABLE", user_id=listed.user_id, dispatch_id=sent.dispatch_id)
    assert row is not None
    assert f"smtp {answer.reply[:3]}" in row["last_attempts"]


@pytest.mark.parametrize(
    "answer",
    [Refuse("550 5.1.1 No such user here"), Refuse("554 5.7.1 Looks like spam", at=Step.END)],
    ids=lambda answer: f"{answer.reply[:3]} at {answer.at}",
)
def test_a_final_refusal_is_final_and_says_why(
    vestnik: Deployment, smtp: ScriptedSmtp, answer: Refuse
) -> None:
    refused, other = vestnik.add_people(people(2))
    smtp.script(answer, to=refused.email)
    sent = vestnik.send([refused, other], express=True)
    vestnik.wait_for(sent, sent=1, failed=1)

    shown = vestnik.recipient(sent, refused)
    assert (shown.status, shown.attempts) == ("failed", 1)
    assert shown.reason == f"smtp {answer.reply[:3]}: {answer.reply[4:]}"
    assert vestnik.recipient(sent, other).status == "sent"
    assert smtp.counts() == {other.email: 1}
    assert smtp.attempts(refused.email) == 1


def test_a_connection_lost_after_the_last_byte_may_give_two_mails_of_one_message_id(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    unlucky, other = vestnik.add_people(people(2))
    smtp.script(Vanish(Step.END, times=1), to=unlucky.email)
    sent = vestnik.send([unlucky, other], express=True)
    vestnik.wait_for(sent, sent=2)

    assert smtp.counts() == {unlucky.email: 2, other.email: 1}
    assert list(smtp.message_ids(to=unlucky.email).values()) == [2]
    assert smtp.overlapping() == set()
    shown = vestnik.recipient(sent, unlucky)
    assert (shown.status, shown.attempts) == ("sent", 2)
