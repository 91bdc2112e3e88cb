"""The sandbox: what follows from each of its addresses, on every channel, with nothing that leaves."""

import socket
from typing import Any

import pytest

from chalicelib.channels import CHANNELS
from chalicelib.channels.sandbox import BOUNCED, CHATS, CHATS_EACH, FIRST_CHAT, SLOW_SECONDS, Sandbox
from chalicelib.channels.telegram import TelegramChannel
from chalicelib.services import suppressing
from tests.support.aws import World
from tests.support.factories import user_id
from tests.support.log_lines import LogLines

ANNA = user_id(1)
SECONDS = 120.0


def address(channel: str, name: str, tag: int = 0) -> str:
    """An address of the sandbox; as its document says."""
    if channel == "mail":
        return f"{name}+{tag}@sandbox.vestnik.example" if tag else f"{name}@sandbox.vestnik.example"
    if channel == "webhook":
        return f"https://{name}.sandbox.vestnik.example/hook/{tag}"
    return str((CHATS[Sandbox(name)] if name in CHATS else FIRST_CHAT) + tag)


@pytest.fixture(autouse=True)
def _nobody_is_connected_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever would leave fails the test: no session is opened, and no name is asked for."""

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("something leaves")

    monkeypatch.setattr(TelegramChannel, "longest_send_seconds", lambda _: 5.0)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for channel in CHANNELS.values():
        monkeypatch.setattr(type(channel), "session", refuse)


def knows(world: World, channel: str, given: str, user: str = ANNA) -> None:
    field = CHANNELS[channel].contact_field
    own = field in ("email", "chat_id")
    world.knows([user], **({field: given} if own else {"others": {field: given}}))


def sent_to(world: World, channel: str, given: str, **changes: Any) -> dict[str, Any]:
    """The row of a notification to an address, at its first attempt."""
    knows(world, channel, given)
    world.submit([ANNA], type=channel, **changes)
    world.settle()
    return world.row(ANNA)


every_channel = pytest.mark.parametrize("channel", CHANNELS)
every_lane = pytest.mark.parametrize("is_express", [True, False], ids=["express", "regular"])


@every_channel
@every_lane
def test_success(world: World, channel: str, is_express: bool) -> None:
    row = sent_to(world, channel, address(channel, "success", 7), is_express=is_express)
    assert (row["status"], row["attempts"], row["provider_id"]) == ("sent", 1, "sandbox")


@every_channel
def test_failure(world: World, channel: str) -> None:
    row = sent_to(world, channel, address(channel, "failure"))
    assert (row["status"], row["attempts"], row["reason"]) == ("failed", 1, "sandbox: refused for good")
    assert row["attention"].startswith("failed#")


@every_channel
def test_once(world: World, channel: str) -> None:
    row = sent_to(world, channel, address(channel, "once"))
    assert (row["status"], row["attempts"], row["reason"]) == ("queued", 1, "sandbox: refused once")
    assert row["not_before"] > row["due_at"]
    world.settle(SECONDS)
    row = world.row(ANNA)
    assert (row["status"], row["attempts"], row["provider_id"]) == ("sent", 2, "sandbox")


@every_channel
def test_slow(world: World, channel: str) -> None:
    begin = world.clock()
    row = sent_to(world, channel, address(channel, "slow"))
    assert (row["status"], row["attempts"]) == ("sent", 1)
    assert (world.clock() - begin).total_seconds() == SLOW_SECONDS


@every_channel
def test_what_is_slow_waits_for_an_invocation_that_has_the_time(world: World, channel: str) -> None:
    knows(world, channel, address(channel, "slow"))
    world.submit([ANNA], type=channel)
    world.fan_out()
    world.deliver(seconds=SLOW_SECONDS, limit=1)
    assert world.rows() == {}
    world.settle(SECONDS)
    assert (world.row(ANNA)["status"], world.row(ANNA)["attempts"]) == ("sent", 1)


@every_channel
def test_bounce(world: World, channel: str) -> None:
    row = sent_to(world, channel, address(channel, "bounce", 42))
    assert (row["status"], row["attempts"], row["provider_id"]) == ("sent", 1, "sandbox")
    suppressing.forget()
    world.clock.advance(60)
    again = world.submit([ANNA], type=channel)
    knows(world, channel, address(channel, "bounce", 43), user_id(2))
    fresh = world.submit([user_id(2)], type=channel)
    world.settle()
    assert world.counts(again) == {"wrong_contact": 1}
    reasons = {row.get("reason") for row in world.table("USERS_NOTIFICATIONS_TABLE")}
    assert f"suppressed: {BOUNCED}" in reasons
    assert world.counts(fresh) == {"sent": 1}


@every_channel
def test_only_a_bounce_suppresses(world: World, channel: str) -> None:
    for count, name in enumerate(set(Sandbox) - {Sandbox.BOUNCE}):
        knows(world, channel, address(channel, name), user_id(count + 1))
    world.submit([user_id(count) for count in range(1, 5)], type=channel)
    world.settle(SECONDS)
    assert sorted(world.statuses().values()) == ["failed", "sent", "sent", "sent"]
    assert world.table("SUPPRESSIONS_TABLE") == []


@every_channel
def test_an_unknown_name_says_which_there_are(world: World, channel: str) -> None:
    row = sent_to(world, channel, address(channel, "sucess"))
    assert row["status"] == "failed"
    assert row["reason"] == "sandbox: there are success, failure, once, slow, bounce"


@every_channel
def test_they_go_the_whole_way_among_others(world: World, channel: str) -> None:
    users = [user_id(number) for number in range(1, 13)]
    for number, user in enumerate(users):
        knows(world, channel, address(channel, "failure" if number % 3 == 0 else "success", number), user)
    dispatch = world.submit(users, type=channel)
    world.unsubscribes(users[1], channel)
    world.settle(SECONDS)
    assert world.counts(dispatch) == {"sent": 7, "failed": 4, "unsubscribed": 1}


def test_who_is_not_in_the_sandbox() -> None:
    outside = {
        "mail": ["success@example.com", "success@vestnik.example", "success@x.sandbox.vestnik.example"],
        "telegram": ["1", "-1001234567890", str(2**52), str(FIRST_CHAT - 1), str(-(2**63))],
        "webhook": [
            "https://example.com/success.sandbox.vestnik.example", "https://vestnik.example/",
            "https://xsandbox.vestnik.example/", "https://sandbox.vestnik.example.com/",
        ],
    }  # fmt: skip
    assert outside.keys() == CHANNELS.keys()
    for channel, addresses in outside.items():
        for each in addresses:
            assert CHANNELS[channel].sandbox(CHANNELS[channel].address_of(each) or "") is None, each


def test_addresses_of_the_sandbox_are_addresses() -> None:
    for name, channel in CHANNELS.items():
        for each in Sandbox:
            for tag in (0, 42):
                normal = channel.address_of(address(name, each, tag))
                assert normal is not None
                assert channel.sandbox(normal) == each
    mail = CHANNELS["mail"]
    assert mail.sandbox(mail.address_of("Bounce+42@Sandbox.Vestnik.Example") or "") == "bounce"
    assert max(CHATS.values()) + CHATS_EACH < 2**63
    assert min(CHATS.values()) > 2**52


@every_channel
def test_what_is_tried_out_is_counted_but_not_by_what_calls_an_operator(world: World, channel: str) -> None:
    for count, name in enumerate(Sandbox):
        knows(world, channel, address(channel, name), user_id(count + 1))
    with LogLines().kept() as lines:
        world.submit([user_id(count) for count in range(1, 6)], type=channel)
        world.settle(SECONDS)
    sums = lines.sums()
    assert (sums[f"sent regular {channel}"], sums[f"failed_refused regular {channel}"]) == (4, 1)
    assert not [key for key in sums if key.split()[0] in ("latency", "not_taken")]
