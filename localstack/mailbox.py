"""A real SMTP server on loopback that keeps every mail as a file, and commands to read them.

    python -m localstack.mailbox list | show ID | count | clear

`show 1` is the newest mail, `show 2` the one before it.
"""

import argparse
import asyncio
import itertools
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from types import TracebackType
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from localstack.ports import LOOPBACK

DEFAULT_DIRECTORY = Path(os.environ.get("VESTNIK_DATA", ".local"), "mails")
MAX_MAIL_BYTES = 32 * 1024 * 1024
HEAD_BYTES = 64 * 1024  # enough for every header a list shows
TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"
MAIL_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-\d{4}-[A-Za-z0-9.@_+-]+")


@dataclass(frozen=True)
class Summary:
    """What a list shows of a mail."""

    mail_id: str
    time: datetime
    sender: str
    to: str
    subject: str


class Mails:
    """The kept mails: one .eml file each, named so that their names sort by time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = itertools.count()

    def keep(self, sender: str, recipients: Sequence[str], content: bytes) -> str:
        """Write a mail with its envelope on top; return its id."""
        self.directory.mkdir(parents=True, exist_ok=True)
        mail_id = self._new_id(recipients[0] if recipients else "nobody")
        envelope = [f"Return-Path: <{sender}>", *(f"Delivered-To: {recipient}" for recipient in recipients)]
        head = "".join(f"{line}\r\n" for line in envelope).encode()
        # Under another name until it is whole: no list ever shows a part of a mail.
        part = self.directory / f"{mail_id}.part"
        part.write_bytes(head + content)
        part.rename(self._path(mail_id))
        return mail_id

    def ids(self) -> list[str]:
        """Every mail's id, newest first."""
        if not self.directory.is_dir():
            return []
        return sorted((path.stem for path in self.directory.glob("*.eml")), reverse=True)

    def summaries(self, mail_ids: Sequence[str]) -> list[Summary]:
        """What a list shows of these; one that was removed meanwhile is left out."""
        return [_summary(mail_id, head) for mail_id in mail_ids if (head := self.raw(mail_id, HEAD_BYTES))]

    def raw(self, mail_id: str, size: int = -1) -> bytes | None:
        """A mail's bytes, or the first of them; None when there is no such mail."""
        if not MAIL_ID.fullmatch(mail_id):
            return None
        try:
            with self._path(mail_id).open("rb") as file:
                return file.read(size)
        except FileNotFoundError:
            return None

    def find(self, wanted: str) -> str | None:
        """The id of the mail with this id, or at this place in the list (1 is the newest)."""
        if not wanted.isdecimal():
            return wanted if self.raw(wanted, 1) is not None else None
        newest_first = self.ids()
        return newest_first[int(wanted) - 1] if 0 < int(wanted) <= len(newest_first) else None

    def clear(self) -> int:
        """Remove every mail; return how many there were."""
        mail_ids = self.ids()
        for mail_id in mail_ids:
            self._path(mail_id).unlink(missing_ok=True)
        return len(mail_ids)

    def _path(self, mail_id: str) -> Path:
        return self.directory / f"{mail_id}.eml"

    def _new_id(self, recipient: str) -> str:
        safe = re.sub(r"[^A-Za-z0-9.@_+-]", "_", recipient)[:100] or "nobody"
        # The number keeps two mails of one microsecond apart.
        return f"{datetime.now(UTC).strftime(TIME_FORMAT)}-{next(self._numbers) % 10_000:04}-{safe}"


def parse(raw: bytes) -> EmailMessage:
    """A mail as the standard library understands it."""
    return BytesParser(policy=policy.default).parsebytes(raw)


def text_of(message: EmailMessage, kind: str) -> str | None:
    """The plain or html body, decoded as well as it can be."""
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError, KeyError):  # a charset nobody knows
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(payload)


def _summary(mail_id: str, head: bytes) -> Summary:
    message = BytesParser(policy=policy.default).parsebytes(head, headersonly=True)
    time = datetime.strptime(mail_id.split("-", 1)[0], TIME_FORMAT).replace(tzinfo=UTC)
    return Summary(mail_id, time, *(header(message, name) for name in ("From", "To", "Subject")))


