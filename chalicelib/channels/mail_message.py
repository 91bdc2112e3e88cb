"""How a notification looks as a mail: HTML with a plain-text part, in the recipient's language."""

import re
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from chalicelib.channels.base import Letter
from chalicelib.domain.times import utc_now

_PARAGRAPHS = re.compile(r"\n\s*\n")
MAX_WORD = 60
"""The longest word of a subject that fits into a line of 76 with the header's name."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class _MailPolicy(EmailPolicy):
    """RFC 5322 and 2047 as the library has them, but for two headers that it would spoil.

    List-Unsubscribe is never folded: a link longer than a line would become encoded words, which no mail
    program unsubscribes by. The subject is text and nothing else: the library would decode what looks like
    an encoded word, line breaks included, and write whole headers out of a title.
    """

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.lower() == "subject":
            return name, str(value)
        return super().header_store_parse(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() == "list-unsubscribe":
            return f"{name}: {value}{self.linesep}".encode("ascii")
        if name.lower() == "subject":
            header = Header(str(value), _subject_charset(str(value)), header_name=name)
            return f"{name}: {header.encode(linesep=self.linesep)}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


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
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice should answer it
    message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(render("txt", letter))
    message.add_alternative(render("html", letter), subtype="html")
    message["Content-Language"] = letter.locale  # last: what is said of the content moves into the first part
    return message


def render(form: str, letter: Letter) -> str:
    """One part of the mail: `form` is 'txt' or 'html'."""
    text = letter.text.replace("\r\n", "\n").strip()
    template = _templates().get_template(f"mail.{letter.locale}.{form}")
    return template.render(letter=letter, paragraphs=_PARAGRAPHS.split(text), text=text)


def _one_line(title: str) -> str:
    # A header takes no line break of any kind: the library refuses the whole mail for one.
    return " ".join(_CONTROLS.sub(" ", title).split())
