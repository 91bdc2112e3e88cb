"""What is sent by a template: filled in for each recipient, by the version of when it was accepted."""

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.channels.base import Letter
from chalicelib.domain.results import Permanent
from chalicelib.services import export, notification_list
from chalicelib.services.errors import ConflictingRepeatError, InvalidFieldError
from chalicelib.services.send_again import SETTLED_AFTER_SECONDS, send_failed_again
from chalicelib.services.submit import submit
from tests.support.aws import World
from tests.support.factories import SHOP, address_of, user_ids
from tests.support.templates import ORDER, Deploy, by_template, deployer, send, stored

MEETING = {"topic": "Plans", "starts_at": "2026-11-27T21:30:00Z", "place": "Room 4"}
ANNA, BORIS, CARL = user_ids(3)


def letters(world: World) -> dict[str, Letter]:
    """The last letter to each address."""
    return {letter.address: letter for letter in world.channel.sent}


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Deploy:
    return deployer(monkeypatch, tmp_path)


def test_each_recipient_reads_their_own_language_time_and_name(world: World) -> None:
    world.knows([ANNA], name="Anna", locale="en", time_zone="America/New_York")
    world.knows([BORIS], name="Борис", locale="ru", time_zone="Europe/Moscow")
    world.knows([CARL], name=None, locale=None)
    dispatch = send(world, [ANNA, BORIS, CARL], "meeting", MEETING)
    world.settle()
    assert world.counts(dispatch) == {"sent": 3}
    anna, boris, carl = (letters(world)[address_of(user)] for user in (ANNA, BORIS, CARL))
    assert (anna.title, boris.title, carl.title) == ("Meeting: Plans", "Встреча: Plans", "Meeting: Plans")
    for letter, when in (
        (anna, "Friday, 27 November 2026, 16:30 (UTC-5)"),
        (boris, "суббота, 28 ноября 2026 г., 00:30 (UTC+3)"),
        (carl, "Friday, 27 November 2026, 21:30 (UTC)"),
    ):
        assert when in letter.text
        assert letter.html is not None
        assert f"<b>{when}</b>" in letter.html


def test_what_is_kept_is_the_version_the_variables_and_what_nobody_in_particular_reads(world: World) -> None:
    world.configure("DEFAULT_LOCALE", "ru")
    send(world, [ANNA], "order_shipped@1", ORDER)
    row = stored(world)
    assert (row["template"], json.loads(row["variables"])) == ("order_shipped@1", ORDER)
    assert (row["title"], row["text"]) == ("Заказ A-1 <b> отправлен", "Ваш заказ A-1 <b> уже в пути.")


def test_a_plain_title_and_text_are_kept_and_sent_as_ever(world: World) -> None:
    world.knows([ANNA])
    world.submit([ANNA])
    world.settle()
    assert {"template", "variables"}.isdisjoint(stored(world))
    (letter,) = world.channel.sent
    assert (letter.title, letter.text, letter.html) == ("Title", "Text", None)


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("order_shipped", {"order": "A", "goods": "G"}, "variables.total", "required: What it costs"),
    ("order_shipped@1", {}, "variables.order", "required: The order's number"),
    ("order_shipped@1", ORDER | {"total": 1}, "variables.total", "no such variable"),
    ("order_shipped@1", {"order": 1}, "variables.order", "must be a text"),
    ("order_shipped@1", {"order": "x" * 41}, "variables.order", "at most 40"),
    ("order_shipped@9", ORDER, "template", "no version 9"),
    ("order_sent", ORDER, "template", "no template 'order_sent'"),
]


@pytest.mark.parametrize(("template", "variables", "field", "reason"), WRONG)
def test_what_cannot_be_filled_in_is_refused_and_nothing_is_written(
    world: World, template: str, variables: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidFieldError, match=reason) as refused:
        send(world, [ANNA], template, variables)
    assert refused.value.field == field
    assert not world.table("NOTIFICATIONS_TABLE")
    assert not world.table("REQUESTS_TABLE")


def test_a_title_beside_a_template_and_variables_without_one_are_refused(world: World) -> None:
    for changes, field in (
        ({"template": "order_shipped@1", "variables": ORDER}, "title"),
        ({"template": "order_shipped@1", "variables": ORDER, "title": ""}, "text"),
        ({"variables": ORDER}, "variables"),
    ):
        with pytest.raises(InvalidFieldError) as refused:
            world.submit([ANNA], **changes)
        assert refused.value.field == field


def test_a_channel_that_a_template_has_no_files_for_is_refused(
    world: World, newer: Deploy, tmp_path: Path
) -> None:
    folder = newer()
    for locale in ("en", "ru"):
        (folder / f"{locale}.j2").rename(folder / f"telegram.{locale}.j2")
    with pytest.raises(InvalidFieldError, match="order_shipped@3 has nothing for mail; it is for: telegram"):
        send(world, [ANNA], "order_shipped", ORDER)


def test_a_text_too_long_in_any_language_is_refused(world: World, newer: Deploy) -> None:
    path = newer() / "ru.j2"
    long = "{{ recipient.name }}" * 500  # of the longest name
    path.write_text(path.read_text("utf-8").replace("{% block text %}", "{% block text %}" + long), "utf-8")
    with pytest.raises(InvalidFieldError, match=r"the text would have .* in 'ru'") as refused:
        send(world, [ANNA], "order_shipped", ORDER)
    assert refused.value.field == "variables"


