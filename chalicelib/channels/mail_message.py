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
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class _MailPolicy(EmailPolicy):
    """RFC 5322 and 2047 as the library has them, but for two headers.

    List-Unsubscribe is never folded: a link longer than a line would become encoded words, which no mail
    program unsubscribes by.
    """

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() == "list-unsubscribe":
            return f"{name}: {value}{self.linesep}".encode("ascii")
        if name.lower() == "subject" and not str(value).isascii():
            # Folded by the policy, a long one loses spaces between its encoded words.
            words = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
            return f"{name}: {words}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


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
