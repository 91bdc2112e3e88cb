"""What is priced: dispatches, by the real functions on moto, from POST to the last letter."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest
from moto import mock_aws

from chalicelib.channels.mail import MailChannel
from chalicelib.domain.lanes import Lane
from chalicelib.domain.pacing import Pace
from chalicelib.domain.results import Accepted, Retryable
from chalicelib.domain.times import later
from chalicelib.security import read_secret
from chalicelib.services import authentication
from chalicelib.services.administrators import create_administrator, issue_token
from chalicelib.services.applications import register_application
from chalicelib.settings import current
from chalicelib.tables import base
from chalicelib.tables.contacts import Contact
from chalicelib.tables.paces import change_pace
from infra.definitions import queue_definitions
from tests.cost import moto_shortcuts
from tests.cost.ledger import Ledger
from tests.cost.recorder import Recorder
from tests.support.api import Api, basic
from tests.support.aws import Queues, ScriptedChannel, Waiting, World, use_test_account
from tests.support.factories import user_id, user_ids

PATH = "/api/v1/notifications/"
TITLE = "Your order 2026-11-000417 has been shipped today"
TEXT = "It left our warehouse this morning, and you can follow it on its way to you. " * 8
LARGE_TEXT = "Ж" * 50_000
"""As long as the API takes it; each letter is two bytes."""

NAMES = ("Maximilian Featherstone", "Александра Константинопольская")
"""In a queue's message, which is ASCII, a Cyrillic letter takes six bytes."""

OTHERS_SECONDS = 300.0
"""For so long all slots are others'."""

DISPATCH_SECONDS = 3600.0
"""The throttle takes ten minutes for 1,100 recipients, a retry half a minute."""


@dataclass(frozen=True)
class Recording:
    """What a scenario spent, and what else was seen of it."""

    ledger: Ledger
    log_bytes: dict[str, float]
    """What each function logs in one run, in the mean."""
    largest: dict[str, int]


class _Queues(Queues):
    """Queues in memory only: moto counts its messages anew at each request, which a thousand make slow."""

    def send_message_batch(self, QueueUrl: str, Entries: Sequence[Any]) -> Any:  # noqa: N803
        failed = [entry for entry in Entries if self.refuses(entry["MessageBody"])]
        self._waiting[QueueUrl] += [
            Waiting(
                entry["MessageBody"],
                entry["MessageGroupId"],
                later(self._clock(), entry["DelaySeconds"]),
                entry["DelaySeconds"],
            )
            for entry in Entries
            if entry not in failed
        ]
        return {"Failed": [{"Id": entry["Id"], "SenderFault": False, "Code": "x"} for entry in failed]}


class _Channel(ScriptedChannel):
    """Takes every letter, and reads the mail server's log-in as the real session does."""

    def __init__(self) -> None:
        super().__init__()
        self.by_default = Accepted("2.0.0 Ok: queued as 4bXq7T2kZyz9vHd")

    @contextmanager
    def session(self) -> Iterator[Any]:
        read_secret(current().smtp_secret)
        with super().session() as session:
            yield session


