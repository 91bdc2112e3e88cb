"""Messages of earlier versions: what lies in a queue while the system is upgraded is understood.

tests/fixtures/messages has a file of each version that changed what is written, named by its date. They are
kept for good: add one, change none.
"""

import json
from pathlib import Path

import pytest

from chalicelib.domain.fanning import ChunkRange
from chalicelib.domain.messages import DeliveryMessage, DueMessage, FanOutMessage, load_fan_out

FIXTURES = Path(__file__).parents[2] / "fixtures" / "messages"
DISPATCH = "01a208c5-dc43-711b-a982-2b0bd0192850"
NOTIFICATION = "01a208c5-dc43-7118-8a1c-2b0bd0192850"
USER = "8f14e45f-ceea-467f-a8f0-2b0bd0192850"

Message = FanOutMessage | DueMessage | DeliveryMessage

FIRST: list[Message] = [
    FanOutMessage(DISPATCH, ChunkRange(0, 10)),
    DeliveryMessage(DISPATCH, USER, 3, 99, "anna@example.com"),
    DeliveryMessage(DISPATCH, USER, 0, 0, "anna@example.com", "Анна", "ru"),
]
MEANT: dict[str, list[Message]] = {
    "2026-11-23": FIRST,
    "2026-11-25": [
        *FIRST,
        DeliveryMessage(DISPATCH, USER, 0, 0, "anna@example.com", "Anna", "en", "weekly-news"),
        DueMessage(frequencies=("weekly-news", "daily")),
        DueMessage(dispatches=(DISPATCH,)),
    ],
    "2026-11-29": [
        FanOutMessage(DISPATCH, ChunkRange(0, 10), NOTIFICATION),
        DeliveryMessage(DISPATCH, USER, 3, 99, "anna@example.com", notification_id=NOTIFICATION),
        DeliveryMessage(DISPATCH, USER, 0, 0, "anna@example.com", "Anna", "en", "weekly-news", NOTIFICATION),
        DueMessage(frequencies=("weekly-news", "daily")),
        DueMessage(dispatches=(DISPATCH,)),
    ],
    "2026-11-30": [
        DeliveryMessage(
            DISPATCH, USER, 0, 0, "42", "Anna", "en", notification_id=NOTIFICATION, time_zone="Europe/Moscow"
        ),
        DeliveryMessage(DISPATCH, USER, 0, 0, "42", notification_id=NOTIFICATION, slot=1796002957.25),
    ],
}
"""What the lines of each file say."""


def lines(version: str) -> list[str]:
    return (FIXTURES / f"{version}.jsonl").read_text("utf-8").splitlines()


def load(body: str) -> Message:
    return DeliveryMessage.load(body) if "user" in json.loads(body) else load_fan_out(body)


@pytest.mark.parametrize("version", MEANT)
def test_what_a_version_wrote_is_understood(version: str) -> None:
    found = [load(body) for body in lines(version)]
    assert found == MEANT[version]
    assert [followed(each) for each in found] == [followed(each) for each in MEANT[version]]


def followed(message: Message) -> str | None:
    """Under which notification a message is logged: it makes no difference to what it asks for."""
    return None if isinstance(message, DueMessage) else message.notification_id


def test_every_version_is_looked_at() -> None:
    assert sorted(path.stem for path in FIXTURES.glob("*.jsonl")) == sorted(MEANT)


def test_what_is_written_now_is_kept_too() -> None:
    """Else what is written has changed: add a file of the new form, under today's date."""
    newest = max(MEANT)
    assert [message.dump() for message in MEANT[newest]] == lines(newest)
