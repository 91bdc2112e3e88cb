"""The rate of a provider holds over all functions: a thousand messages to a bot that takes 30 a second."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from chalicelib.channels.telegram import MESSAGES_A_SECOND
from localstack.capabilities import Capability
from tests.support.deployment import Deployment, Sent
from tests.support.telegram import SECRET, TelegramServer
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long]

LIMIT = 30
REGULAR = 1_000
EXPRESS = 30
PATIENCE_SECONDS = 180.0


@pytest.fixture(scope="module")
def telegram() -> Iterator[TelegramServer]:
    with TelegramServer(limit_a_second=LIMIT) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment, telegram: TelegramServer) -> None:
    vestnik.deploy(TelegramApiUrl=telegram.url)
    vestnik.set_channel_secret("telegram", SECRET)


def chats(vestnik: Deployment, number: int, first: int) -> dict[str, int]:
    """So many users, each with a chat of their own."""
    found = {str(uuid.uuid4()): first + each for each in range(number)}
    rows = [{"user_id": user, "chat_id": str(chat), "locale": "en"} for user, chat in found.items()]
    vestnik.put_all("CONTACTS_TABLE", rows)
    return found


def most_in_a_second(moments: Sequence[float]) -> int:
    """The most within any second."""
    ordered, most, first = sorted(moments), 0, 0
    for last, moment in enumerate(ordered):
        while ordered[first] <= moment - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.needs(Capability.KEEPS_UP)
def test_a_thousand_are_sent_once_at_the_rate_and_express_never_waits_for_them(
    vestnik: Deployment, telegram: TelegramServer, tell: Callable[[str], None]
) -> None:
    many = chats(vestnik, REGULAR, first=1_000_000)
    few = chats(vestnik, EXPRESS, first=2_000_000)
    sent = vestnik.send(list(many), channel="telegram")
    wait_until(lambda: len(telegram.messages()) > LIMIT, PATIENCE_SECONDS, "the first messages")
    express: list[Sent] = []
    for user, chat in few.items():
        express.append(vestnik.send([user], express=True, channel="telegram"))
        wait_until(partial(telegram.messages, chat), PATIENCE_SECONDS, f"express to {chat}")
    under_way = len(telegram.messages())
    vestnik.wait_for(sent, sent=REGULAR, timeout=PATIENCE_SECONDS)

    moments = [each.at for each in telegram.messages()]
    regular = [each.at for each in telegram.messages() if each.chat in set(many.values())]
    seconds, share = max(regular) - min(regular), 0.7 * MESSAGES_A_SECOND
    tell(
        f"{REGULAR} regular messages in {seconds:.1f} s, {REGULAR / seconds:.1f} a second of {share:g}; in "
        f"any second at most {most_in_a_second(regular)}, and {most_in_a_second(moments)} with express; "
        f"{len(telegram.refusals)} refused"
    )

    # None lost, none twice.
    assert Counter(each.chat for each in telegram.messages()) == Counter([*many.values(), *few.values()])
    # No attempt was used up by the limit.
    assert {each.attempts for each in vestnik.recipients(sent).values()} == {1}
    for each in express:
        assert [shown.attempts for shown in vestnik.recipients(each).values()] == [1]
    # All the time there were regular ones on their way; and nothing express was ever refused for their sake.
    assert under_way < REGULAR + EXPRESS
    assert not {each.chat for each in telegram.refusals} & set(few.values())
