"""Express never waits for regular."""

import pytest

from localstack.capabilities import Capability
from tests.support.deployment import COLD_SECONDS, Deployment, people
from tests.support.smtp import Hold, ScriptedSmtp
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.needs(Capability.KEEPS_UP)]

REGULAR = 2_000
RETRY_SECONDS = 45.0
"""A regular mail that failed is tried again 30 s later, give or take a quarter."""

FLOW_SECONDS = 120.0
"""For 2,000 mails on a machine that others use too; alone it takes a quarter of that."""


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


def test_express_is_delivered_while_the_server_holds_every_regular_mail(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    crowd, (urgent, second) = people(REGULAR, "regular"), people(2, "urgent")
    vestnik.add_people([*crowd, urgent, second])
    smtp.script(Hold(), to="regular-*")
    regular = vestnik.send(crowd)
    wait_until(lambda: smtp.held("regular-*"), COLD_SECONDS, "a regular mail that is held")
    wait_until(lambda: len(vestnik.queued("DELIVERY_REGULAR")) == REGULAR, COLD_SECONDS, "the whole backlog")

    express = vestnik.send([urgent], express=True)
    smtp.wait_for_mails(1, COLD_SECONDS, to=urgent.email)
    # Again, with functions that are warm: this time it takes no longer than when nothing else is sent.
    warm = vestnik.send([second], express=True)
    smtp.wait_for_mails(1, 5, to=second.email)

    assert smtp.held("regular-*") > 0
    assert smtp.mails(to="regular-*") == []
    assert vestnik.counts(regular)["queued"] == REGULAR
    for sent in (express, warm):
        vestnik.wait_for(sent, sent=1)

    smtp.behave()
    smtp.wait_for_mails(REGULAR, FLOW_SECONDS + RETRY_SECONDS, to="regular-*")
    vestnik.wait_for(regular, sent=REGULAR)
    assert smtp.counts("regular-*") == dict.fromkeys((person.email for person in crowd), 1)
    assert smtp.overlapping() == set()
