"""How a notification looks as a mail: HTML with a plain-text part, in the recipient's language."""

import re
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from functools import cache, lru_cache
from secrets import token_hex
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from chalicelib.channels.base import Letter
from chalicelib.domain.times import utc_now

ID_HEADER = "X-Vestnik-Id"
"""The letter's id once more: Amazon SES puts a Message-ID and a Date of its own in the place of ours."""

_PARAGRAPHS = re.compile(r"\n\s*\n")
MAX_WORD = 60
"""The longest word of a subject that fits into a line of 76 with the header's name."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


_FINISHED = frozenset({"to", "date", "message-id", "x-vestnik-id", "list-unsubscribe"})
"""Headers that are new in each mail, and come here in the form in which they are sent: ASCII, in one line."""


class _MailPolicy(EmailPolicy):
    """RFC 5322 and 2047 as the library has them, but for two headers that it would spoil, and for the time.

    List-Unsubscribe is never folded: a link longer than a line would become encoded words, which no mail
    program unsubscribes by. The subject is text and nothing else: the library would decode what looks like
    an encoded word, line breaks included, and write whole headers out of a title.

    The library parses each header into a tree and writes it back, which took three quarters of the time of a
    mail. What is finished already is not parsed; what is the same in each mail is parsed and folded once.
    """

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.lower() == "subject":
            return name, str(value)
        if name.lower() in _FINISHED:
            if len(value.splitlines()) > 1:
                raise ValueError(f"{name} must be one line")
            return name, str(value)
        return name, _parsed(name, str(value))

    def header_max_count(self, name: str) -> int | None:
        return _max_count(name)

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() in _FINISHED:
            return f"{name}: {value}{self.linesep}".encode("ascii")
        if name.lower() == "subject":
            header = Header(str(value), _subject_charset(str(value)), header_name=name)
            return f"{name}: {header.encode(linesep=self.linesep)}{self.linesep}".encode("ascii")
        return _folded(name, str(value))


_KEPT_HEADERS = 64
"""A mail has a dozen headers that are the same in each; the one with the boundary passes through."""


@lru_cache(_KEPT_HEADERS)
def _max_count(name: str) -> int | None:
    return EmailPolicy.header_max_count(_POLICY, name)


@lru_cache(_KEPT_HEADERS)
def _parsed(name: str, value: str) -> Any:
    return EmailPolicy.header_store_parse(_POLICY, name, value)[1]


@lru_cache(_KEPT_HEADERS)
def _folded(name: str, value: str) -> bytes:
    return EmailPolicy.fold_binary(_POLICY, name, _parsed(name, value))


def _subject_charset(title: str) -> str:
    """ASCII as it stands; encoded words for what is not, looks like one, or cannot be folded."""
    is_plain = title.isascii() and "=?" not in title
    return "us-ascii" if is_plain and all(len(word) <= MAX_WORD for word in title.split()) else "utf-8"


_POLICY = _MailPolicy(linesep="\r\n", cte_type="7bit")


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("chalicelib.channels"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def compose(letter: Letter, mail_from: str) -> EmailMessage:
    """The mail of a letter, with the headers that let a mail program unsubscribe by one click (RFC 8058)."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = mail_from
    message["To"] = letter.address
    message["Subject"] = _one_line(letter.title)
    message["Date"] = format_datetime(utc_now())
    message["Message-ID"] = f"<{letter.id}@{parseaddr(mail_from)[1].rpartition('@')[2]}>"
    message[ID_HEADER] = letter.id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice should answer it
    message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(render("txt", letter))
    # As hard to guess as the library's own, for which it searches the whole mail with a new pattern.
    message.make_alternative(boundary=f"=_{token_hex(16)}")
    message.add_alternative(render("html", letter), subtype="html")
    message["Content-Language"] = letter.locale  # last: what is said of the content moves into the first part
    return message


def render(form: str, letter: Letter) -> str:
    """One part of the mail: `form` is 'txt' or 'html'."""
    text = letter.text.replace("\r\n", "\n").strip()
    template = _templates().get_template(f"mail.{letter.locale}.{form}")
    html = None if letter.html is None else Markup(letter.html)  # noqa: S704 - escaped when it was filled in
    return template.render(letter=letter, paragraphs=_PARAGRAPHS.split(text), text=text, html=html)


def _one_line(title: str) -> str:
    # A header takes no line break of any kind: the library refuses the whole mail for one.
    return " ".join(_CONTROLS.sub(" ", title).split())
