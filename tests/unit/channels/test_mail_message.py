"""The mail, read back as a mail program reads it."""

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.channels import mail_message
from chalicelib.channels.base import Letter
from chalicelib.channels.mail import MailChannel
from chalicelib.channels.mail_message import compose
from tests.support.factories import letter

FROM = "Вестник <news@vestnik.example>"


def written(mail: Letter, sender: str = FROM) -> bytes:
    return bytes(compose(mail, sender))


def read(mail: Letter, sender: str = FROM) -> EmailMessage:
    return BytesParser(policy=policy.default).parsebytes(written(mail, sender))


def part(mail: Letter, kind: str) -> str:
    body = read(mail).get_body(preferencelist=(kind,))
    assert body is not None
    return str(body.get_content())


def test_headers_say_from_whom_to_whom_and_how_to_stop() -> None:
    mail = letter()
    found = read(mail)
    assert found["From"].addresses[0].addr_spec == "news@vestnik.example"
    assert found["From"].addresses[0].display_name == "Вестник"
    assert (str(found["To"]), str(found["Subject"])) == ("anna@example.com", "A new film")
    assert found["Message-ID"] == f"<{mail.id}@vestnik.example>"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["List-Unsubscribe"] == f"<{mail.unsubscribe_url}>"
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert found["Date"].datetime.tzinfo is not None
    assert found.get_content_type() == "multipart/alternative"
    assert [each.get_content_type() for each in found.iter_parts()] == ["text/plain", "text/html"]


def test_a_link_longer_than_a_line_stays_in_one_piece() -> None:
    url = "https://" + "very-" * 30 + "long.example/api/v1/unsubscribes/link/" + "x" * 56 + "/"
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in written(letter(unsubscribe_url=url))


def test_a_message_id_stays_the_same_and_in_one_piece() -> None:
    sender = "a@" + "x" * 60 + "." + "y" * 60 + ".example"
    first, second = read(letter(), sender)["Message-ID"], read(letter(title="Changed"), sender)["Message-ID"]
    assert first == second
    assert f"\r\nMessage-ID: {first}\r\n".encode() in written(letter(), sender)


@pytest.mark.parametrize(
    ("locale", "greeting", "farewell"),
    [("en", "Hello, Anna!", "Unsubscribe"), ("ru", "Здравствуйте, Anna!", "Отпи")],
)
def test_both_parts_speak_the_recipients_language(locale: str, greeting: str, farewell: str) -> None:
    mail = letter(locale=locale)
    for kind in ("plain", "html"):
        text = part(mail, kind)
        assert greeting in text
        assert farewell in text
        assert mail.unsubscribe_url in text
        assert "It is out today." in text
    assert read(mail)["Content-Language"] == locale


def test_nobodys_name_is_left_out() -> None:
    assert "Hello!" in part(letter(name=None), "plain")
    assert "Hello!" in part(letter(name=None), "html")


def test_html_is_escaped_and_plain_text_is_not() -> None:
    mail = letter(title="<b>1 & 2</b>", text="<script>alert(1)</script>", name='"><img src=x>')
    html = part(mail, "html")
    assert "<script>" not in html
    assert "<img" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert(1)</script>" in part(mail, "plain")


def test_paragraphs_become_paragraphs() -> None:
    html = part(letter(text="one\r\n\r\ntwo\nthree"), "html").replace("\r\n", "\n")
    assert ">one</p>" in html
    assert ">two\nthree</p>" in html


@given(st.text(max_size=200), st.text(max_size=300), st.none() | st.text(max_size=200))
def test_whatever_is_written_is_a_mail_of_ascii_lines_of_legal_length(
    title: str, text: str, name: str | None
) -> None:
    mail = letter(title=title, text=text, name=name)
    content = written(mail)
    assert content.isascii()
    head, _, _ = content.partition(b"\r\n\r\n")
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert all(len(line) <= 78 for line in head.split(b"\r\n") if not line.startswith(b"List-Unsubscribe:"))
    found = read(mail)
    assert sorted(found.keys()) == sorted(read(letter()).keys())  # nothing was let in
    assert found["To"] == "anna@example.com"


