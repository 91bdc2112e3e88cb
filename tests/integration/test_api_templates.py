"""Templates by the API: what is listed, looked at, sent and refused."""

import hashlib
import json
from typing import Any

import pytest

from chalicelib.api.notifications import NewNotification
from chalicelib.channels.mail_message import render
from chalicelib.domain.times import iso, later, utc_now
from chalicelib.services.applications import register_application
from chalicelib.templating.variables import MAX_VARIABLES_BYTES
from tests.support.api import Api
from tests.support.aws import World
from tests.support.factories import address_of, user_id

PATH = "/api/v1/notifications/"
FREQUENCIES = "/api/v1/notification_frequencies/"
TEMPLATES = "/api/v1/templates/"
ORDER = {"order": "A-1 <b>"}
MEETING = {"topic": "Plans & <dreams>", "starts_at": "2026-11-27T21:30:00Z", "place": "Room 4"}
USER = user_id(1)


@pytest.fixture
def api(world: World) -> Api:
    return Api(f"shop {register_application('shop', utc_now()).password}")


def a_body(**changed: Any) -> dict[str, Any]:
    body = {"type": "mail", "template": "order_shipped@1", "variables": ORDER, "users": [USER]}
    return {name: value for name, value in (body | changed).items() if value is not ...}


def test_the_templates_are_listed_with_what_they_take(api: Api) -> None:
    listed = {each["name"]: each["versions"] for each in api.get(TEMPLATES).json["results"]}
    assert list(listed) == sorted(listed)
    assert [each["template"] for each in listed["order_shipped"]] == ["order_shipped@2", "order_shipped@1"]
    newest = listed["order_shipped"][0]
    assert {"mail", "telegram"} <= set(newest["channels"])
    assert newest["locales"] == ["en", "ru"]
    assert newest["variables"]["total"] == {
        "type": "number", "description": "What it costs, in euros", "example": 1234.5, "max_length": None,
        "required": True, "default": None,
    }  # fmt: skip
    one = api.get(f"{TEMPLATES}order_shipped")
    assert (one.status, one.json) == (200, {"name": "order_shipped", "versions": listed["order_shipped"]})
    assert [api.get(TEMPLATES + name).status for name in ("order_sent/", "Order/", "default/")] == [404] * 3


def test_a_notification_by_a_template_shows_what_it_says(world: World, api: Api) -> None:
    answer = api.post(PATH, a_body(template="order_shipped", variables=ORDER | {"goods": "Tea", "total": 5}))
    assert answer.status == 201, answer.body
    said = {
        "template": "order_shipped@2",
        "variables": ORDER | {"goods": "Tea", "total": 5},
        "title": "Your order A-1 <b> has been shipped",
        "text": "Your order A-1 <b> is on its way: Tea.\nTotal: €5.00.",
    }
    assert said.items() <= answer.json.items()
    assert b'"total":5}' in answer.body  # a whole number stays one
    assert said.items() <= api.get(f"{PATH}{answer.json['id']}").json.items()
    assert said.items() <= api.get(PATH).json["results"][0].items()


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"variables": {}}, "variables.order", "required: The order's number"),
    ({"variables": ...}, "variables.order", "required"),
    ({"variables": ORDER | {"x": 1}}, "variables.x", "no such variable; it has: order, tracking_url"),
    ({"variables": {"order": 7}}, "variables.order", "must be a text"),
    ({"variables": {"order": None}}, "variables.order", "must be a text"),
    ({"variables": {"order": "x" * 41}}, "variables.order", "at most 40 characters"),
    ({"variables": ORDER | {"tracking_url": "javascript:x"}}, "variables.tracking_url", "must be an http"),
    ({"variables": {str(number): 1 for number in range(51)}}, "variables", "at most 50"),
    ({"variables": "x"}, "variables", "should be an object"),
    ({"variables": None}, "variables", "should be an object"),
    ({"template": "order_sent"}, "template", "there is no template 'order_sent'"),
    ({"template": "order_shipped@7"}, "template", "there are: 1, 2"),
    ({"template": "default"}, "template", "there is no template 'default'"),
    ({"template": "../x"}, "template", "should match pattern"),
    ({"template": None}, "template", "valid string"),
    ({"type": "pigeon"}, "type", "unknown channel"),
    ({"title": "Hello"}, "title", "is the template's to say"),
    ({"text": "Hello"}, "text", "is the template's to say"),
    ({"template": ..., "title": "Hello", "text": "Hello"}, "variables", "are for a template"),
    ({"template": ..., "variables": ...}, "title", "Field required"),
    ({"template": ..., "variables": ...}, "text", "Field required"),
    ({"template": ..., "variables": ..., "title": "Hello"}, "text", "Field required"),
]


