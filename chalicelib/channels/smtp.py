"""The SMTP session: one connection for a batch, and a hard end to every send."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parseaddr

import aiosmtplib

from chalicelib.channels.base import Letter, Session
from chalicelib.channels.mail_message import compose
from chalicelib.domain.results import Accepted, Permanent, Retryable, SendResult, no_time_left
from chalicelib.security import read_secret
from chalicelib.settings import Settings

QUIT_TIMEOUT_SECONDS = 1.0

OUR_FAULTS = (530, 535)
"""The server wants a log-in, or another: nothing that the recipient could help."""

_FINAL = (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)
"""Only what the server says of the recipient or the message is about this mail. A 5xx to our log-in or to
our sender is a fault of the deployment: it is tried again, and somebody can mend it meanwhile."""


@contextmanager
def smtp_session(settings: Settings) -> Iterator[Session]:
    """A session that connects at its first send, and is closed with the batch.

    SecretUnavailableError when the log-in cannot be read: now, so that a send waits for the server only.
    """
    credentials = read_secret(settings.smtp_secret)
    # Not asyncio.run's loop, which at its end waits for a name service that does not answer.
    loop = asyncio.new_event_loop()
    session = SmtpSession(settings, credentials, loop)
    try:
        yield session
    finally:
        session.close()
        loop.close()


def check_login(settings: Settings, credentials: Mapping[str, str]) -> str | None:
    """Connect to the mail server and log in, as a function does; why that fails, or None."""

    async def check() -> None:
        async with asyncio.timeout(settings.smtp_timeout_seconds):
            server = client(settings, credentials)
            await server.connect()
            await server.quit()

    try:
        asyncio.run(check())
    except TimeoutError:
        return f"no answer within {settings.smtp_timeout_seconds} s"
    except (OSError, aiosmtplib.SMTPException) as error:
        return _one_line(str(error) or type(error).__name__)
    return None


def client(settings: Settings, credentials: Mapping[str, str]) -> aiosmtplib.SMTP:
    """A client of the mail server, which connects and logs in when it is told to."""
    return aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        username=credentials.get("username"),
        password=credentials.get("password"),
        use_tls=settings.smtp_security == "tls",
        start_tls=settings.smtp_security == "starttls",
        # Else the library asks the name service for ours.
        local_hostname=parseaddr(settings.mail_from)[1].rpartition("@")[2],
        timeout=settings.smtp_timeout_seconds,
    )


class SmtpSession:
    """One connection to the server, opened when needed and reused until it breaks."""

    def __init__(
        self, settings: Settings, credentials: Mapping[str, str], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._loop = loop
        self._sender = parseaddr(settings.mail_from)[1]
        self._server: aiosmtplib.SMTP | None = None

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        """See `Session.send`."""
        try:
            message = bytes(compose(letter, self._settings.mail_from))
        except ValueError as error:
            return Permanent(f"cannot be written as a mail: {_one_line(str(error))}")
        # Asked at the very last: this process may have stood still since somebody looked at the time.
        limit = min(self._settings.smtp_timeout_seconds, seconds_left())
        if limit <= 0:
            return no_time_left()
        try:
            return self._loop.run_until_complete(self._send(letter.address, message, limit))
        except _FINAL as refusal:
            self._drop()  # the envelope is half open, and a 421 closes the channel: begin anew
            reason = f"smtp {refusal.code}: {_one_line(refusal.message)}"
            is_final = refusal.code >= 500 and refusal.code not in OUR_FAULTS
            return Permanent(reason) if is_final else Retryable(reason)
        except TimeoutError:
            self._drop()
            return Retryable(f"smtp: no end after {limit:g} s")
        except (OSError, aiosmtplib.SMTPException) as error:
            self._drop()
            return Retryable(f"smtp: {_one_line(str(error) or type(error).__name__)}")

    def close(self) -> None:
        """Say good-bye, briefly: what was accepted stays accepted, whatever the answer."""
        if self._server is not None and self._server.is_connected:
            with suppress(OSError, aiosmtplib.SMTPException):
                self._loop.run_until_complete(self._server.quit(timeout=QUIT_TIMEOUT_SECONDS))
        self._drop()
        self._loop.run_until_complete(asyncio.sleep(0))  # the transport closes its socket in the loop

    async def _send(self, address: str, message: bytes, limit: float) -> SendResult:
        # Each operation has a timeout of its own, which every byte of a dribbling server starts anew:
        # only one over all of them ends.
        async with asyncio.timeout(limit):
            server = await self._envelope_opened()
            await server.rcpt(address)
            answer = await server.data(message)
            return Accepted(_one_line(answer.message))

    async def _envelope_opened(self) -> aiosmtplib.SMTP:
        if self._server is not None and self._server.is_connected:
            # An idle connection may have been closed by now. Nothing was sent on it yet: a new one is safe.
            with suppress(OSError, aiosmtplib.SMTPException):
                await self._server.mail(self._sender)
                return self._server
            self._drop()
        self._server = client(self._settings, self._credentials)
        await self._server.connect()
        await self._server.mail(self._sender)
        return self._server

    def _drop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            if isinstance(server.transport, asyncio.WriteTransport):
                # To close it would go on sending what is buffered: a mail of which we have said "later".
                server.transport.abort()
            server.close()


def _one_line(text: str) -> str:
    # What is no UTF-8 in an answer comes as surrogates, which no database stores.
    return " ".join(text.encode(errors="replace").decode().split())
