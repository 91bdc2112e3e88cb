"""What is in a mail that was sent by the deployed functions."""

import pytest

from tests.support.deployment import Deployment, Person, people
from tests.support.mail_form import check_form, read_strictly
from tests.support.smtp import Mail, ScriptedSmtp

pytestmark = pytest.mark.e2e

TEXT = "Dear reader,\n\nit costs 5 < 6 & less.\nHere is the next line.\n.\nA dot stood alone."


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


def mails_of(vestnik: Deployment, smtp: ScriptedSmtp, persons: list[Person]) -> list[Mail]:
    vestnik.add_people(persons)
    vestnik.send(persons, express=True, title="Скидка 50 % – today", text=TEXT)
    smtp.wait_for_mails(len(persons), 30)
    return [smtp.mail(to=person.email) for person in persons]


def test_a_mail_is_written_as_the_standards_have_it(vestnik: Deployment, smtp: ScriptedSmtp) -> None:
    english, russian = people(2, "reader")
    persons = [Person(english.email, "Anna", "en"), Person(russian.email, "Анна Кузнецова", "ru")]
    for mail in mails_of(vestnik, smtp, persons):
        check_form(read_strictly(mail.content), to=mail.recipient, title="Скидка 50 % – today")


def test_a_mail_has_both_parts_in_the_recipients_language_and_greets_by_name(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    english, russian, other = people(3, "reader")
    persons = [
        Person(english.email, "Anna Smith", "en"),
        Person(russian.email, "Анна <Кузнецова>", "ru"),
        Person(other.email, None, "fr"),
    ]
    mails = mails_of(vestnik, smtp, persons)

    greetings = ["Hello, Anna Smith!", "Здравствуйте, Анна <Кузнецова>!", "Hello!"]
    for mail, greeting, language in zip(mails, greetings, ["en", "ru", "en"], strict=True):
        assert mail.message.get_content_type() == "multipart/alternative"
        assert mail.message["Content-Language"] == language
        plain, html = mail.part("plain"), mail.part("html")
        assert plain.startswith(greeting)
        assert TEXT in plain.replace("\r\n", "\n")
        assert greeting.replace("<", "&lt;").replace(">", "&gt;") in html
        assert "it costs 5 &lt; 6 &amp; less." in html
        assert ("Отписаться" if language == "ru" else "Unsubscribe") in html


def test_a_mail_has_the_headers_that_mail_programs_need(vestnik: Deployment, smtp: ScriptedSmtp) -> None:
    (person,) = persons = people(1, "reader")
    (mail,) = mails_of(vestnik, smtp, persons)

    message = mail.message
    assert message["Subject"] == "Скидка 50 % – today"
    assert message["From"] == "Vestnik <noreply@example.org>"
    assert message["To"] == person.email
    assert message["Message-ID"].endswith("@example.org>")
    assert message["Date"].datetime.timestamp() == pytest.approx(mail.at, abs=10)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Unsubscribe"].startswith(f"<{vestnik.api_url}/api/v1/unsubscribes/link/")
    assert message["List-Unsubscribe"][1:-1] in mail.part("plain")
    assert message["List-Unsubscribe"][1:-1] in mail.part("html")
