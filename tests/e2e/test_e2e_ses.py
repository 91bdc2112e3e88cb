"""Mail by Amazon SES: sent, told of, suppressed, lifted; each by the functions as they are deployed."""

import uuid
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import boto3
import pytest

from localstack.capabilities import Capability
from localstack.emulator import CLIENT_ENVIRONMENT
from tests.support.deployment import COLD_SECONDS, Deployment, Person, Sent
from tests.support.mail_form import check_form, read_strictly
from tests.support.smtp import ScriptedSmtp
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.needs(Capability.SES_V2)]

SENDER = "noreply@example.org"
"""Of MailFrom, as it is by default."""


@pytest.fixture(scope="module")
def sesv2(vestnik: Deployment) -> Iterator[Any]:
    session = boto3.Session(
        region_name=CLIENT_ENVIRONMENT["AWS_REGION"],
        aws_access_key_id=CLIENT_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CLIENT_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
    )
    client: Any = session.client("sesv2", endpoint_url=vestnik.emulator.endpoint_url)
    yield client
    client.close()


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment, sesv2: Any) -> Iterator[None]:
    sesv2.create_email_identity(EmailIdentity=SENDER)
    vestnik.deploy(MailBy="ses")
    yield
    sesv2.delete_email_identity(EmailIdentity=SENDER)


@pytest.fixture(scope="module")
def administrator(vestnik: Deployment) -> str:
    """An administrator's Authorization."""
    login = f"ses-{uuid.uuid4().hex[:8]}"
    vestnik.create_administrator(login)
    return f"Bearer {vestnik.manage('token', login).strip()}"


def person(outcome: str, **fields: str) -> Person:
    """Somebody at SES's mailbox simulator, whom no other test knows."""
    address = f"{outcome}+{uuid.uuid4().hex[:8]}@simulator.amazonses.com"
    return Person(address, fields.get("name", "Anna"), fields.get("locale", "en"))


def taken(vestnik: Deployment, address: str) -> list[EmailMessage]:
    """What SES was given for an address."""
    answer = vestnik.call("GET", f"{vestnik.emulator.endpoint_url}/v2/email/raw-messages")
    return [read_strictly(each["RawData"]) for each in answer.json()["messages"] if address in each["To"]]


def events(vestnik: Deployment, sent: Sent, who: Person) -> dict[str, str | None]:
    """What the API shows of a recipient: each event with its reason."""
    shown = vestnik.recipient(sent, who).shown
    return {each["event"]: each["reason"] for each in shown["events"]}


def wait_for_events(vestnik: Deployment, sent: Sent, who: Person, *kinds: str) -> None:
    wait_until(
        lambda: events(vestnik, sent, who).keys() == set(kinds), COLD_SECONDS, f"{kinds} of {who.email}"
    )


def suppressed(vestnik: Deployment, administrator: str, who: Person) -> list[dict[str, Any]]:
    found = vestnik.ask(
        "GET", f"/api/v1/suppressions/?address={who.email.replace('+', '%2B')}", None, administrator
    )
    results: list[dict[str, Any]] = found["results"]
    return results


def test_a_mail_is_sent_and_delivered(vestnik: Deployment, smtp: ScriptedSmtp) -> None:
    (who,) = vestnik.add_people([person("success", name="Анна", locale="ru")])
    sent = vestnik.send([who], express=True, title="Скидка 50 %", text="Здравствуйте.\n\n" + "слово " * 200)
    vestnik.wait_for(sent, sent=1)
    wait_for_events(vestnik, sent, who, "delivered")
    shown = vestnik.recipient(sent, who)
    assert (shown.status, shown.reason, shown.attempts) == ("sent", None, 1)
    (message,) = taken(vestnik, who.email)
    check_form(message, to=who.email, title="Скидка 50 %")
    assert smtp.mails() == []


def test_a_bounce_suppresses_until_somebody_lifts_it(vestnik: Deployment, administrator: str) -> None:
    (who,) = vestnik.add_people([person("bounce")])
    first = vestnik.send([who], express=True)
    wait_for_events(vestnik, first, who, "bounced")
    shown = vestnik.recipient(first, who)
    assert (shown.status, shown.reason) == ("sent", "bounced: 550 5.1.1 user unknown")

    # Who has just started knows it at once, others within half a minute.
    with vestnik.with_environment("FanOutExpress", POWERTOOLS_LOG_LEVEL="DEBUG"):
        second = vestnik.send([who], express=True)
        vestnik.wait_for(second, wrong_contact=1)
        assert vestnik.recipient(second, who).reason == "suppressed: bounced: 550 5.1.1 user unknown"
        assert len(taken(vestnik, who.email)) == 1

        (suppression,) = suppressed(vestnik, administrator, who)
        vestnik.ask("DELETE", f"/api/v1/suppressions/{suppression['id']}/", None, administrator)
        third = vestnik.send([who], express=True)
        vestnik.wait_for(third, sent=1)
    assert len(taken(vestnik, who.email)) == 2


def test_a_complaint_suppresses(vestnik: Deployment, administrator: str) -> None:
    (who,) = vestnik.add_people([person("complaint")])
    sent = vestnik.send([who])
    wait_for_events(vestnik, sent, who, "delivered", "complained")
    assert vestnik.recipient(sent, who).reason == "complained: abuse"
    (suppression,) = suppressed(vestnik, administrator, who)
    assert (suppression["channel"], suppression["reason"]) == ("mail", "complained: abuse")


def test_an_unverified_sender_is_tried_again(vestnik: Deployment, sesv2: Any) -> None:
    (who,) = vestnik.add_people([person("success")])
    sesv2.delete_email_identity(EmailIdentity=SENDER)
    try:
        sent = vestnik.send([who], express=True)
        wait_until(lambda: vestnik.recipient(sent, who).attempts >= 1, COLD_SECONDS, "an attempt")
        shown = vestnik.recipient(sent, who)
        assert shown.status in ("queued", "sending")
        assert shown.reason is not None
        assert shown.reason.startswith("ses MessageRejected: Email address is not verified.")
        assert shown.shown["last_attempts"][0]["result"].startswith("ses MessageRejected")
        row = vestnik.row("USERS_NOTIFICATIONS_TABLE", user_id=who.user_id, dispatch_id=sent.dispatch_id)
        assert row is not None
        assert row["reason"] == shown.reason
        # When it is tried again; while it is just being tried that is not kept.
        assert row.get("not_before", row["updated_at"]) >= row["updated_at"]
    finally:
        sesv2.create_email_identity(EmailIdentity=SENDER)
    vestnik.wait_for(sent, sent=1, timeout=60)
    wait_for_events(vestnik, sent, who, "delivered")
