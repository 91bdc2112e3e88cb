"""A real SMTP server on loopback whose misbehaviour is scripted, for everybody or for some recipients.

    with ScriptedSmtp() as smtp:
        smtp.script(Refuse("451 4.7.1 Greylisted", times=2), to="anna@example.com")
        smtp.script(Hold(), to="regular-*")
        ...
        smtp.release()

Hand-written over asyncio: the servers there are insist on behaving well.
"""

import asyncio
import base64
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Coroutine, Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from enum import StrEnum
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.support.waiting import wait_until

LOOPBACK = "127.0.0.1"
LINE_LIMIT = 64 * 1024
DRIBBLE_SECONDS = 0.1
EVERYBODY = "*"

T = TypeVar("T")


class Step(StrEnum):
    """Where in a session something happens. Nobody's name is known before RCPT."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    END = "end"  # after the last byte of a mail


@dataclass(frozen=True)
class Accept:
    """Take every mail."""


@dataclass(frozen=True)
class Hold:
    """Take a mail's last byte and answer when `release` is called. A client that leaves keeps its mail."""


@dataclass(frozen=True)
class Slow:
    """Answer everything, each time after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Late:
    """Take every mail over at once, and say so this many seconds later: time in which its client may die."""

    seconds: float


@dataclass(frozen=True)
class Dribble:
    """Begin an answer and never end it: a byte at a time, each in good time for a timeout per operation."""

    at: Step = Step.RCPT


@dataclass(frozen=True)
class Vanish:
    """Close the connection instead of answering. At the end of a mail the mail is kept all the same."""

    at: Step
    times: int | None = None


@dataclass(frozen=True)
class Refuse:
    """Give this answer; after so many times to a recipient, accept. 421 closes the connection too."""

    reply: str
    at: Step = Step.RCPT
    times: int | None = None


Behaviour = Accept | Hold | Slow | Late | Dribble | Vanish | Refuse


@dataclass(frozen=True)
class Mail:
    """A mail that was taken over, and when (seconds since the epoch)."""

    recipient: str
    message: EmailMessage
    at: float
    client_port: int
    """Of the connection that it came by."""
    content: bytes
    """As it came."""

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])

    def part(self, kind: str) -> str:
        """The decoded text of the 'plain' or the 'html' part."""
        body = self.message.get_body(preferencelist=(kind,))
        assert body is not None, f"no {kind} part"
        return str(body.get_content())


class ClientGoneError(Exception):
    """The client has closed the connection."""


class ScriptedSmtp:
    """The server, in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-smtp", daemon=True)
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._lock = threading.Lock()
        self._script: list[tuple[str, Behaviour]] = []
        self._released = asyncio.Event()
        self._mails: list[Mail] = []
        self._times_used: Counter[tuple[str, Behaviour]] = Counter()
        self._held: Counter[str] = Counter()
        self._under_way: Counter[str] = Counter()
        self._attempts: Counter[str] = Counter()
        self._overlapping: set[str] = set()
        self._logins: frozenset[tuple[str, str]] | None = None
        self.connections = 0
        self.port = 0

    # What a test tells it.

    def script(self, behaviour: Behaviour, to: str = EVERYBODY) -> None:
        """Behave so from the next step on, to recipients that match; what was said last counts first."""
        with self._lock:
            self._script.insert(0, (to, behaviour))

    def require_login(self, *logins: tuple[str, str]) -> None:
        """Take mails only of who logs in by one of these names and passwords, from the next connection on."""
        with self._lock:
            self._logins = frozenset(logins)

    def behave(self) -> None:
        """Accept everything from now on, and what is held too."""
        with self._lock:
            self._script.clear()
            self._times_used.clear()
        self.release()

    def release(self) -> None:
        """Answer to every mail that is held at this moment."""
        self._loop.call_soon_threadsafe(self._release)

    def refuse_connections(self) -> None:
        """Stop to listen, and end every connection."""
        self._call(self._close())

    def come_back(self) -> None:
        """Listen again, at the same port."""
        self._call(self._listen())

    def forget(self) -> None:
        """Behave, and forget every mail and count: for the next test."""
        self.behave()
        with self._lock:
            self._mails.clear()
            self._attempts.clear()
            self._overlapping.clear()
            self._logins = None

    # What a test asks it.

    def mails(self, to: str = EVERYBODY) -> list[Mail]:
        """The mails taken over, in their order."""
        with self._lock:
            return [mail for mail in self._mails if fnmatchcase(mail.recipient, to)]

    def mail(self, to: str) -> Mail:
        """The one mail of a recipient."""
        (found,) = self.mails(to)
        return found

    @property
    def taken_over(self) -> int:
        """How many mails have been taken over, by everybody."""
        with self._lock:
            return len(self._mails)

    def counts(self, to: str = EVERYBODY) -> Counter[str]:
        """How many mails each recipient has got."""
        return Counter(mail.recipient for mail in self.mails(to))

    def message_ids(self, to: str = EVERYBODY) -> Counter[str]:
        """How many mails there are of each Message-ID."""
        return Counter(mail.message_id for mail in self.mails(to))

    def held(self, to: str = EVERYBODY) -> int:
        """How many mails are held at this moment."""
        with self._lock:
            return sum(number for name, number in self._held.items() if fnmatchcase(name, to))

    def attempts(self, recipient: str) -> int:
        """How often a mail to a recipient was begun."""
        with self._lock:
            return self._attempts[recipient]

    def overlapping(self) -> set[str]:
        """Recipients to whom two mails were under way at the same time."""
        with self._lock:
            return set(self._overlapping)

    def wait_for_mails(self, number: int, timeout: float, to: str = EVERYBODY) -> list[Mail]:
        """Wait until so many mails have been taken over."""
        wait_until(lambda: len(self.mails(to)) >= number, timeout, f"{number} mails to {to}")
        return self.mails(to)

    def wait_for_number(self, number: int, timeout: float) -> None:
        """Wait until so many mails have been taken over, by everybody."""
        wait_until(lambda: self.taken_over >= number, timeout, f"{number} mails")

    # Its life.

    def start(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def stop(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        # A port of its own for good: whoever comes back is expected where it was.
        self._server = await asyncio.start_server(
            self._serve, LOOPBACK, self.port, limit=LINE_LIMIT, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    def _release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        with self._lock:
            self.connections += 1
        try:
            with contextlib.suppress(ClientGoneError, ConnectionError, asyncio.IncompleteReadError):
                await _Session(self, reader, writer).run()
        except asyncio.CancelledError:
            pass  # the test ends the connection
        finally:
            self._sessions.discard(task)
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    # What a session asks and tells.

    def behaviour(self, step: Step | None, recipient: str | None) -> Behaviour:
        """What to do at a step (None: at another one); a behaviour that has been used up is passed over."""
        with self._lock:
            for pattern, behaviour in self._script:
                if pattern != EVERYBODY and (recipient is None or not fnmatchcase(recipient, pattern)):
                    continue
                match behaviour:
                    case Hold() | Late() if step is not Step.END:
                        continue
                    case Dribble() | Vanish() | Refuse() if step is not behaviour.at:
                        continue
                    case Vanish(times=int(times)) | Refuse(times=int(times)):
                        used = (recipient or EVERYBODY, behaviour)
                        if self._times_used[used] >= times:
                            continue
                        self._times_used[used] += 1
                return behaviour
        return Accept()

    @property
    def logins(self) -> frozenset[tuple[str, str]] | None:
        """The names and passwords that are taken at present; None when nobody has to log in."""
        with self._lock:
            return self._logins

    def begin(self, recipient: str) -> None:
        with self._lock:
            self._attempts[recipient] += 1
            self._under_way[recipient] += 1
            if self._under_way[recipient] > 1:
                self._overlapping.add(recipient)

    def end(self, recipient: str) -> None:
        with self._lock:
            self._under_way[recipient] -= 1

    def keep(self, recipient: str, content: bytes, client_port: int) -> None:
        message = BytesParser(policy=policy.default).parsebytes(content)
        with self._lock:
            self._mails.append(Mail(recipient, message, time.time(), client_port, content))

    @contextlib.contextmanager
    def holding(self, recipient: str) -> Iterator[asyncio.Event]:
        with self._lock:
            self._held[recipient] += 1
        try:
            yield self._released
        finally:
            with self._lock:
                self._held[recipient] -= 1


class _Session:
    """One connection."""

    def __init__(
        self, server: ScriptedSmtp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._client_port: int = writer.get_extra_info("peername")[1]
        self._recipient: str | None = None
        self._logins = server.logins
        self._is_known = self._logins is None

    async def run(self) -> None:
        try:
            await self._commands()
        finally:
            self._end_mail()

    async def _commands(self) -> None:
        if not await self._answer(Step.CONNECT, "220 scripted"):
            return
        while line := await self._reader.readline():
            command = line.decode("ascii", "replace").rstrip()
            match command[:4].upper():
                case "EHLO" | "HELO":
                    wants_login = "250-scripted\r\n250 AUTH PLAIN"
                    goes_on = await self._answer(
                        None, "250 scripted" if self._logins is None else wants_login
                    )
                case "AUTH":
                    goes_on = await self._answer(None, self._log_in(command.split(" ")[-1]))
                case "MAIL" if not self._is_known:
                    goes_on = await self._answer(None, "530 5.7.0 Authentication required")
                case "MAIL":
                    self._end_mail()
                    goes_on = await self._answer(Step.MAIL, "250 2.1.0 Ok")
                case "RCPT":
                    self._begin_mail(command.partition("<")[2].partition(">")[0])
                    goes_on = await self._answer(Step.RCPT, "250 2.1.5 Ok")
                case "DATA":
                    goes_on = await self._data()
                case "RSET":
                    self._end_mail()
                    goes_on = await self._answer(None, "250 2.0.0 Ok")
                case "QUIT":
                    await self._say("221 2.0.0 Bye")
                    return
                case _:
                    goes_on = await self._answer(None, "502 5.5.1 Not known here")
            if not goes_on:
                return

    def _log_in(self, response: str) -> str:
        _, name, password = base64.b64decode(response).decode().split("\0")
        self._is_known = (name, password) in (self._logins or ())
        return "235 2.7.0 Welcome" if self._is_known else "535 5.7.8 Unknown name or wrong password"

    def _begin_mail(self, recipient: str) -> None:
        self._end_mail()
        self._recipient = recipient
        self._server.begin(recipient)

    def _end_mail(self) -> None:
        recipient, self._recipient = self._recipient, None
        if recipient is not None:
            self._server.end(recipient)

    async def _data(self) -> bool:
        await self._say("354 Go on")
        lines: list[bytes] = []
        while (line := await self._reader.readline()) != b".\r\n":
            if not line:
                raise ClientGoneError
            lines.append(line.removeprefix(b"."))
        return await self._end_of_mail(b"".join(lines))

    async def _end_of_mail(self, content: bytes) -> bool:
        recipient = self._recipient or ""
        behaviour = self._server.behaviour(Step.END, self._recipient)
        match behaviour:
            case Refuse() | Dribble():
                goes_on = await self._misbehave(behaviour)
            case Vanish():
                self._server.keep(recipient, content, self._client_port)
                goes_on = False
            case Late(seconds):
                self._server.keep(recipient, content, self._client_port)
                await self._while_connected(asyncio.sleep(seconds))
                await self._say("250 2.0.0 Taken")
                goes_on = True
            case _:
                if isinstance(behaviour, Hold):
                    with self._server.holding(recipient) as released:
                        await self._while_connected(released.wait())
                elif isinstance(behaviour, Slow):
                    await self._while_connected(asyncio.sleep(behaviour.seconds))
                self._server.keep(recipient, content, self._client_port)
                await self._say("250 2.0.0 Taken")
                goes_on = True
        self._end_mail()
        return goes_on

    async def _answer(self, step: Step | None, reply: str) -> bool:
        """Say what the script wants; whether the session goes on."""
        behaviour = self._server.behaviour(step, self._recipient)
        if isinstance(behaviour, Slow):
            await self._while_connected(asyncio.sleep(behaviour.seconds))
        if isinstance(behaviour, Accept | Hold | Late | Slow):
            await self._say(reply)
            return True
        return await self._misbehave(behaviour)

    async def _misbehave(self, behaviour: Refuse | Vanish | Dribble) -> bool:
        match behaviour:
            case Refuse(reply):
                await self._say(reply)
                return not reply.startswith("421")
            case Vanish():
                return False
            case Dribble():
                await self._while_connected(self._dribble())
        return False

    async def _dribble(self) -> None:
        while True:
            for letter in b"250-still thinking\r\n":
                self._writer.write(bytes([letter]))
                await self._writer.drain()
                await asyncio.sleep(DRIBBLE_SECONDS)

    async def _say(self, reply: str) -> None:
        self._writer.write(f"{reply}\r\n".encode())
        await self._writer.drain()

    async def _while_connected(self, waiting: Awaitable[object]) -> None:
        """Wait for something, or raise ClientGoneError as soon as the client has left."""
        left = asyncio.ensure_future(self._reader.read(1))  # a client that waits for an answer says nothing
        awaited = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait({left, awaited}, return_when=asyncio.FIRST_COMPLETED)
            if left.done():
                raise ClientGoneError
            await awaited
        finally:
            for future in (left, awaited):
                future.cancel()
            await asyncio.gather(left, awaited, return_exceptions=True)
