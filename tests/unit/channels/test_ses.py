"""The SES session: botocore's real client against a stand-in; a result for whatever SES does."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from email import policy
from email.parser import BytesParser

import pytest

from chalicelib import sdk
from chalicelib.channels import ses
from chalicelib.channels.base import Session
from chalicelib.channels.ses import QUOTA_EXCEEDED_SECONDS, RATE_EXCEEDED_SECONDS, ses_session
from chalicelib.domain.results import Accepted, Permanent, RateLimited, Retryable, no_time_left
from chalicelib.settings import load
from tests.support.aws import use_test_account
from tests.support.factories import ENVIRONMENT, letter
from tests.support.ses import Break, Refusal, ScriptedSes, Silence

LIMIT_SECONDS = 1
LETTER = letter(
    dispatch_id="01a208c5-dc43-711b-a982-2b0bd0192850", user_id="2f0c1c1e-7f3c-4e59-9d0b-3b6a1a1c9d10"
)


def in_time() -> float:
    """More time than any send takes."""
    return 60.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedSes]:
    use_test_account(monkeypatch)
    with ScriptedSes() as scripted:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", scripted.url)
        sdk.forget_session()
        ses.forget()
        yield scripted
    ses.forget()
    sdk.forget_session()


@pytest.fixture
def session(server: ScriptedSes) -> Iterator[Session]:
    settings = load({**ENVIRONMENT, "MAIL_BY": "ses", "MAIL_FROM": "Вестник <news@vestnik.example>"})
    with ses_session(replace(settings, smtp_timeout_seconds=LIMIT_SECONDS)) as opened:
        yield opened


def test_a_mail_is_accepted_with_the_id_of_ses(server: ScriptedSes, session: Session) -> None:
    assert session.send(LETTER, in_time) == Accepted("id-1")
    (request,) = server.requests
    assert request["FromEmailAddress"] == "news@vestnik.example"
    assert request["Destination"] == {"ToAddresses": ["anna@example.com"]}
    assert request["ConfigurationSetName"] == "vestnik"
    assert {each["Name"]: each["Value"] for each in request["EmailTags"]} == {
        "dispatch": LETTER.dispatch_id,
        "user": LETTER.user_id,
    }
    message = BytesParser(policy=policy.default).parsebytes(server.messages[0])
    assert message["From"].addresses[0].display_name == "Вестник"
    assert message["X-Vestnik-Id"] == LETTER.id
    assert message["Message-ID"] == f"<{LETTER.id}@vestnik.example>"


def test_a_batch_goes_over_one_connection(server: ScriptedSes, session: Session) -> None:
    results = [session.send(LETTER, in_time) for _ in range(5)]
    assert results == [Accepted(f"id-{number}") for number in range(1, 6)]
    assert server.connections == 1


def test_nothing_is_sent_that_might_not_end_in_time(server: ScriptedSes, session: Session) -> None:
    assert session.send(LETTER, lambda: LIMIT_SECONDS - 0.1) == no_time_left()
    assert server.requests == []


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (Refusal(429, "TooManyRequestsException", "Too Many Requests"), RATE_EXCEEDED_SECONDS),
        (Refusal(400, "ThrottlingException", "Maximum sending rate exceeded."), RATE_EXCEEDED_SECONDS),
        (Refusal(400, "Throttling", "Rate exceeded"), RATE_EXCEEDED_SECONDS),
        (Refusal(400, "ThrottlingException", "Daily message quota exceeded."), QUOTA_EXCEEDED_SECONDS),
        (Refusal(400, "LimitExceededException", "Daily message quota exceeded."), QUOTA_EXCEEDED_SECONDS),
        (Refusal(429, "TooManyRequestsException", "Daily message quota exceeded."), QUOTA_EXCEEDED_SECONDS),
    ],
    ids=str,
)
def test_ses_asks_to_wait(server: ScriptedSes, session: Session, refusal: Refusal, seconds: float) -> None:
    server.answers = [refusal]
    assert session.send(LETTER, in_time) == RateLimited(f"ses {refusal.code}: {refusal.message}", seconds)
    assert len(server.requests) == 1  # the SDK has not tried again itself


@pytest.mark.parametrize(
    ("refusal", "is_wrong_contact"),
    [
        (Refusal(400, "MessageRejected", "The message contains a virus."), False),
        (Refusal(400, "BadRequestException", "Message length is more than 10485760 bytes long"), False),
        (Refusal(400, "BadRequestException", "Domain contains illegal character"), False),
        (Refusal(400, "BadRequestException", "Invalid email address <anna@example.com>."), True),
    ],
    ids=str,
)
def test_ses_refuses_this_letter_for_good(
    server: ScriptedSes, session: Session, refusal: Refusal, is_wrong_contact: bool
) -> None:
    server.answers = [refusal]
    assert session.send(LETTER, in_time) == Permanent(
        f"ses {refusal.code}: {refusal.message}", is_wrong_contact
    )


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(
            400,
            "MessageRejected",
            "Email address is not verified. The following identities failed the check in region "
            "EU-CENTRAL-1: news@vestnik.example",
        ),
        Refusal(400, "MessageRejected", "Sending suspended for this account. For more information, ..."),
        Refusal(400, "MailFromDomainNotVerifiedException", "no MX"),
        Refusal(400, "AccountSuspendedException", "The account is suspended"),
        Refusal(400, "SendingPausedException", "Sending paused for this account"),
        Refusal(404, "NotFoundException", "Configuration set <vestnik> does not exist."),
        Refusal(400, "BadRequestException", "Missing required header 'From'."),
        Refusal(403, "AccessDeniedException", "User ... is not authorized to perform ses:SendEmail"),
        Refusal(403, "ExpiredTokenException", "The security token included in the request is expired"),
        Refusal(500, "InternalFailure", "oops"),
        Refusal(503, "ServiceUnavailable", "later"),
    ],
    ids=str,
)
def test_what_somebody_can_mend_is_tried_again(
    server: ScriptedSes, session: Session, refusal: Refusal
) -> None:
    server.answers = [refusal]
    result = session.send(LETTER, in_time)
    assert isinstance(result, Retryable)
    assert result.reason.startswith(f"ses {refusal.code}: ")
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [Silence(60), Break()], ids=str)
def test_no_answer_leaves_it_open(server: ScriptedSes, session: Session, answer: Silence | Break) -> None:
    server.answers = [answer]
    result = session.send(LETTER, in_time)
    assert isinstance(result, Retryable)
    assert result.reason.startswith("ses: ")
    assert len(server.requests) == 1
    assert isinstance(session.send(LETTER, in_time), Accepted)


def test_nobody_there(session: Session, server: ScriptedSes) -> None:
    server.stop()
    assert isinstance(session.send(LETTER, in_time), Retryable)


@pytest.mark.parametrize(("way", "other"), [("smtp", "chalicelib.channels.ses"), ("ses", "aiosmtplib")])
def test_the_other_way_is_not_loaded(way: str, other: str) -> None:
    code = (
        "import sys; from chalicelib.channels import CHANNELS; CHANNELS['mail'].prepare();"
        f"print({other!r} in sys.modules, f'chalicelib.channels.{way}' in sys.modules)"
    )
    environment = {**os.environ, **ENVIRONMENT, "MAIL_BY": way, "AWS_DEFAULT_REGION": "eu-central-1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