def headers(message: EmailMessage) -> list[tuple[str, str]]:
    """Every header with its decoded text on one line; a broken one as it came."""
    return [(name, _header_text(message, name, value)) for name, value in message.raw_items()]


def header(message: EmailMessage, wanted: str) -> str:
    """The first such header's text; nothing when there is none."""
    return next((text for name, text in headers(message) if name.lower() == wanted.lower()), "")


def _header_text(message: EmailMessage, name: str, value: object) -> str:
    try:
        parsed = message.policy.header_fetch_parse(name, str(value))
    except (ValueError, AttributeError, IndexError, TypeError):
        return " ".join(str(value).split())  # the standard library stumbles over some of what is sent
    return " ".join(str(parsed).split())


class _Receiver:
    def __init__(self, mails: Mails) -> None:
        self._mails = mails

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        try:
            self._mails.keep(str(envelope.mail_from or ""), [str(to) for to in envelope.rcpt_tos], content)
        except OSError as error:
            return f"451 The mail could not be kept: {error.strerror}"
        return "250 Kept"


class SmtpServer:
    """The SMTP server in a thread of its own."""

    def __init__(self, port: int, mails: Mails) -> None:
        self._wanted_port = port
        self._receiver = _Receiver(mails)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self.port = port

    def start(self) -> Self:
        """Listen; mails are taken from now on."""
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        """Take no more mails, and let one that is being written be written to its end."""
        if self._server is not None:
            asyncio.run_coroutine_threadsafe(self._close(self._server), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(self._session, LOOPBACK, self._wanted_port, backlog=512)

    def _session(self) -> SMTP:
        return SMTP(
            self._receiver,
            data_size_limit=MAX_MAIL_BYTES,
            enable_SMTPUTF8=True,
            hostname="localhost",  # otherwise it looks up the host's full name, for seconds at worst
            ident="Vestnik's local mailbox",
            loop=self._loop,
        )

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        await server.wait_closed()
        sessions = asyncio.all_tasks() - {asyncio.current_task()}
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """List, show, count or remove the kept mails."""
    parser = argparse.ArgumentParser(prog="python -m localstack.mailbox", description=main.__doc__)
    parser.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY, help="default: %(default)s")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("count", help="how many mails there are")
    commands.add_parser("clear", help="remove every mail")
    listing = commands.add_parser("list", help="the newest mails")
    listing.add_argument("--limit", type=int, default=20, help="at most so many (default: %(default)s)")
    showing = commands.add_parser("show", help="one mail")
    showing.add_argument("id", help="its id, or its place in the list: 1 is the newest")
    options = parser.parse_args(arguments)
    mails = Mails(options.directory)
    if options.command == "count":
        print(len(mails.ids()))
    elif options.command == "clear":
        print(f"{mails.clear()} mails removed")
    elif options.command == "list":
        _print_list(mails, options.limit)
    else:
        return _print_mail(mails, options.id)
    return 0


def _print_list(mails: Mails, limit: int) -> None:
    mail_ids = mails.ids()
    for place, mail in enumerate(mails.summaries(mail_ids[:limit]), start=1):
        print(f"{place:>4}  {mail.time:%Y-%m-%d %H:%M:%S}  {mail.to:<40}  {mail.subject}")
    print(f"{len(mail_ids)} mails" + (f", the newest {limit} shown" if len(mail_ids) > limit else ""))


def _print_mail(mails: Mails, wanted: str) -> int:
    mail_id = mails.find(wanted)
    raw = mails.raw(mail_id) if mail_id else None
    if raw is None:
        print(f"There is no mail {wanted!r}.", file=sys.stderr)
        return 1
    message = parse(raw)
    for name, text in headers(message):
        print(f"{name}: {text}")
    print()
    print(text_of(message, "plain") or text_of(message, "html") or "(no text)")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `make mails | head` is no error
    raise SystemExit(main())
