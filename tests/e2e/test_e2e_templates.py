"""One dispatch by a template, to recipients of two languages and time zones, by the deployed functions."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.deployment import Deployment, Person, people
from tests.support.smtp import Mail, ScriptedSmtp

pytestmark = pytest.mark.e2e

MEETING = {
    "topic": "Plans & <dreams>\r\nBcc: eve@example.com",
    "starts_at": datetime(2026, 11, 27, 21, 30, tzinfo=UTC).isoformat(),
    "place": "Room 4 </p><script>alert(1)</script>",
    "url": "https://meet.example.com/?a=1&b=2",
}
LINK = re.compile(r"http\S+/unsubscribes/link/[^/\s]+/")


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


def seen(text: str) -> str:
    """What a mail and its preview have in common: all but the link, and how lines end."""
    return LINK.sub("LINK", text).replace("\r\n", "\n").strip()


def test_each_reads_their_own_language_and_time_and_the_preview_has_shown_it(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    first, second = people(2, "invited")
    zones = {"en": "America/New_York", "ru": "Asia/Vladivostok"}
    persons = [Person(first.email, "Anna", "en"), Person(second.email, "Борис", "ru")]
    rows: list[dict[str, Any]] = [
        {
            "user_id": each.user_id, "email": each.email, "name": each.name, "locale": each.locale,
            "time_zone": zones[str(each.locale)],
        }
        for each in persons
    ]  # fmt: skip
    vestnik.put_all("CONTACTS_TABLE", rows)
    users = [each.user_id for each in persons]
    body = {
        "type": "mail", "is_express": True, "template": "meeting", "variables": MEETING, "users": users,
    }  # fmt: skip
    made = vestnik.ask("POST", "/api/v1/notifications/", body)
    assert (made["template"], made["variables"]) == ("meeting@1", MEETING)
    smtp.wait_for_mails(2, 30)

    expected = {
        "en": "Friday, 27 November 2026, 16:30 (UTC-5)",
        "ru": "суббота, 28 ноября 2026 г., 07:30 (UTC+10)",
    }
    for person in persons:
        mail: Mail = smtp.mail(to=person.email)
        locale = str(person.locale)
        assert expected[locale] in mail.part("plain")
        assert f"<b>{expected[locale]}</b>" in mail.part("html")
        assert mail.message["Content-Language"] == locale
        assert mail.message["Bcc"] is None
        assert "<script" not in mail.part("html")
        asked = {
            "type": "mail", "variables": MEETING, "locale": locale,
            "recipient": {"name": person.name, "time_zone": zones[locale]},
        }  # fmt: skip
        (shown,) = vestnik.ask("POST", "/api/v1/templates/meeting/preview/", asked)["results"]
        assert shown["title"] == mail.message["Subject"]
        assert seen(shown["html"]) == seen(mail.part("html"))
        assert seen(shown["text"]) in seen(mail.part("plain"))


def test_what_is_missing_is_named(vestnik: Deployment) -> None:
    body = {"type": "mail", "template": "meeting", "variables": {}, "users": [people(1)[0].user_id]}
    headers = {"Authorization": vestnik.authorization, "Content-Type": "application/json"}
    answer = vestnik.call("POST", "/api/v1/notifications/", json.dumps(body).encode(), headers)
    assert answer.status == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["variables.topic"]


def test_the_templates_of_the_package_are_listed(vestnik: Deployment) -> None:
    listed = vestnik.get("/api/v1/templates/")["results"]
    assert {"meeting", "order_shipped"} <= {each["name"] for each in listed}
