"""The unsubscribe link, as it came in a mail (RFC 8058)."""

import pytest

from tests.support.deployment import Deployment, Person, people
from tests.support.smtp import ScriptedSmtp

pytestmark = pytest.mark.e2e

URL_ENCODED = ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click")
MULTIPART = (
    "multipart/form-data; boundary=here",
    b'--here\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--here--\r\n',
)
BUTTON = ("application/x-www-form-urlencoded", b"")


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


@pytest.fixture
def reader(vestnik: Deployment) -> Person:
    (reader,) = vestnik.add_people(people(1, "reader"))
    return reader


def link_in_a_mail_to(reader: Person, vestnik: Deployment, smtp: ScriptedSmtp) -> str:
    vestnik.send([reader], express=True)
    smtp.wait_for_mails(1, 30, to=reader.email)
    link = str(smtp.mail(to=reader.email).message["List-Unsubscribe"])
    assert link.startswith("<http")
    return link[1:-1]


def unsubscribed(vestnik: Deployment, reader: Person) -> set[str]:
    row = vestnik.row("UNSUBSCRIBES_TABLE", user_id=reader.user_id)
    return row["scopes"] if row else set()


def test_looking_at_the_link_shows_a_page_and_changes_nothing(
    vestnik: Deployment, smtp: ScriptedSmtp, reader: Person
) -> None:
    link = link_in_a_mail_to(reader, vestnik, smtp)
    english = vestnik.call("GET", link)
    russian = vestnik.call("GET", link, headers={"Accept-Language": "ru-RU,ru;q=0.9"})

    assert (english.status, russian.status) == (200, 200)
    assert english.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<form" in english.text
    assert 'method="post"' in english.text
    assert 'lang="en"' in english.text
    assert 'lang="ru"' in russian.text
    assert unsubscribed(vestnik, reader) == set()


@pytest.mark.parametrize(
    ("content_type", "body"), [URL_ENCODED, MULTIPART, BUTTON], ids=["url-encoded", "multipart", "button"]
)
def test_posting_to_the_link_unsubscribes_and_the_next_notification_is_not_sent(
    vestnik: Deployment, smtp: ScriptedSmtp, reader: Person, content_type: str, body: bytes
) -> None:
    link = link_in_a_mail_to(reader, vestnik, smtp)
    for _ in range(2):  # again changes nothing
        answer = vestnik.call("POST", link, body, {"Content-Type": content_type})
        assert answer.status == 200, answer
        assert unsubscribed(vestnik, reader) == {"mail"}

    (other,) = vestnik.add_people(people(1))
    sent = vestnik.send([reader, other], express=True)
    vestnik.wait_for(sent, sent=1, unsubscribed=1)
    shown = vestnik.recipient(sent, reader)
    assert (shown.status, shown.reason) == ("unsubscribed", "unsubscribed")
    assert shown.shown["is_user_subscribed"] is False
    assert smtp.counts() == {reader.email: 1, other.email: 1}


def test_who_unsubscribes_while_the_message_is_queued_is_not_sent_to(
    vestnik: Deployment, smtp: ScriptedSmtp, reader: Person
) -> None:
    with vestnik.paused("DeliverExpress"):
        sent = vestnik.send([reader], express=True)
        vestnik.wait_for_queued("DELIVERY_EXPRESS", 1)
        vestnik.unsubscribe(reader, "*")
    vestnik.wait_for(sent, unsubscribed=1)

    assert vestnik.recipient(sent, reader).reason == "unsubscribed"
    assert smtp.mails() == []


def test_a_link_that_was_changed_is_not_found_and_changes_nothing(
    vestnik: Deployment, smtp: ScriptedSmtp, reader: Person
) -> None:
    link = link_in_a_mail_to(reader, vestnik, smtp)
    head, token, end = link.rpartition("/link/")[0] + "/link/", link.rpartition("/link/")[2].rstrip("/"), "/"
    forged = head + ("A" if token[0] != "A" else "B") + token[1:] + end

    assert vestnik.call("GET", forged).status == 404
    assert vestnik.call("POST", forged, b"List-Unsubscribe=One-Click").status == 404
    assert unsubscribed(vestnik, reader) == set()