def test_markup_is_as_long_as_what_is_read_of_it(world: World, newer: Deploy) -> None:
    path = newer() / "telegram.en.j2"
    blocks = "{% block title %}A{% endblock %}{% block text %}B{% endblock %}{% block html %}@{% endblock %}"
    path.write_text(blocks.replace("@", "<b></b>" * 1000 + "{{ order }}" * 300), "utf-8")
    send(world, [ANNA], "order_shipped", {"order": "<"}, type="telegram")
    with pytest.raises(InvalidFieldError, match="the html would have 3900 of 3700"):
        send(world, [ANNA], "order_shipped", {"order": "<" * 13}, type="telegram")


@pytest.mark.parametrize("order", ["", " \n", "\u200b"])
def test_a_title_of_nothing_is_refused(world: World, newer: Deploy, order: str) -> None:
    path = newer() / "ru.j2"
    path.write_text("{% block title %}{{ order }}{% endblock %}{% block text %}x{% endblock %}", "utf-8")
    with pytest.raises(InvalidFieldError, match="the title would be empty in 'ru'"):
        send(world, [ANNA], "order_shipped", {"order": order})


def test_a_newer_version_changes_nothing_that_was_accepted(world: World, newer: Deploy) -> None:
    world.knows([ANNA])
    send(world, [ANNA], "order_shipped@1", ORDER)
    newer()
    send(world, [ANNA], "order_shipped", ORDER)
    world.settle()
    rows = world.table("NOTIFICATIONS_TABLE")
    assert {row["template"] for row in rows} == {"order_shipped@1", "order_shipped@3"}


def test_a_repeat_means_the_version_of_the_first_time(world: World, newer: Deploy) -> None:
    newer(without=(2,))
    asked = by_template([ANNA], "order_shipped", ORDER, key="k", body_hash="h")
    first = submit(asked, SHOP, world.clock())
    newer_still = by_template([ANNA], "order_shipped", ORDER, key="other", body_hash="h")
    newer()  # as it was, with a version 2 that wants more; the newest is 3 still
    again = submit(asked, SHOP, world.clock())
    assert (again.is_repeat, again.notification.id) == (True, first.notification.id)
    assert again.notification.template == first.notification.template == "order_shipped@3"
    newer(without=(3,))  # deployed back: the newest is 2, which the variables do not fill in
    with pytest.raises(InvalidFieldError, match="required"):
        submit(newer_still, SHOP, world.clock())
    with pytest.raises(InvalidFieldError, match="no version 3"):
        submit(asked, SHOP, world.clock())
    newer()
    with pytest.raises(ConflictingRepeatError):
        submit(by_template([ANNA], "order_shipped", ORDER, key="k", body_hash="i"), SHOP, world.clock())


def test_a_version_that_is_gone_fails_for_good_and_says_so(world: World, newer: Deploy) -> None:
    world.knows([ANNA])
    dispatch = send(world, [ANNA], "order_shipped@1", ORDER)
    newer(without=(1,))
    world.settle()
    assert world.counts(dispatch) == {"failed": 1}
    assert world.row(ANNA)["reason"].startswith("template: there is no version 1 of order_shipped")
    assert not world.channel.sent
    assert not world.crashes


def test_a_template_that_breaks_at_a_sending_fails_for_good_and_says_so(world: World, newer: Deploy) -> None:
    world.knows([ANNA, BORIS])
    world.knows([BORIS], locale="ru")
    dispatch = send(world, [ANNA, BORIS], "order_shipped@1", ORDER)
    newer("{% block title %}{{ 1 // 0 }}{% endblock %}{% block text %}x{% endblock %}")
    world.settle()
    assert world.counts(dispatch) == {"failed": 1, "sent": 1}
    assert "ZeroDivisionError" in world.row(ANNA)["reason"]
    assert not world.crashes

    newer()  # mended, and sent again by hand
    world.clock.advance(SETTLED_AFTER_SECONDS)
    assert send_failed_again(dispatch.notification_id, SHOP, world.clock) == 1
    world.live(120)
    assert letters(world)[address_of(ANNA)].title == "Your order A-1 <b> has been shipped"


def test_what_was_refused_and_is_sent_again_is_filled_in_again(world: World) -> None:
    world.knows([ANNA], locale="ru")
    world.channel.answers = {address_of(ANNA): [Permanent("full")]}
    dispatch = send(world, [ANNA], "order_shipped@1", ORDER)
    world.settle()
    world.clock.advance(SETTLED_AFTER_SECONDS)
    send_failed_again(dispatch.notification_id, SHOP, world.clock)
    world.live(120)
    assert world.counts(dispatch) == {"sent": 1}
    assert [letter.title for letter in world.channel.sent] == ["Заказ A-1 <b> отправлен"] * 2


def test_lists_and_the_export_show_it(world: World) -> None:
    world.knows([ANNA])
    send(world, [ANNA], "order_shipped@1", ORDER)
    world.channel.answers = {address_of(ANNA): [Permanent("full")]}
    world.settle()
    page = notification_list.list_notifications(SHOP, notification_list.Filters(), None, 10, world.clock())
    (listed,) = page.notifications
    assert (listed.template, listed.variables) == ("order_shipped@1", ORDER)
    (row,) = export.export(ANNA, None, 10).rows
    assert row.notification is not None
    assert row.notification.title == "Your order A-1 <b> has been shipped"
