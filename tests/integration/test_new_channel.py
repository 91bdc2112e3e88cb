"""A channel that is added as docs/channels.md says: one class, one registration, and the rest follows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from chalicelib.channels import CHANNELS
from chalicelib.channels.base import Channel, ContactField, Letter, Limits, Session
from chalicelib.domain.results import Accepted, Permanent, SendResult
from chalicelib.services.administrators import create_administrator
from infra.template_parts import join_parts
from tests.support.api import Api, basic, set_api_clock
from tests.support.aws import World
from tests.support.factories import START, user_ids

ANNA, BORIS, CLARA, DAVID = user_ids(4)


class PagerChannel(Channel):
    """Calls a pager by its number."""

    name = "pager"
    contact = ContactField(
        name="pager_number", must="must be six digits", description="A pager", example="123456", max_length=6
    )
    limits = Limits(title=20, text=40)

    def __init__(self) -> None:
        self.called: list[Letter] = []

    def address_of(self, contact: str | None) -> str | None:
        """Six digits."""
        text = (contact or "").strip()
        return text if len(text) == 6 and text.isdigit() and text.isascii() else None

    def sandbox(self, address: str) -> str | None:
        """Nobody has a number of zeros."""
        return {"000001": "success", "000002": "failure"}.get(address)

    def longest_send_seconds(self) -> float:
        """At once."""
        return 1.0

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Itself."""
        yield self

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        """Call it; one number is nobody's."""
        assert seconds_left() > 0
        self.called.append(letter)
        return (
            Permanent("no such pager", is_wrong_contact=True) if letter.address == "999999" else Accepted("b")
        )


@pytest.fixture
def pager(world: World, monkeypatch: pytest.MonkeyPatch) -> PagerChannel:
    """The channel, registered."""
    channel = PagerChannel()
    monkeypatch.setitem(cast(dict[str, Channel], CHANNELS), channel.name, channel)
    for user, number in ((ANNA, "123456"), (BORIS, "12"), (CLARA, "000002"), (DAVID, "999999")):
        world.knows([user], others={"pager_number": number})
    return channel


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    set_api_clock(monkeypatch, world.clock)
    return Api(basic("anna", create_administrator("anna", START)))


def body(users: list[str], **changes: Any) -> dict[str, Any]:
    return {"type": "pager", "is_express": True, "title": "Fire", "text": "Come.", "users": users, **changes}


def test_it_is_posted_to_and_sends(world: World, pager: PagerChannel, api: Api) -> None:
    posted = api.post("/api/v1/notifications/", body([ANNA, BORIS, CLARA, DAVID]))
    assert posted.status == 201
    world.settle()
    assert [(letter.address, letter.title) for letter in pager.called] == [
        ("123456", "Fire"),
        ("999999", "Fire"),
    ]
    rows = world.rows()
    assert {user: (row["status"], row.get("reason")) for user, row in rows.items()} == {
        ANNA: ("sent", None),
        BORIS: ("wrong_contact", "not a valid pager_number"),
        CLARA: ("failed", "sandbox: refused for good"),
        DAVID: ("failed", "no such pager"),
    }
    counts = api.get(f"/api/v1/notifications/{posted.json['id']}/").json["counts"]
    assert (counts["sent"], counts["failed"], counts["wrong_contact"]) == (1, 2, 1)
    (suppressed,) = [row for row in world.table("SUPPRESSIONS_TABLE") if "address" in row]
    assert (suppressed["channel"], suppressed["address"]) == ("pager", "999999")


def test_its_limits_hold(world: World, pager: PagerChannel, api: Api) -> None:
    for changes, field in (({"title": "x" * 21}, "title"), ({"text": "x" * 41}, "text")):
        refused = api.post("/api/v1/notifications/", body([ANNA], **changes))
        assert (refused.status, list(refused.fields())) == (422, [field])
    assert world.table("NOTIFICATIONS_TABLE") == []
    assert pager.called == []


def test_it_is_unsubscribed_from(world: World, pager: PagerChannel, api: Api) -> None:
    answer = api.post("/api/v1/unsubscribes/", {"user_id": ANNA, "channel": "pager"})
    assert answer.status == 201
    api.post("/api/v1/notifications/", body([ANNA]))
    world.settle()
    assert world.row(ANNA)["status"] == "unsubscribed"
    assert pager.called == []


def test_the_link_of_its_letter_unsubscribes_from_it(world: World, pager: PagerChannel, api: Api) -> None:
    api.post("/api/v1/notifications/", body([ANNA]))
    world.settle()
    (letter,) = pager.called
    path = letter.unsubscribe_url.removeprefix("https://vestnik.example")
    assert Api().post(path, b"", {"Content-Type": "application/x-www-form-urlencoded"}).status == 200
    assert api.get(f"/api/v1/unsubscribes/{ANNA}/").json["channels"] == ["pager"]


def test_it_has_its_alarms_and_stands_on_the_dashboard(pager: PagerChannel) -> None:
    resources = join_parts()["Resources"]
    alarms = {name: each for name, each in resources.items() if "Pager" in name}
    assert set(alarms) == {"ExpressPagerLatency", "ExpressPagerNotTaken", "RegularPagerNotTaken"}
    assert '"channel", "pager"' in resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for alarm in alarms.values():
        assert {"Name": "channel", "Value": "pager"} in alarm["Properties"]["Dimensions"]
        assert "pager" in alarm["Properties"]["AlarmDescription"]
