"""A Russian page says in Russian what comes from elsewhere: rights, templates' fields, failures, changes."""

import re

import pytest

from chalicelib.domain.times import utc_now
from chalicelib.services.applications import register_application, rotate_password
from chalicelib.services.audit import Via, acting
from chalicelib.services.rights import Role
from chalicelib.tables.suppressions import suppress
from tests.support.aws import World
from tests.support.factories import address_of, user_ids
from tests.support.panel import Browser, visitor

NEW = "/admin/notifications/new"
MEETING = {
    "type": "mail", "template": "meeting@1", "way": "ids", "when": "now",
    "variables.topic": "Plans", "variables.starts_at": "2026-11-27T16:30", "variables.place": "Here",
}  # fmt: skip


@pytest.fixture
def browser(world: World) -> Browser:
    return visitor(language="ru")


@pytest.mark.parametrize(
    ("role", "path", "said"),
    [
        (Role.VIEWER, "/admin/contacts", "это доступно только управляющим"),
        (Role.SENDER, "/admin/applications", "это доступно только управляющим"),
        (Role.VIEWER, NEW, "это доступно только отправителям и управляющим"),
    ],
)
def test_who_may_not_is_told_so(world: World, role: Role, path: str, said: str) -> None:
    shown = visitor(role, language="ru").get(path)
    assert (shown.status, said in shown.text, "administrator" in shown.text) == (403, True, False)


def test_a_viewer_is_told_what_they_see(world: World) -> None:
    shown = visitor(Role.VIEWER, language="ru").get("/admin/account")
    assert "видит уведомления, рассылки, аудитории и работу сервиса" in shown.text


@pytest.mark.parametrize("part", [f"{NEW}/variables", "/admin/frequencies/_said"])
def test_a_templates_fields_are_described_in_the_readers_language(world: World, part: str) -> None:
    chosen, htmx = {"template": "meeting@1"}, {"HX-Request": "true"}
    russian, english = (visitor(language=each).post(part, chosen, headers=htmx).text for each in ("ru", "en"))
    assert "Приглашение" in russian
    assert all(each in russian for each in ("О чём встреча", "Когда она начнётся", "необязательно"))
    assert all(each in english for each in ("What it is about", "When it begins", "optional"))
    assert "What it is" not in russian


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"variables.topic": ""}, "нужно заполнить"),
        ({"variables.starts_at": "1999-12-31T23:59"}, "должно быть от 2000 до 2199"),
        ({"variables.starts_at": "2200-01-01T00:00"}, "должно быть от 2000 до 2199"),
        ({"template": "meeting@7"}, "у шаблона meeting нет версии 7; есть 1"),
    ],
)
def test_what_is_wrong_with_a_templates_fields(browser: Browser, typed: dict[str, str], said: str) -> None:
    shown = browser.post(NEW, MEETING | {"users": str(user_ids(1)[0])} | typed)
    assert (shown.status, said in shown.text) == (422, True), shown.text


@pytest.mark.parametrize(
    ("language", "path", "said"),
    [
        ("ru", "/admin/audiences/new", "Название"),
        ("ru", "/admin/new/application", "Имя"),
        ("en", "/admin/audiences/new", "Name"),
        ("ru", "/admin/operations", "Срочная очередь: половина отправлена за"),
        ("en", "/admin/operations", "Median delay, express lane"),
        ("en", "/admin/operations", "95th percentile of delay, regular lane"),
    ],
)
def test_labels(world: World, language: str, path: str, said: str) -> None:
    assert said in visitor(language=language).get(path).text


def test_why_somebody_was_not_sent_to(world: World, browser: Browser) -> None:
    users = user_ids(1)
    world.knows(users)
    suppress("mail", address_of(users[0]), "bounced: 550 gone", utc_now())
    dispatch = world.submit(users)
    world.settle()
    path = f"/admin/notifications/{dispatch.notification_id}/recipients"
    for shown in (browser.get(path), browser.get(f"{path}/{users[0]}")):
        assert "неверный контакт" in shown.text
        assert "запрещено: возвращено: 550 gone" in shown.text


def test_the_audit_log_names_what_has_changed(world: World, browser: Browser) -> None:
    with acting("operator:me", Via.COMMAND):
        register_application("crm", utc_now())
        rotate_password("crm", 1, utc_now())
    said = browser.get("/admin/audit").text
    assert all(each in said for each in ("Прежний пароль действует до", "Права", "Включено да"))
    assert not re.search(r"old_password_until|is_active|scopes", said)