class Stage:
    """A world with an application that posts, and a recorder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        moto_shortcuts.take(monkeypatch)
        self.world = World(monkeypatch)
        self.world.checks = False  # they would read more than the functions do
        urls = {variable: self.world.queues.url(variable) for variable in queue_definitions()}
        self.world.queues = _Queues(cast(Any, None), urls, self.world.clock)
        self.world.channel = _Channel()
        monkeypatch.setitem(_channels(), MailChannel.name, self.world.channel)
        # One time for all, so that two runs write the same bytes.
        for module in ("requests", "notifications", "frequencies"):
            monkeypatch.setattr(f"chalicelib.api.{module}.utc_now", self.world.clock)
        now = self.world.clock()
        password = register_application("shop", now).password
        secret = create_administrator("anna", now)
        self.authorizations = {
            "an application": f"shop {password}",
            "an administrator by a token": f"Bearer {issue_token('anna', now)}",
            "an administrator by login and password": basic("anna", secret),
        }
        """Who may post, and how."""
        authentication.forget()
        self.api = Api(f"shop {password}")
        self.recorder = Recorder(self.world, monkeypatch)

    def post(self, lane: Lane, recipients: int, text: str = TEXT, **fields: Any) -> None:
        """Post to so many users who are all known."""
        self.add_contacts(range(1, recipients + 1))
        body = {**content(lane, text), "users": user_ids(recipients), **fields}
        with self.recorder.acting("api"):
            answer = self.api.post(PATH, body)
        assert answer.status == 201, answer.body

    def ask(self, who: str) -> None:
        """One request that needs nothing but its rights, and a notification that is not there."""
        with self.recorder.acting("api"):
            answer = Api(self.authorizations[who]).get(f"{PATH}{user_id(1)}/")
        assert answer.status == 404, answer.body

    def tick(self) -> dict[str, int]:
        with self.recorder.acting("tick"):
            return self.world.tick()

    def sweep(self) -> dict[str, int]:
        with self.recorder.acting("sweep"):
            return self.world.sweep()

    def settle(self, sent: int) -> None:
        """Run until everything is sent."""
        self.world.settle(DISPATCH_SECONDS)
        assert len({letter.address for letter in self.world.channel.sent}) == sent
        assert set(self.world.statuses().values()) == {"sent"}

    def add_contacts(self, numbers: Iterable[int]) -> None:
        """Have the users of these numbers be known."""
        put_all(
            [
                Contact(
                    user_id(number),
                    email=_address(number),
                    name=NAMES[number % 2],
                    locale=("en", "ru")[number % 2],
                )
                for number in numbers
            ]
        )

    def recording(self) -> Recording:
        runs = self.recorder.invocations
        logged = {name: size / runs[name] for name, size in self.recorder.log_bytes.items()}
        return Recording(self.recorder.ledger(), logged, dict(self.recorder.largest))


def content(lane: Lane, text: str = TEXT) -> dict[str, Any]:
    """What is said, as a request has it."""
    return {
        "type": "mail",
        "title": TITLE,
        "text": text,
        "content_id": "order-2026-11-000417",
        "is_express": lane is Lane.EXPRESS,
    }


@contextmanager
def stage() -> Iterator[Stage]:
    """An empty world. Functions begin cold: nothing is remembered of an earlier one."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_test_account(monkeypatch)
        with mock_aws():
            yield Stage(monkeypatch)


def dispatch(lane: Lane, recipients: int, text: str = TEXT) -> Recording:
    """A dispatch to so many, all of whom are sent it at the first try."""
    with stage() as scene:
        scene.post(lane, recipients, text)
        scene.settle(recipients)
        return scene.recording()


def paced(lane: Lane, recipients: int, *, comes_back: bool) -> Recording:
    """A dispatch by a channel that takes 25 a second, and wants a second between two to the same address.

    Either there is a slot for each when it comes, or others have them all, and each comes back once.
    """
    with stage() as scene:
        scene.world.configure("CHANNEL_RATES", "mail=25")
        scene.world.channel.address_pause = lambda address: 1.0  # type: ignore[method-assign]
        if comes_back:
            taken = Pace({lane: scene.world.clock().timestamp() + OTHERS_SECONDS})
            change_pace("mail", lambda _: (taken, None))
        scene.post(lane, recipients)
        scene.settle(recipients)
        return scene.recording()


def retried(lane: Lane) -> Recording:
    """A dispatch to one, whose server says "try later" once."""
    with stage() as scene:
        scene.world.channel.answers[_address(1)] = [Retryable("smtp 451: greylisted, try again later")]
        scene.post(lane, 1)
        scene.settle(1)
        return scene.recording()


def swept(lane: Lane) -> Recording:
    """A dispatch to one, whom the queue did not take: the sweep of a minute later sends it."""
    with stage() as scene:
        scene.world.queues.refuses = lambda body: '"address"' in body
        scene.post(lane, 1)
        assert scene.world.fan_out(lane) == 1
        assert not scene.world.queues.waiting(f"DELIVERY_{lane.upper()}_QUEUE_URL")
        scene.world.queues.refuses = lambda body: False
        scene.world.clock.advance(60)
        assert scene.sweep() == {"requeued": 1}
        scene.settle(1)
        return scene.recording()


def callers() -> list[str]:
    """Everybody who may ask, and how they say who they are."""
    with stage() as scene:
        return list(scene.authorizations)


def rights(who: str, earlier: int) -> Recording:
    """What a request costs after so many earlier ones within the same minute, in the same function."""
    with stage() as scene:
        for _ in range(earlier):
            scene.ask(who)
        scene.recorder.begin_anew()
        scene.ask(who)
        return scene.recording()


def put_all(items: Sequence[base.Table]) -> None:
    """Write items of one table, unrecorded."""
    for start in range(0, len(items), base.MAX_PUTS):
        base.batch_put(items[start : start + base.MAX_PUTS])


def _address(number: int) -> str:
    return f"m.featherstone.{number:06}@mail.example.org"


def _channels() -> Any:
    from chalicelib.channels import CHANNELS

    return CHANNELS
