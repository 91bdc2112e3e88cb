"""What every mail has to look like on its way, whichever way that is."""

import re
from base64 import b64decode
from email import policy
from email.headerregistry import AddressHeader, DateHeader
from email.message import EmailMessage
from email.parser import BytesParser

from chalicelib.channels.mail_message import ID_HEADER

STRICT = policy.SMTP.clone(raise_on_defect=True)
MAX_LINE = 998
"""Without its end (RFC 5322, 2.1.1)."""
ONCE = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
)


def read_strictly(data: bytes | str) -> EmailMessage:
    """Read a mail (base64, if it is a string); whatever is not as it has to be raises."""
    raw = b64decode(data) if isinstance(data, str) else data
    check_lines(raw)
    return BytesParser(policy=STRICT).parsebytes(raw)


def check_lines(raw: bytes) -> None:
    """Seven bits, lines that end as they have to, and none too long."""
    assert raw.isascii(), "a letter that is not ASCII"
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\0" not in raw
    assert max(map(len, raw.split(b"\r\n"))) <= MAX_LINE


def check_form(message: EmailMessage, *, to: str, title: str) -> None:
    """RFC 5322, 2045 to 2047, and 8058, as far as they are about what we write."""
    for name in ONCE:
        assert len(message.get_all(name, [])) == 1, name
    for name, value in message.items():
        assert not value.defects, (name, value.defects)
    date, sender, receiver = message["Date"], message["From"], message["To"]
    assert isinstance(date, DateHeader)
    assert date.datetime is not None
    assert date.datetime.tzinfo is not None
    assert isinstance(sender, AddressHeader)
    assert isinstance(receiver, AddressHeader)
    assert len(sender.addresses) == 1
    assert [each.addr_spec for each in receiver.addresses] == [to]
    assert re.fullmatch(r"<[0-9a-f]{32}@[a-z0-9.-]+>", message["Message-ID"])
    assert message[ID_HEADER] == message["Message-ID"][1:33]
    assert message["Subject"] == title  # decoded: RFC 2047
    assert re.fullmatch(r"<https?://[^<>\s]+>", message["List-Unsubscribe"])
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["MIME-Version"] == "1.0"
    _check_parts(message)


def _check_parts(message: EmailMessage) -> None:
    assert message.get_content_type() == "multipart/alternative"
    parts = list(message.iter_parts())
    assert [each.get_content_type() for each in parts] == ["text/plain", "text/html"]
    for part in parts:
        assert isinstance(part, EmailMessage)
        assert part.get_content_charset() in ("utf-8", "us-ascii")
        assert str(part["Content-Transfer-Encoding"]).lower() in ("7bit", "quoted-printable", "base64")
        assert not part.defects
        assert part.get_content().strip()
        assert message["List-Unsubscribe"][1:-1] in part.get_content()