def test_a_long_subject_in_another_script_is_read_back() -> None:
    title = "Новый фильм уже в кино: " * 8
    assert str(read(letter(title=title))["Subject"]) == title.strip()
    assert b"\r\nSubject: =?utf-8?" in written(letter(title=title))


@pytest.mark.parametrize("breaking", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\x00"])
def test_no_line_break_in_a_title_makes_a_header(breaking: str) -> None:
    found = read(letter(title=f"One{breaking}Bcc: eve@example.com"))
    assert str(found["Subject"]) == "One Bcc: eve@example.com"
    assert found["Bcc"] is None


def test_an_address_with_a_line_break_is_written_into_no_mail() -> None:
    with pytest.raises(ValueError, match="To must be one line"):
        compose(letter(address="anna@example.com\r\nBcc: eve@example.com"), "news@vestnik.example")


def test_mails_share_nothing_that_differs() -> None:
    anna = letter(
        id="a" * 32, address="anna@example.com", locale="en", unsubscribe_url="https://x.example/a/"
    )
    boris = letter(
        id="b" * 32, address="boris@example.com", locale="ru", unsubscribe_url="https://x.example/b/"
    )
    for mail in (anna, boris, anna):
        found = read(mail)
        assert found["To"] == mail.address
        assert found["Message-ID"].startswith(f"<{mail.id}@")
        assert found["List-Unsubscribe"] == f"<{mail.unsubscribe_url}>"
        assert found["Content-Language"] == mail.locale
    assert read(anna).get_boundary() != read(anna).get_boundary()


def test_only_the_header_with_the_boundary_is_parsed_anew_for_each_mail() -> None:
    written(letter())
    before = mail_message._parsed.cache_info().misses, mail_message._folded.cache_info().misses
    for number in range(10):
        written(letter(id=f"{number:032x}", address=f"user-{number}@example.com"))
    parsed, folded = mail_message._parsed.cache_info().misses, mail_message._folded.cache_info().misses
    assert (parsed - before[0], folded - before[1]) == (10, 10)


ENCODED_WORDS = [
    "Hi =?utf-8?q?a=0D=0ABcc:_eve@example.com=0D=0A=0D=0Abody?= there",
    "=?utf-8?b?YQ0KQmNjOiBldmVAZXhhbXBsZS5jb20NCg0KYm9keQ==?=",
    "=?us-ascii?q?hello?= =?utf-8?q?world?=",
    "=?",
    "a?= =?b",
]


@pytest.mark.parametrize("title", ENCODED_WORDS)
def test_what_looks_like_an_encoded_word_is_only_text(title: str) -> None:
    found = read(letter(title=title))
    assert str(found["Subject"]) == title
    assert found["Bcc"] is None
    assert sorted(found.keys()) == sorted(read(letter()).keys())
    assert b"\n" not in written(letter(title=title)).replace(b"\r\n", b"")


@given(st.lists(st.sampled_from([*ENCODED_WORDS, "x" * 70, "слово", "word", "=0D=0A", "?="]), max_size=8))
def test_a_title_is_read_back_as_it_was(words: list[str]) -> None:
    title = " ".join(words)
    found = read(letter(title=title))
    assert str(found["Subject"]) == title
    assert sorted(found.keys()) == sorted(read(letter()).keys())


@pytest.mark.parametrize(
    ("contact", "address"),
    [
        ("anna@example.com", "anna@example.com"),
        (" Anna.Smith+x@EXAMPLE.com ", "Anna.Smith+x@example.com"),
        ("anna@пример.рф", "anna@xn--e1afmkfd.xn--p1ai"),
        ("анна@example.com", None),
        ("anna@example.com\r\nBcc: eve@example.com", None),
        ("anna@example.com, eve@example.com", None),
        ("=?utf-8?q?=0d=0aX-In=3Ay=0d=0a?=@example.com", None),
        ("anna", None),
        ("@example.com", None),
        ("", None),
        (None, None),
        ("a" * 250 + "@example.com", None),
    ],
)
def test_an_address_has_one_normal_form_or_is_none(contact: str | None, address: str | None) -> None:
    assert MailChannel().address_of(contact) == address
