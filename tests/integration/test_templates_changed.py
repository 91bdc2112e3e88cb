"""What is sent by a template and is changed until then, or is sent again and again."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chalicelib.domain.times import iso, later
from chalicelib.services import frequencies, send_times
from chalicelib.services.content import Content
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.frequencies import Wanted
from chalicelib.services.send_times import Changed
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.notifications import Notification
from tests.support.aws import World
from tests.support.factories import SHOP, START, user_id
from tests.support.templates import ORDER, Deploy, deployer, send, stored

ANNA = user_id(1)


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Deploy:
    return deployer(monkeypatch, tmp_path)


class TestChanges:
    """Of what is not due yet."""

    def change(self, world: World, dispatch: Dispatch, **changed: Any) -> None:
        send_times.change(dispatch.notification_id, Changed(**changed), SHOP, world.clock())

    def scheduled(self, world: World) -> Dispatch:
        world.knows([ANNA])
        return send(world, [ANNA], "order_shipped@1", ORDER, send_at=later(START, 600))

    def test_the_variables_are_changed_all_at_once(self, world: World, newer: Deploy) -> None:
        dispatch = self.scheduled(world)
        newer()  # it keeps its version
        self.change(world, dispatch, variables={"order": "B-2", "tracking_url": "https://example.com/"})
        row = stored(world)
        assert (row["template"], row["title"]) == ("order_shipped@1", "Your order B-2 has been shipped")
        self.change(world, dispatch, variables={"order": "B-3"})
        world.live(700)
        (letter,) = world.channel.sent
        assert (letter.title, letter.text) == (
            "Your order B-3 has been shipped", "Your order B-3 is on its way.",
        )  # fmt: skip

    def test_what_the_template_says_is_not_changed(self, world: World) -> None:
        dispatch, before = self.scheduled(world), stored(world)
        for changed, field in (
            ({"title": "Other"}, "title"),
            ({"text": "Other", "variables": ORDER}, "text"),
            ({"variables": {}}, "variables.order"),
        ):
            with pytest.raises(InvalidFieldError) as refused:
                self.change(world, dispatch, **changed)
            assert refused.value.field == field
        assert stored(world) == before

    def test_a_time_alone_leaves_what_is_said(self, world: World) -> None:
        dispatch = self.scheduled(world)
        self.change(world, dispatch, send_at=later(START, 900))
        assert json.loads(stored(world)["variables"]) == ORDER
        assert world.table("DISPATCHES_TABLE")[0]["due_at"] == iso(later(START, 900))

    def test_what_has_no_template_takes_no_variables(self, world: World) -> None:
        dispatch = world.submit([ANNA], send_at=later(START, 600))
        with pytest.raises(InvalidFieldError, match="not made of a template"):
            self.change(world, dispatch, variables=ORDER)


class TestFrequencies:
    """What is sent again and again."""

    def create(self, world: World, slug: str = "often", **wanted: Any) -> None:
        world.knows([ANNA], locale="ru")
        named = {"content": Content("mail", "", "", template="order_shipped@1", variables=ORDER)} | wanted
        asked = Wanted(timing={"period": 60}, users=[UUID(ANNA)], **named)
        frequencies.create(slug, asked, SHOP, world.clock())

    def test_each_run_is_filled_in(self, world: World) -> None:
        self.create(world)
        world.live(130)
        assert [letter.title for letter in world.channel.sent] == ["Заказ A-1 <b> отправлен"] * 2
        view = frequencies.find("often", SHOP)
        assert (view.content.template, view.content.variables) == ("order_shipped@1", ORDER)
        assert view.frequency.title == "Your order A-1 <b> has been shipped"

    def test_a_change_of_the_timing_keeps_what_is_said(self, world: World) -> None:
        self.create(world)
        frequencies.change("often", Wanted(timing={"period": 90}), SHOP, world.clock())
        world.live(100)
        assert [letter.title for letter in world.channel.sent] == ["Заказ A-1 <b> отправлен"]

    def test_a_plain_text_takes_the_place_of_a_template(self, world: World) -> None:
        self.create(world)
        frequencies.change("often", Wanted(content=Content("mail", "News", "Text")), SHOP, world.clock())
        world.live(70)
        assert [letter.title for letter in world.channel.sent] == ["News"]

    def test_what_cannot_be_filled_in_is_refused(self, world: World) -> None:
        content = Content("mail", "", "", template="order_shipped@1", variables={})
        with pytest.raises(InvalidFieldError) as refused:
            self.create(world, content=content)
        assert refused.value.field == "variables.order"
        assert not world.table("FREQUENCIES_TABLE")

    def test_the_content_of_another_notification_is_taken_over_with_its_version(
        self, world: World, newer: Deploy
    ) -> None:
        dispatch = send(world, [user_id(9)], "order_shipped@1", ORDER)
        newer()
        self.create(world, content=None, notification_id=dispatch.notification_id)
        row = frequencies.find("often", SHOP)
        assert row.content.template == "order_shipped@1"
        found = Notification.one(row.frequency.notification_id, consistent=True)
        assert found is not None
        assert (found.template, found.variables) == ("order_shipped@1", ORDER)
        newer(without=(1,))
        with pytest.raises(InvalidFieldError, match="cannot be sent any more") as refused:
            self.create(world, "other", content=None, notification_id=dispatch.notification_id)
        assert refused.value.field == "notification_id"