@pytest.mark.parametrize(("changed", "field", "reason"), WRONG)
def test_what_is_wrong_is_named_and_nothing_is_written(
    world: World, api: Api, changed: dict[str, Any], field: str, reason: str
) -> None:
    answer = api.post(PATH, a_body(**changed), {"Idempotency-Key": "k"})
    assert answer.status == 422, answer.body
    assert reason in answer.fields()[field]
    assert not any(
        world.table(name) for name in ("NOTIFICATIONS_TABLE", "DISPATCHES_TABLE", "REQUESTS_TABLE")
    )


def test_variables_have_a_limit_together(api: Api) -> None:
    long = "https://example.com/" + "x" * MAX_VARIABLES_BYTES
    answer = api.post(PATH, a_body(variables=ORDER | {"tracking_url": long}))
    assert (answer.status, list(answer.fields())) == (422, ["variables.tracking_url"])


def test_the_hash_of_a_body_without_a_template_is_what_it_was() -> None:
    """A repeat over an upgrade is one: its hash was written by the version before."""
    body = {"type": "mail", "title": "Hello", "text": "A text.", "users": [USER]}
    dumped = NewNotification.model_validate_json(json.dumps(body)).model_dump_json(exclude_none=True)
    before = '{"type":"mail","title":"Hello","text":"A text.","is_express":false,"users":["' + USER + '"]}'
    assert dumped == before
    full = body | {"is_express": True, "content_id": "7", "send_at": "2026-12-01T00:00:00Z"}
    dumped = NewNotification.model_validate_json(json.dumps(full)).model_dump_json(exclude_none=True)
    assert dumped == (
        '{"type":"mail","title":"Hello","text":"A text.","is_express":true,"content_id":"7",'
        f'"users":["{USER}"],"send_at":"2026-12-01T00:00:00Z"}}'
    )


def test_a_repeat_is_one_and_other_variables_are_another_body(world: World, api: Api) -> None:
    key = {"Idempotency-Key": "k"}
    first, again = (api.post(PATH, a_body(), key) for _ in range(2))
    assert (first.json["is_repeat"], again.json["is_repeat"]) == (False, True)
    assert first.json | {"is_repeat": True} == again.json
    other = api.post(PATH, a_body(variables={"order": "B"}), key)
    assert (other.status, "another body" in other.json["detail"]) == (422, True)
    (request,) = world.table("REQUESTS_TABLE")
    assert len(request["body_hash"]) == len(hashlib.sha256().hexdigest())


def test_variables_are_changed_until_it_is_due(world: World, api: Api) -> None:
    made = api.post(PATH, a_body(send_at=iso(later(utc_now(), 86_400))))
    assert made.status == 201, made.body
    path = f"{PATH}{made.json['id']}/"
    changed = api.patch(path, {"variables": {"order": "B-2"}})
    assert (changed.status, changed.json["title"]) == (200, "Your order B-2 has been shipped")
    assert changed.json["variables"] == {"order": "B-2"}
    for body, field in (
        ({"variables": {}}, "variables.order"),
        ({"title": "Other"}, "title"),
        ({"variables": None}, "variables"),
    ):
        refused = api.patch(path, body)
        assert (refused.status, list(refused.fields())) == (422, [field])
    assert api.get(path).json["title"] == "Your order B-2 has been shipped"


def test_a_frequency_by_a_template(world: World, api: Api) -> None:
    body = {
        "slug": "orders", "period": 3600, "users": [USER],
        "notification": {"type": "mail", "template": "order_shipped@1", "variables": ORDER},
    }  # fmt: skip
    made = api.post(FREQUENCIES, body)
    assert made.status == 201, made.body
    assert (made.json["template"], made.json["variables"]) == ("order_shipped@1", ORDER)
    assert made.json["title"] == "Your order A-1 <b> has been shipped"
    plain = api.patch(f"{FREQUENCIES}orders/", {"notification": {"type": "mail", "title": "A", "text": "B"}})
    assert (plain.json["template"], plain.json["variables"], plain.json["title"]) == (None, None, "A")
    for notification, field in (
        ({"type": "mail"}, "notification.title"),
        ({"type": "mail", "template": "order_shipped@1"}, "variables.order"),
    ):
        refused = api.post(FREQUENCIES, body | {"slug": "other", "notification": notification})
        assert refused.status == 422
        assert field in refused.fields()


