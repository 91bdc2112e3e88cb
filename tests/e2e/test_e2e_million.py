"""An audience of a million: made in parts through the API, and dispatched as far as time lets it go.

With the longest step only the first chunk is due. The messages of the first levels of the tree then lie in
the queue and can be counted; tests/unit/services/test_fan_out_simulated.py works the whole of it.
"""

import json
from typing import Any
from uuid import UUID

import pytest

from localstack.capabilities import Capability
from tests.support.deployment import COLD_SECONDS, Deployment, Person, Sent
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.needs(Capability.KEEPS_UP)]

PARTS = 10
PART = 100_000
RECIPIENTS = PARTS * PART
CHUNKS = RECIPIENTS // 100
STEP_SECONDS = 3600
FAN_OUT, DELIVERY = "FAN_OUT_REGULAR", "DELIVERY_REGULAR"


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy(ThrottleStepSeconds=STEP_SECONDS)


def ask(
    vestnik: Deployment, method: str, path: str, body: bytes, content_type: str = "application/json"
) -> Any:
    headers = {"Authorization": vestnik.authorization, "Content-Type": content_type}
    answer = vestnik.call(method, path, body, headers)
    assert answer.status in (200, 201), answer
    return answer.json()


def part(number: int) -> bytes:
    """A list of 100,000 ids; the last of each part is the first of the next."""
    first = number * PART - number
    return b"\n".join(b"%032x" % (user + 1) for user in range(first, first + PART))


def test_a_million_users_are_a_tree_of_which_the_first_levels_are_sent(vestnik: Deployment) -> None:
    audience = ask(vestnik, "POST", "/api/v1/audiences/", b"{}")["id"]
    path = f"/api/v1/audiences/{audience}"
    for number in range(PARTS):
        put = ask(vestnik, "PUT", f"{path}/parts/{number + 1}/", part(number), "text/csv")
        assert put["users"] == (number + 1) * PART
    done = ask(vestnik, "POST", f"{path}/complete/", b"")
    recipients = RECIPIENTS - (PARTS - 1)
    assert (done["state"], done["recipients"], done["duplicates"]) == ("complete", recipients, PARTS - 1)

    vestnik.add_people(
        [Person(f"user-{user}@example.com", user_id=str(UUID(int=user + 1))) for user in range(2)]
    )
    with vestnik.paused("DeliverRegular"):
        body = {"type": "mail", "title": "News", "text": "There is something new.", "audience_id": audience}
        created = ask(vestnik, "POST", "/api/v1/notifications/", json.dumps(body).encode())
        try:
            assert created["recipients"] == recipients
            sent = Sent(created["id"], created["dispatch_id"], recipients)
            # Of each level the first part is taken up; the nine others wait for their time.
            wait_until(lambda: len(vestnik.queued(FAN_OUT)) == 36, COLD_SECONDS, "36 messages of the tree")
            ranges = sorted(tuple(message.body["chunks"]) for message in vestnik.queued(FAN_OUT))
            assert ranges == sorted(
                (size * number, size * (number + 1)) for size in (1, 10, 100, 1000) for number in range(1, 10)
            )
            waiting = vestnik.queued(FAN_OUT)
            assert all(895 <= each.visible_at - each.sent_at <= 900 for each in waiting)
            # The first chunk is worked: two contacts are known, ninety-eight are not.
            vestnik.wait_for_queued(DELIVERY, 2)
            vestnik.wait_for(sent, wrong_contact=98, queued=recipients - 98)
        finally:
            for queue in (FAN_OUT, DELIVERY):
                vestnik.sqs.purge_queue(QueueUrl=vestnik.url_of(queue))

    headers = {"Authorization": vestnik.authorization}
    assert vestnik.call("DELETE", f"{path}/", headers=headers).status == 204
    assert vestnik.call("GET", f"{path}/", headers=headers).status == 404
    page = vestnik.get(f"/api/v1/notifications/{sent.id}/recipients/?limit=2")["results"]
    assert [each["user_id"] for each in page] == [str(UUID(int=1)), str(UUID(int=2))]
