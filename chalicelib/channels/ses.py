"""Mail by Amazon SES, version 2 of its API: the very message that the mail server would be given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parseaddr
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import sdk
from chalicelib.channels.base import Letter, Session
from chalicelib.channels.mail_message import compose
from chalicelib.domain.results import Accepted, Permanent, RateLimited, Retryable, SendResult, no_time_left
from chalicelib.settings import Settings

CONNECT_SHARE = 0.2
READ_SHARE = 0.6
"""Of the time for one send: a second address of SES's can still be tried when the first does not answer."""

RATE_EXCEEDED_SECONDS = 2.0
"""The pause when SES is asked too often: its rate is counted by the second."""
QUOTA_EXCEEDED_SECONDS = 600.0
"""The pause when the quota of 24 hours is used up. It is a sliding one: some is free again soon. SES advises
to wait up to ten minutes."""

DISPATCH_TAG, USER_TAG = "dispatch", "user"
"""What an event of SES's says about the mail again (services/mail_events.py)."""

_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "RequestLimitExceeded",
        "SendingQuotaExceeded",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_OF_THE_DEPLOYMENT = ("not verified", "not authorized", "paused", "suspended", "configuration set")
"""MessageRejected is said of the message and of the account alike: these words are about the account."""
_OF_THE_LETTER = (
    "too long",
    "message length",
    "illegal address",
    "domain contains",
    "domain starts",
    "@domain",
)
"""BadRequestException is said of every input: these words are about the letter or its address."""


@contextmanager
def ses_session(settings: Settings) -> Iterator[Session]:
    """A session by the client of this process, which keeps its connection from batch to batch."""
    yield SesSession(settings, client(settings.smtp_timeout_seconds))


@cache
def client(longest_send_seconds: float) -> Any:
    """The SES client of this process: without tries of its own, since what fails comes again anyway."""
    return sdk.session().client(
        "sesv2",
        config=Config(
            connect_timeout=CONNECT_SHARE * longest_send_seconds,
            read_timeout=READ_SHARE * longest_send_seconds,
            retries={"mode": "standard", "total_max_attempts": 1},
        ),
    )


def forget() -> None:
    """Begin anew: for tests."""
    client.cache_clear()


class SesSession:
    """Sends one letter after the other."""

    def __init__(self, settings: Settings, ses: Any) -> None:
        self._settings = settings
        self._ses = ses

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        """See `Session.send`."""
        try:
            message = bytes(compose(letter, self._settings.mail_from))
        except ValueError as error:
            return Permanent(f"cannot be written as a mail: {_one_line(str(error))}")
        # Asked at the very last: this process may have stood still since somebody looked at the time. The
        # client's timeouts are fixed, so all of its time has to be there.
        if seconds_left() < self._settings.smtp_timeout_seconds:
            return no_time_left()
        try:
            answer = self._ses.send_email(
                FromEmailAddress=parseaddr(self._settings.mail_from)[1],
                Destination={"ToAddresses": [letter.address]},
                Content={"Raw": {"Data": message}},
                ConfigurationSetName=self._settings.channels.ses_configuration_set,
                EmailTags=[
                    {"Name": DISPATCH_TAG, "Value": letter.dispatch_id},
                    {"Name": USER_TAG, "Value": letter.user_id},
                ],
            )
        except ClientError as error:
            return result_of(error, letter.address)
        except BotoCoreError as error:  # no answer, none in time, no credentials
            return Retryable(f"ses: {_one_line(str(error))}")
        return Accepted(answer["MessageId"])


def result_of(error: ClientError, address: str) -> SendResult:
    """What an error that SES answers means for a letter to this address.

    Whatever is not surely about the letter is tried again: somebody can mend a deployment meanwhile.
    """
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    reason, said = f"ses {code}: {_one_line(message)}", message.lower()
    if code in _THROTTLED or "maximum sending rate" in said:
        is_quota = "quota" in said or "daily" in said
        return RateLimited(reason, QUOTA_EXCEEDED_SECONDS if is_quota else RATE_EXCEEDED_SECONDS)
    if code == "MessageRejected" and not any(words in said for words in _OF_THE_DEPLOYMENT):
        return Permanent(reason)
    if code == "BadRequestException":
        is_of_address = address.lower() in said
        if is_of_address or any(words in said for words in _OF_THE_LETTER):
            return Permanent(reason, is_wrong_contact=is_of_address)
    return Retryable(reason)


def _one_line(text: str) -> str:
    return " ".join(text.split())