class TestPreview:
    """What recipients will see, without sending it."""

    def preview(self, api: Api, name: str = "meeting", **changed: Any) -> Any:
        body = {"type": "mail", "variables": MEETING} | changed
        given = {key: value for key, value in body.items() if value is not ...}
        return api.post(f"{TEMPLATES}{name}/preview", given)

    def test_it_is_in_every_language_and_nothing_is_written(self, world: World, api: Api) -> None:
        answer = self.preview(api, recipient={"name": "Anna <i>", "time_zone": "Europe/Moscow"})
        assert (answer.status, answer.json["template"]) == (200, "meeting@1")
        english, russian = answer.json["results"]
        assert (english["locale"], russian["locale"]) == ("en", "ru")
        assert english["title"] == "Meeting: Plans & <dreams>"
        assert "When: Saturday, 28 November 2026, 00:30 (UTC+3)" in english["text"]
        assert "суббота, 28 ноября 2026 г., 00:30 (UTC+3)" in russian["html"]
        for part in ("<!doctype html>", "Hello, Anna &lt;i&gt;!", "<b>Plans &amp; &lt;dreams&gt;</b>"):
            assert part in english["html"]
        assert not world.table("NOTIFICATIONS_TABLE")

    def test_it_is_what_is_sent(self, world: World, api: Api) -> None:
        world.knows([USER], name="Anna", locale="ru", time_zone="Asia/Kolkata")
        sent = api.post(PATH, a_body(template="meeting", variables=MEETING))
        assert sent.status == 201
        world.clock.now = utc_now()
        world.settle()
        (letter,) = world.channel.sent
        seen = self.preview(api, locale="ru", recipient={"name": "Anna", "time_zone": "Asia/Kolkata"})
        (result,) = seen.json["results"]
        assert (result["title"], result["text"]) == (letter.title, letter.text)
        link = "https://vestnik.example/api/v1/unsubscribes/link/preview/"
        assert result["html"] == render("html", letter).replace(letter.unsubscribe_url, link)
        assert letter.address == address_of(USER)

    def test_telegram_has_its_own_markup_and_a_template_without_any_has_text(self, api: Api) -> None:
        answer = self.preview(api, type="telegram", locale="en", recipient={"name": "Anna"})
        (result,) = answer.json["results"]
        assert result["html"] is not None
        assert "Anna, you are invited" in result["html"]
        answer = self.preview(api, "order_shipped", type="telegram", version=1, variables=ORDER, locale="en")
        assert "A-1 <b>" in answer.json["results"][0]["text"]

    def test_a_plain_title_and_text_are_the_default_template(self, api: Api) -> None:
        answer = self.preview(
            api, "default", variables=..., title="A & B", text="One.\n\nTwo <3.", locale="ru"
        )
        assert (answer.status, answer.json["template"]) == (200, "default")
        (result,) = answer.json["results"]
        assert (result["title"], result["text"]) == ("A & B", "One.\n\nTwo <3.")
        assert "Здравствуйте!" in result["html"]
        assert '<p style="white-space:pre-line">Two &lt;3.</p>' in result["html"]

    @pytest.mark.parametrize(
        ("name", "changed", "field"),
        [
            ("meeting", {"variables": {}}, "variables.topic"),
            ("meeting", {"variables": ...}, "variables.topic"),
            ("meeting", {"variables": MEETING | {"starts_at": "soon"}}, "variables.starts_at"),
            ("meeting", {"version": 2}, "version"),
            ("meeting", {"version": 0}, "version"),
            ("meeting", {"type": "pigeon"}, "type"),
            ("meeting", {"locale": "de"}, "locale"),
            ("meeting", {"title": "Other"}, "title"),
            ("meeting", {"recipient": {"time_zone": "Mars/Olympus"}}, "recipient.time_zone"),
            ("meeting", {"recipient": {"name": "x" * 201}}, "recipient.name"),
            ("default", {"variables": ..., "title": "Only"}, "text"),
            ("default", {"title": "A", "text": "B"}, "variables"),
            ("default", {"variables": ..., "title": "A", "text": "B", "version": 1}, "version"),
            ("default", {"variables": ..., "title": "A" * 201, "text": "B"}, "title"),
        ],
    )
    def test_what_is_wrong_is_named(self, api: Api, name: str, changed: dict[str, Any], field: str) -> None:
        answer = self.preview(api, name, **changed)
        assert answer.status == 422, answer.body
        assert field in answer.fields()

    def test_there_must_be_such_a_template(self, api: Api) -> None:
        assert self.preview(api, "order_sent").status == 404
