"""A message may come twice, as SQS allows itself; its mail goes out once."""

import pytest

from tests.support.deployment import COLD_SECONDS, Deployment, people
from tests.support.smtp import Hold, ScriptedSmtp
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

QUEUE = "DELIVERY_EXPRESS"


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


def test_messages_that_come_again_after_the_mail_was_sent_change_nothing(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    persons = vestnik.add_people(people(10))
    with vestnik.paused("DeliverExpress"):
        sent = vestnik.send(persons, express=True)
        vestnik.wait_for_queued(QUEUE, len(persons))
        messages = vestnik.queued(QUEUE)
    vestnik.wait_for(sent, sent=len(persons))
    before = vestnik.recipients(sent)

    for message in messages:
        vestnik.send_again(QUEUE, message)
    vestnik.wait_for_queued(QUEUE, 0)

    assert smtp.counts() == dict.fromkeys((person.email for person in persons), 1)
    assert vestnik.recipients(sent) == before


def test_a_message_that_comes_again_while_its_mail_is_under_way_is_put_off_until_the_lease_has_ended(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    (person,) = vestnik.add_people(people(1))
    smtp.script(Hold())
    with vestnik.paused("DeliverExpress"):
        sent = vestnik.send([person], express=True)
        vestnik.wait_for_queued(QUEUE, 1)
        (message,) = vestnik.queued(QUEUE)
    wait_until(lambda: smtp.held(), COLD_SECONDS, "the mail in the server's hands")
    try:
        vestnik.send_again(QUEUE, message)
        (put_off,) = wait_until(
            lambda: [each for each in vestnik.queued(QUEUE) if each.visible_at > each.sent_at + 1 and
                     each.receive_count == 0],
            COLD_SECONDS, "a new message, later",
        )  # fmt: skip
        smtp.release()
        vestnik.wait_for(sent, sent=1)

        assert put_off.body == message.body
        assert smtp.counts() == {person.email: 1}
        assert smtp.attempts(person.email) == 1
        assert vestnik.recipient(sent, person).attempts == 1
    finally:
        vestnik.sqs.purge_queue(QueueUrl=vestnik.url_of(QUEUE))  # what was put off would come in 20 s
