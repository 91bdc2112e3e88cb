"""The sandbox: addresses of every channel that nothing is sent to, and what becomes of them, each time alike.

A client tries out with them what follows from a success, a refusal, a bounce: at any deployment. What is
sent to them goes the whole way, but for the provider.
"""

import time
from collections.abc import Callable
from enum import StrEnum

from chalicelib.channels.base import Channel, Letter
from chalicelib.domain.results import Accepted, Permanent, Retryable, SendResult, no_time_left

DOMAIN = "sandbox.vestnik.example"
"""`example` is nobody's (RFC 2606): there will never be such a host."""
SLOW_SECONDS = 3.0
PROVIDER_ID = "sandbox"
BOUNCED = "bounced (sandbox)"
"""The reason of an address that is suppressed."""


class Sandbox(StrEnum):
    """What is tried out."""

    SUCCESS = "success"
    FAILURE = "failure"
    ONCE = "once"
    SLOW = "slow"
    BOUNCE = "bounce"


FIRST_CHAT = 9_000_000_000_000_000_000
CHATS_EACH = 1_000_000_000_000_000
CHATS: dict[Sandbox, int] = {
    name: FIRST_CHAT + CHATS_EACH * (count + 1) for count, name in enumerate(Sandbox)
}
"""The first of each name's numbers, for a channel whose addresses are numbers of 64 bits. Telegram's
chat ids have at most 52 (https://core.telegram.org/bots/api#chat)."""


def name_of_chat(chat_id: str) -> str | None:
    """What a chat id of the sandbox tries out; None for any other."""
    number = int(chat_id)
    if number < FIRST_CHAT:
        return None
    return next(
        (name for name, first in CHATS.items() if first <= number < first + CHATS_EACH), "a number of no name"
    )


class SandboxSession:
    """Takes the place of a channel's session for an address of the sandbox."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        """See `Session.send`; nothing leaves."""
        match self._channel.sandbox(letter.address):
            case Sandbox.SUCCESS | Sandbox.BOUNCE:
                return Accepted(PROVIDER_ID)
            case Sandbox.FAILURE:
                return Permanent("sandbox: refused for good")
            case Sandbox.ONCE:
                return Accepted(PROVIDER_ID) if letter.attempt else Retryable("sandbox: refused once")
            case Sandbox.SLOW:
                seconds = min(SLOW_SECONDS, self._channel.longest_send_seconds())
                if seconds > seconds_left():
                    return no_time_left()
                time.sleep(seconds)
                return Accepted(PROVIDER_ID)
        return Permanent(f"sandbox: there are {', '.join(Sandbox)}")


def bounces(channel: Channel, address: str) -> bool:
    """Whether what was accepted for this address comes back later, so that it is to be suppressed."""
    return channel.sandbox(address) == Sandbox.BOUNCE
