"""A page over the kept mails: a list, newest first, and each mail as text, HTML, headers and file."""

import functools
import re
from collections.abc import Iterable
from email.message import EmailMessage
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from localstack.mailbox import Mails, header, headers, parse, text_of
from localstack.web import Handler, LoopbackServer

PAGE_SIZE = 100
# Nothing from outside is loaded, neither by the page nor by a mail shown in it; no script runs at all.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1rem; margin-top: 1.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; vertical-align: top;
  overflow-wrap: anywhere; }
td.time { white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: 1rem;
  border-radius: .4rem; }
iframe { width: 100%; height: 28rem; border: 1px solid #8884; border-radius: .4rem; background: #fff; }
"""
LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:)\]]")


class _Page(Handler):
    def __init__(self, *args: object, mails: Mails) -> None:
        self._mails = mails
        super().__init__(*args)  # type: ignore[arg-type]

    def answer(self) -> None:
        """Answer the list, a mail or its file."""
        if self.command not in {"GET", "HEAD"}:
            self.send_error(405, "This page can only be read.")
            return
        url = urlsplit(self.path)
        match [unquote(part) for part in url.path.strip("/").split("/")]:
            case [""]:
                self._list(parse_qs(url.query).get("page", ["1"])[0])
            case ["mails", mail_id]:
                self._mail(mail_id)
            case ["mails", mail_id, "raw"]:
                self._raw(mail_id)
            case _:
                self._missing()

    def _list(self, wanted: str) -> None:
        mail_ids = self._mails.ids()
        pages = max(1, -(-len(mail_ids) // PAGE_SIZE))
        page = min(max(1, int(wanted)), pages) if wanted.isdecimal() and len(wanted) < 10 else 1
        first = (page - 1) * PAGE_SIZE
        rows = [
            f'<tr><td class="time">{mail.time:%Y-%m-%d %H:%M:%S}</td><td>{escape(mail.sender)}</td>'
            f'<td>{escape(mail.to)}</td><td><a href="/mails/{quote(mail.mail_id)}">'
            f"{escape(mail.subject) or '(no subject)'}</a></td></tr>"
            for mail in self._mails.summaries(mail_ids[first : first + PAGE_SIZE])
        ]
        count = "1 mail" if len(mail_ids) == 1 else f"{len(mail_ids):,} mails"
        body = f"<h1>{count}</h1>{_turns(page, pages)}{_table(rows)}{_turns(page, pages)}"
        self._html(200, f"{count} · Vestnik's mailbox", body)

    def _mail(self, mail_id: str) -> None:
        raw = self._mails.raw(mail_id)
        if raw is None:
            self._missing()
            return
        message = parse(raw)
        subject = header(message, "Subject") or "(no subject)"
        body = (
            f'<p><a href="/">All mails</a> · <a href="/mails/{quote(mail_id)}/raw">Download (.eml)</a></p>'
            f"<h1>{escape(subject)}</h1>{_bodies(message)}{_attachments(message)}"
            f"<h2>Headers</h2><table>{''.join(_headers(message))}</table>"
        )
        self._html(200, subject, body)

    def _raw(self, mail_id: str) -> None:
        raw = self._mails.raw(mail_id)
        if raw is None:
            self._missing()
            return
        disposition = {"Content-Disposition": f'attachment; filename="{mail_id}.eml"'}
        self.send_body(200, "message/rfc822", raw, SECURITY_HEADERS | disposition)

    def _missing(self) -> None:
        self._html(404, "No such page", '<h1>There is nothing here.</h1><p><a href="/">All mails</a></p>')

    def _html(self, status: int, title: str, body: str) -> None:
        page = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
            f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            f"<style>{STYLE}</style>{body}</html>"
        )
        self.send_body(status, "text/html; charset=utf-8", page.encode("utf-8", "replace"), SECURITY_HEADERS)


def _table(rows: list[str]) -> str:
    if not rows:
        return "<p>Mails appear here as soon as they are sent.</p>"
    head = "<tr><th>Time (UTC)</th><th>From</th><th>To</th><th>Subject</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _turns(page: int, pages: int) -> str:
    if pages == 1:
        return ""
    newer = f'<a rel="prev" href="/?page={page - 1}">Newer</a> · ' if page > 1 else ""
    older = f' · <a rel="next" href="/?page={page + 1}">Older</a>' if page < pages else ""
    return f"<p>{newer}page {page:,} of {pages:,}{older}</p>"


def _bodies(message: EmailMessage) -> str:
    plain, html = text_of(message, "plain"), text_of(message, "html")
    shown = f"<h2>Text</h2><pre>{_linked(plain)}</pre>" if plain is not None else ""
    if html is not None:
        # Links open in a new tab, the only thing the frame may do.
        source = escape(f'<base target="_blank">{html}')
        sandbox = "allow-popups allow-popups-to-escape-sandbox"
        shown += f'<h2>HTML</h2><iframe title="HTML" sandbox="{sandbox}" srcdoc="{source}"></iframe>'
    return shown or "<p>This mail has no text.</p>"


def _attachments(message: EmailMessage) -> str:
    names = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
    items = "".join(f"<li>{escape(name)}</li>" for name in names)
    return f"<h2>Attachments</h2><ul>{items}</ul>" if items else ""


def _headers(message: EmailMessage) -> Iterable[str]:
    for name, text in headers(message):
        yield f"<tr><th>{escape(name)}</th><td>{_linked(text)}</td></tr>"


def _linked(text: str) -> str:
    """The text escaped, its web addresses made links."""
    shown, end = [], 0
    for link in LINK.finditer(text):
        address = escape(link[0])
        shown += [escape(text[end : link.start()]), f'<a href="{address}" rel="noreferrer">{address}</a>']
        end = link.end()
    return "".join([*shown, escape(text[end:])])


class MailboxPage(LoopbackServer):
    """The page, on loopback."""

    def __init__(self, port: int, directory: Path) -> None:
        super().__init__(port, functools.partial(_Page, mails=Mails(directory)))
