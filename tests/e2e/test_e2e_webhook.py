"""Webhooks through the deployed functions: each kind of answer, and what follows from it."""

import json
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import quote

import pytest

from chalicelib.domain.times import parse, utc_now
from tests.support.channel_posts import TEXT, TITLE, new_user, post, row_with, wait_until_suppressed
from tests.support.deployment import COLD_SECONDS, Deployment
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import (
    Behaviour,
    Close,
    Dribble,
    Hold,
    Nonsense,
    Status,
    WebhookReceiver,
)

pytestmark = pytest.mark.e2e

KEY = "key-of-the-receiver"
RETRY_AFTER_SECONDS = 5


@pytest.fixture(scope="module", autouse=True)
def manager(vestnik: Deployment) -> str:
    """The Authorization header of who manages contacts."""
    vestnik.deploy()
    return vestnik.register_application("webhooks", "manage")


@pytest.fixture(scope="module")
def may_post_to_loopback(vestnik: Deployment, manager: str) -> None:
    """Of the first test that wants it on."""
    vestnik.deploy(WebhookNetworks="127.0.0.0/8")


@pytest.fixture
def receiver(may_post_to_loopback: None) -> Iterator[WebhookReceiver]:
    """One that may be posted to."""
    with WebhookReceiver() as started:
        yield started


def administrator(vestnik: Deployment) -> str:
    """Whoever may see the secrets of receivers."""
    login = f"anna-{uuid.uuid4().hex[:8]}"
    vestnik.create_administrator(login)
    return f"Bearer {vestnik.manage('token', login).strip()}"


def subscriber(vestnik: Deployment, manager: str, receiver: WebhookReceiver, path: str = f"/{KEY}") -> str:
    return new_user(vestnik, manager, webhook_url=receiver.url(path))


def test_a_host_that_is_not_public_is_not_connected_to(vestnik: Deployment, manager: str) -> None:
    """`localhost` is 127.0.0.1 by name; without the setting neither is posted to."""
    refused = vestnik.call(
        "PUT", f"/api/v1/contacts/{uuid.uuid4()}/", b'{"webhook_url": "http://127.0.0.1/"}',
        {"Authorization": manager, "Content-Type": "application/json"},
    )  # fmt: skip
    assert refused.status == 422
    user = str(uuid.uuid4())
    with WebhookReceiver() as inside:
        # As one that was put when it was allowed.
        others = json.dumps({"webhook_url": inside.url(f"/{KEY}")})
        vestnik.put("CONTACTS_TABLE", {"user_id": user, "others": others})
        named = new_user(vestnik, manager, webhook_url=f"https://localhost:{inside.port}/{KEY}")
        sent = post(vestnik, "webhook", [user, named])
        vestnik.wait_for(sent, wrong_contact=1, failed=1)
        assert inside.got() == []
    assert {each: vestnik.recipients(sent)[each].reason for each in (user, named)} == {
        user: "not a valid webhook_url", named: "localhost: its address is not a public one",
    }  # fmt: skip


@pytest.mark.parametrize("express", [True, False], ids=["express", "regular"])
def test_a_notification_is_posted_and_signed_by_the_secret_that_is_shown(
    vestnik: Deployment, manager: str, receiver: WebhookReceiver, express: bool
) -> None:
    user = subscriber(vestnik, manager, receiver)
    sent = post(vestnik, "webhook", [user], express=express)
    row = row_with(vestnik, sent, user, status="sent")
    assert (row["attempts"], row["provider_id"]) == (1, "200")
    (got,) = receiver.got(f"/{KEY}")
    url = receiver.url(f"/{KEY}")
    shown = vestnik.ask(
        "GET", f"/api/v1/webhook_secret/?url={quote(url, safe='')}", None, administrator(vestnik)
    )
    assert got.is_signed_by(shown["secret"])
    assert vestnik.manage("webhook-secret", url).strip() == shown["secret"]
    assert not got.is_signed_by(vestnik.manage("webhook-secret", f"{url}x").strip())
    said = got.body["data"]
    assert (said["title"], said["text"], said["user_id"]) == (TITLE, TEXT, user)
    assert said["notification_id"] == sent.id
    link = vestnik.call("POST", said["unsubscribe_url"])
    assert link.status in (200, 204), link
    refused = post(vestnik, "webhook", [user])
    vestnik.wait_for(refused, unsubscribed=1)
    assert len(receiver.got()) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Status(500), "127.0.0.1: status 500"),
        (Status(503), "127.0.0.1: status 503"),
        (Status(408), "127.0.0.1: status 408"),
        (Close(), "127.0.0.1: no answer: RemoteDisconnected"),
        (Nonsense(), "127.0.0.1: no answer: BadStatusLine"),
        (Hold(), r"127.0.0.1: no answer within \d.\d s"),
        (Dribble(), r"127.0.0.1: no answer within \d.\d s"),
    ],
    ids=str,
)
def test_what_may_be_better_later_is_tried_again(
    vestnik: Deployment, manager: str, receiver: WebhookReceiver, answer: Behaviour, reason: str
) -> None:
    user = subscriber(vestnik, manager, receiver)
    receiver.answer(answer, times=1)
    sent = post(vestnik, "webhook", [user])
    row = row_with(vestnik, sent, user, status="queued", attempts=1)
    assert re.fullmatch(reason, row["reason"])
    assert row["not_before"] > row["updated_at"]
    row = row_with(vestnik, sent, user, status="sent")
    assert row["attempts"] == 2
    assert list(receiver.ids().values()) == [2], "another id at another attempt"


