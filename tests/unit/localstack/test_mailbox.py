"""The mailbox by real SMTP and real HTTP."""

import http.client
import smtplib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from localstack import mailbox
from localstack.mailbox import Mails, SmtpServer, header, parse, text_of
from localstack.mailbox_page import MailboxPage
from localstack.ports import LOOPBACK


@pytest.fixture
def mails(tmp_path: Path) -> Mails:
    return Mails(tmp_path / "mails")


@pytest.fixture
def server(mails: Mails) -> Iterator[SmtpServer]:
    with SmtpServer(0, mails) as running:
        yield running


@pytest.fixture
def page(mails: Mails) -> Iterator[MailboxPage]:
    with MailboxPage(0, mails.directory) as running:
        yield running


def mail(subject: str = "Привет, мир", to: str = "user@example.com", html: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Вестник <noreply@example.org>"
    message["To"] = to
    message["Subject"] = subject
    message["List-Unsubscribe"] = "<https://example.org/u?a=1&b=2>"
    message.set_content("Добрый день! <b>\nhttps://example.org/u?a=1&b=2.\n")
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


def send(server: SmtpServer, *messages: EmailMessage) -> None:
    with smtplib.SMTP(LOOPBACK, server.port, timeout=10) as client:
        for message in messages:
            client.send_message(message)


def fetch(page: MailboxPage, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection(LOOPBACK, page.port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


def test_a_mail_is_kept_with_its_envelope_and_every_letter(server: SmtpServer, mails: Mails) -> None:
    send(server, mail(html="<p>Добрый день</p>"))

    kept = parse(mails.raw(mails.ids()[0]) or b"")
    assert header(kept, "Subject") == "Привет, мир"
    assert header(kept, "Return-Path") == "<noreply@example.org>"
    assert header(kept, "Delivered-To") == "user@example.com"
    assert (text_of(kept, "plain") or "").startswith("Добрый день!")
    assert "<p>Добрый день</p>" in (text_of(kept, "html") or "")


def test_names_say_when_and_to_whom_and_are_safe(mails: Mails) -> None:
    before = datetime.now(UTC)
    for recipient in ["user@example.com", "../../etc/passwd", "x" * 500 + "@example.com", "я@пример.рф", ""]:
        mails.keep("a@example.org", [recipient], b"Subject: x\r\n\r\n")

    assert len(mails.ids()) == 5
    assert any(mail_id.endswith("-user@example.com") for mail_id in mails.ids())
    assert {path.parent for path in mails.directory.iterdir()} == {mails.directory}
    assert all(before <= summary.time <= datetime.now(UTC) for summary in mails.summaries(mails.ids()))


def test_mails_are_listed_newest_first_however_fast_they_come(server: SmtpServer, mails: Mails) -> None:
    send(server, *(mail(f"Number {number}") for number in range(300)))

    subjects = [summary.subject for summary in mails.summaries(mails.ids())]
    assert subjects == [f"Number {number}" for number in reversed(range(300))]


def test_many_senders_at_once_lose_nothing(server: SmtpServer, mails: Mails) -> None:
    senders = [
        threading.Thread(target=send, args=(server, *(mail(f"{name}-{n}") for n in range(25))))
        for name in range(8)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    assert len({summary.subject for summary in mails.summaries(mails.ids())}) == 200


def test_a_mail_to_several_is_kept_once_with_all_of_them(server: SmtpServer, mails: Mails) -> None:
    with smtplib.SMTP(LOOPBACK, server.port, timeout=10) as client:
        client.sendmail("a@example.org", ["b@example.com", "c@example.com"], "Subject: x\r\n\r\nHello")

    (mail_id,) = mails.ids()
    assert parse(mails.raw(mail_id) or b"").get_all("Delivered-To") == ["b@example.com", "c@example.com"]


def test_a_mail_that_cannot_be_kept_is_refused_for_now(server: SmtpServer, mails: Mails) -> None:
    mails.directory.write_text("a file in the directory's place")

    with pytest.raises(smtplib.SMTPDataError) as refusal:
        send(server, mail())
    assert refusal.value.smtp_code == 451


def test_stopping_closes_the_port_and_open_sessions(mails: Mails) -> None:
    server = SmtpServer(0, mails).start()
    client = smtplib.SMTP(LOOPBACK, server.port, timeout=10)
    server.stop()

    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()
    client.close()
    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP(LOOPBACK, server.port, timeout=10)


def test_a_strange_mail_is_shown_as_well_as_it_can_be(mails: Mails, page: MailboxPage) -> None:
    head = b"From: \xff <\r\nSubject: =?utf-8?b?broken\r\nContent-Type: text/plain; charset=nobody\r\n"
    mail_id = mails.keep("", ["u@example.com"], head + "\r\nмир".encode())

    response, shown = fetch(page, f"/mails/{mail_id}")
    assert (response.status, "мир" in shown) == (200, True)
    assert "=?utf-8?b?broken" in fetch(page, "/")[1]


def test_the_page_lists_sender_recipient_and_subject(
    server: SmtpServer, mails: Mails, page: MailboxPage
) -> None:
    send(server, mail("<script>alert(1)</script>"))

    response, shown = fetch(page, "/")
    assert response.status == 200
    assert "1 mail" in shown
    assert "Вестник &lt;noreply@example.org&gt;" in shown
    assert "user@example.com" in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>" not in shown


def test_thousands_of_mails_come_in_pages_of_a_hundred(mails: Mails, page: MailboxPage) -> None:
    for number in range(2_001):
        mails.keep("a@example.org", ["b@example.com"], b"Subject: Number %d\r\n\r\n" % number)

    first, last = fetch(page, "/")[1], fetch(page, "/?page=21")[1]
    assert "2,001 mails" in first
    assert first.count("Number ") == 100
    assert "Number 2000<" in first
    assert 'href="/?page=2"' in first
    assert last.count("Number ") == 1
    assert "Number 0<" in last
    for odd in ["0", "99", "-1", "x", "1" * 50]:
        assert fetch(page, f"/?page={odd}")[0].status == 200


def test_a_mail_is_shown_with_text_html_headers_and_attachment(
    server: SmtpServer, mails: Mails, page: MailboxPage
) -> None:
    message = mail(html='<p onclick="x()">Hi</p><img src="https://example.org/pixel">')
    message.add_attachment(b"1", maintype="application", subtype="pdf", filename="<счёт>.pdf")
    send(server, message)

    _, shown = fetch(page, f"/mails/{mails.ids()[0]}")
    assert "<h1>Привет, мир</h1>" in shown
    assert "Добрый день! &lt;b&gt;" in shown
    assert '<a href="https://example.org/u?a=1&amp;b=2" rel="noreferrer">' in shown
    assert "&lt;p onclick=&quot;x()&quot;&gt;Hi&lt;/p&gt;" in shown
    assert "<p onclick" not in shown
    assert "&lt;счёт&gt;.pdf" in shown
    assert "<th>Delivered-To</th><td>user@example.com</td>" in shown


def test_a_shown_mail_can_neither_run_nor_load_anything(mails: Mails, page: MailboxPage) -> None:
    mail_id = mails.keep(
        "", ["u@example.com"], b"Content-Type: text/html\r\n\r\n<script src=//evil></script>"
    )

    response, shown = fetch(page, f"/mails/{mail_id}")
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")


def test_the_file_itself_can_be_downloaded(server: SmtpServer, mails: Mails, page: MailboxPage) -> None:
    send(server, mail())

    (mail_id,) = mails.ids()
    response, content = fetch(page, f"/mails/{mail_id}/raw")
    assert response.headers["Content-Type"] == "message/rfc822"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{mail_id}.eml"'
    assert content.encode() == mails.raw(mail_id)


@pytest.mark.parametrize("path", ["/mails/x", "/mails/..%2F..%2Fsecret", "/mails/x/raw", "/other", "/mails"])
def test_what_there_is_not_is_not_found(page: MailboxPage, mails: Mails, path: str) -> None:
    (mails.directory.parent / "secret.eml").write_text("secret")

    response, shown = fetch(page, path)
    assert (response.status, "secret" in shown) == (404, False)


def test_the_page_can_only_be_read(page: MailboxPage) -> None:
    assert fetch(page, "/", "POST")[0].status == 405
    assert fetch(page, "/", "HEAD")[1] == ""


def test_the_commands_list_show_count_and_clear(mails: Mails, capsys: pytest.CaptureFixture[str]) -> None:
    def command(*words: str) -> tuple[int, str]:
        code = mailbox.main(["--directory", str(mails.directory), *words])
        return code, capsys.readouterr().out

    assert command("count") == (0, "0\n")
    assert command("list") == (0, "0 mails\n")
    for subject in ("First", "Second", "Third"):
        mails.keep("a@example.org", ["b@example.com"], mail(subject).as_bytes())

    assert command("count") == (0, "3\n")
    _, listed = command("list", "--limit", "2")
    assert listed.index("Third") < listed.index("Second")
    assert "First" not in listed
    assert listed.endswith("3 mails, the newest 2 shown\n")
    assert "Subject: Third" in command("show", "1")[1]
    assert "Добрый день!" in command("show", mails.ids()[2])[1]
    assert command("show", "4")[0] == 1
    assert command("show", "0")[0] == 1
    assert command("clear") == (0, "3 mails removed\n")
    assert command("count") == (0, "0\n")
