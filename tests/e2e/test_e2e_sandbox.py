"""The sandbox at a deployment: every channel, each of its addresses, with no provider behind it."""

import pytest

from chalicelib.channels import CHANNELS
from chalicelib.channels.sandbox import BOUNCED, CHATS, FIRST_CHAT, Sandbox
from tests.support.channel_posts import new_user, post, row_with, wait_until_suppressed, wrong_contact
from tests.support.deployment import Deployment
from tests.support.smtp import ScriptedSmtp

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def manager(vestnik: Deployment) -> str:
    """The Authorization header of who manages contacts."""
    vestnik.deploy()
    return vestnik.register_application("sandbox", "manage")


def address(channel: str, name: str) -> str:
    """In the channel's normal form."""
    return {
        "mail": f"{name}+42@sandbox.vestnik.example",
        "telegram": str(CHATS[Sandbox(name)] + 42 if name in CHATS else FIRST_CHAT),
        "webhook": f"https://{name}.sandbox.vestnik.example/42",
    }[channel]


@pytest.mark.parametrize("express", [True, False], ids=["express", "regular"])
@pytest.mark.parametrize("channel", CHANNELS)
def test_what_follows_from_each_address(
    vestnik: Deployment, manager: str, smtp: ScriptedSmtp, channel: str, express: bool
) -> None:
    names = [*Sandbox, "other"]
    field = CHANNELS[channel].contact_field
    users = {name: new_user(vestnik, manager, **{field: address(channel, name)}) for name in names}
    sent = post(vestnik, channel, list(users.values()), express=express)

    once = row_with(vestnik, sent, users["once"], status="queued", reason="sandbox: refused once")
    assert once["attempts"] == 1
    assert once["not_before"] > once["updated_at"]
    if not express:
        return  # its retry is half a minute away
    vestnik.wait_for(sent, sent=4, failed=2)
    found = vestnik.recipients(sent)
    assert {name: (found[user].status, found[user].attempts) for name, user in users.items()} == {
        "success": ("sent", 1),
        "failure": ("failed", 1),
        "once": ("sent", 2),
        "slow": ("sent", 1),
        "bounce": ("sent", 1),
        "other": ("failed", 1),
    }
    assert found[users["failure"]].reason == "sandbox: refused for good"
    assert found[users["other"]].reason == f"sandbox: there are {', '.join(Sandbox)}"
    assert wait_until_suppressed(vestnik, channel, address(channel, "bounce")) == BOUNCED
    assert smtp.mails() == []


def test_who_has_bounced_is_a_wrong_contact(vestnik: Deployment, manager: str) -> None:
    user = new_user(vestnik, manager, email="bounce+again@sandbox.vestnik.example")
    row_with(vestnik, post(vestnik, "mail", [user]), user, status="sent")
    assert vestnik.recipients(wrong_contact(vestnik, "mail", user))[user].reason == f"suppressed: {BOUNCED}"