@pytest.mark.parametrize(("status", "way"), [(429, "seconds"), (503, "date")])
def test_who_asks_to_wait_is_left_alone_and_that_costs_no_attempt(
    vestnik: Deployment, manager: str, receiver: WebhookReceiver, status: int, way: str
) -> None:
    user = subscriber(vestnik, manager, receiver)
    until = utc_now() + timedelta(seconds=2 * RETRY_AFTER_SECONDS)
    wait = str(RETRY_AFTER_SECONDS) if way == "seconds" else format_datetime(until, usegmt=True)
    receiver.answer(Status(status, (("Retry-After", wait),)), times=1)
    sent = post(vestnik, "webhook", [user])
    row = row_with(vestnik, sent, user, status="queued", reason=f"127.0.0.1: status {status}")
    assert row["attempts"] == 0
    if way == "date":
        assert abs((parse(row["not_before"]) - until).total_seconds()) < 2
    row_with(vestnik, sent, user, status="sent", attempts=1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Status(400), "127.0.0.1: status 400"),
        (Status(404), "127.0.0.1: status 404"),
        (
            Status(302, (("Location", "http://127.0.0.1/latest/meta-data"),)),
            "127.0.0.1: status 302: redirects are not followed",
        ),
    ],
    ids=str,
)
def test_what_is_refused_for_good_is_failed(
    vestnik: Deployment, manager: str, receiver: WebhookReceiver, answer: Behaviour, reason: str
) -> None:
    user, other = (subscriber(vestnik, manager, receiver, path) for path in (f"/{KEY}", "/other"))
    receiver.answer(answer, to=f"/{KEY}")
    sent = post(vestnik, "webhook", [user, other])
    vestnik.wait_for(sent, sent=1, failed=1)
    shown = vestnik.recipients(sent)[user]
    assert (shown.status, shown.attempts, shown.reason) == ("failed", 1, reason)
    assert len(receiver.got(f"/{KEY}")) == 1


def test_who_is_gone_is_suppressed(vestnik: Deployment, manager: str, receiver: WebhookReceiver) -> None:
    user = subscriber(vestnik, manager, receiver)
    receiver.answer(Status(410))
    sent = post(vestnik, "webhook", [user])
    row_with(vestnik, sent, user, status="failed", reason="127.0.0.1: status 410")
    url = receiver.url(f"/{KEY}")
    assert wait_until_suppressed(vestnik, "webhook", url) == "127.0.0.1: status 410"


def test_nothing_logged_has_the_receivers_path(
    vestnik: Deployment, manager: str, receiver: WebhookReceiver
) -> None:
    user = subscriber(vestnik, manager, receiver)
    receiver.answer(Status(404))
    sent = post(vestnik, "webhook", [user])
    row_with(vestnik, sent, user, status="failed")
    wait_until(
        lambda: vestnik.has_logged("DeliverExpress", [sent.dispatch_id]), COLD_SECONDS, "the log of deliver"
    )
    for function in ("FanOutExpress", "DeliverExpress", "DeliverRegular"):
        assert not vestnik.has_logged(function, [KEY]), function
