"""Frequencies and times by the deployed rule, in real time: each run in its second, none before, none twice.

It takes some three minutes, in which four things go on at once.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from localstack.capabilities import Capability
from tests.support.deployment import Deployment, Person, people
from tests.support.smtp import Mail, ScriptedSmtp
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.needs(Capability.KEEPS_UP)]

PATH = "/api/v1/notification_frequencies/"
CONTENT = {"type": "mail", "title": "Again", "text": "And again."}
PERIOD = 5
MINUTES_SECONDS = 180
LATE_SECONDS = 30.0
"""On a machine that others use too; the lag itself is printed."""
ZONE = ZoneInfo("Asia/Kathmandu")
"""Three quarters of an hour beside the full one."""


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


@dataclass(frozen=True)
class Case:
    """A frequency, who gets it, and when it is due."""

    slug: str
    person: Person
    due: list[datetime]

    def arrivals(self, smtp: ScriptedSmtp) -> list[Mail]:
        return sorted(smtp.mails(to=self.person.email), key=lambda mail: mail.at)


def create(vestnik: Deployment, case: Case, is_express: bool = False, **timing: Any) -> str:
    """Make a frequency; the id of its notification."""
    body = {
        "slug": case.slug,
        "notification": {**CONTENT, "is_express": is_express},
        "users": [case.person.user_id],
        **{
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in timing.items()
        },
    }
    return str(vestnik.ask("POST", PATH, body)["notification_id"])


def runs_of(vestnik: Deployment, notification_id: str) -> Iterator[dict[str, Any]]:
    """The dispatches of a frequency's notification, newest first, read page by page."""
    cursor = ""
    while True:
        page = vestnik.ask("GET", f"/api/v1/notifications/{notification_id}/dispatches/?limit=20{cursor}")
        yield from page["results"]
        if page["next"] is None:
            return
        cursor = f"&cursor={page['next']}"


def wait_until_it_is(moment: datetime) -> None:
    wait_until(
        lambda: datetime.now(UTC) >= moment, (moment - datetime.now(UTC)).total_seconds() + 5, str(moment)
    )


def assert_in_their_seconds(case: Case, smtp: ScriptedSmtp, tell: Callable[[str], None]) -> None:
    """One mail a run, each after its second has begun; the lag is told."""
    mails = case.arrivals(smtp)
    lags = [mail.at - due.timestamp() for mail, due in zip(mails, case.due, strict=False)]
    tell(
        f"{case.slug}: {len(mails)} of {len(case.due)} runs; lag median {median(lags) * 1000:.0f} ms,"
        f" longest {max(lags) * 1000:.0f} ms"
    )
    assert len(mails) == len({mail.message_id for mail in mails}) == len(case.due)
    assert min(lags) >= 0, f"{case.slug} was early"
    assert max(lags) < LATE_SECONDS


def test_runs_and_times_come_in_their_seconds_by_the_rule(
    vestnik: Deployment, smtp: ScriptedSmtp, tell: Callable[[str], None]
) -> None:
    again, zoned, paused, once = vestnik.add_people(people(4, "timed"))
    mark = again.user_id[:8]
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
    grid = [start + timedelta(seconds=second) for second in range(0, MINUTES_SECONDS + 1, PERIOD)]
    often = Case(f"often-{mark}", again, grid)
    minute = start.replace(second=0) + timedelta(minutes=2)
    abroad = Case(f"abroad-{mark}", zoned, [minute])
    stopped = Case(f"stopped-{mark}", paused, grid)

    notification = create(
        vestnik, often, period=PERIOD, starts_at=start.isoformat(), ends_at=grid[-1].isoformat()
    )
    local = minute.astimezone(ZONE)
    create(vestnik, abroad, cron=f"{local.minute} {local.hour} * * *", time_zone=ZONE.key)
    stopped_notification = create(
        vestnik, stopped, is_express=True, period=PERIOD, starts_at=start.isoformat()
    )
    send_at = start + timedelta(seconds=140)  # neither of this look ahead, nor of the next one
    body = {**CONTENT, "users": [once.user_id], "send_at": send_at.astimezone(ZONE).isoformat()}
    timed = vestnik.ask("POST", "/api/v1/notifications/", body)
    assert timed["send_at"] == send_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # Paused between two runs, with two minutes of them waiting in the queue already.
    wait_until_it_is(start + timedelta(seconds=62))
    vestnik.ask("PATCH", f"{PATH}{stopped.slug}/", {"is_paused": True})
    asked = time.time()

    wait_until_it_is(grid[-1] + timedelta(seconds=2))
    smtp.wait_for_mails(len(often.due), LATE_SECONDS, to=again.email)
    smtp.wait_for_mails(1, LATE_SECONDS, to=zoned.email)
    smtp.wait_for_mails(1, LATE_SECONDS, to=once.email)
    assert_in_their_seconds(often, smtp, tell)
    assert_in_their_seconds(abroad, smtp, tell)
    assert_in_their_seconds(Case("send_at", once, [send_at]), smtp, tell)
    assert {run["run_at"] for run in runs_of(vestnik, notification)} == {
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") for moment in grid
    }
    assert vestnik.ask("GET", f"{PATH}{often.slug}/")["state"] == "ended"

    before = stopped.arrivals(smtp)
    tell(f"stopped: {len(before)} runs, the last {before[-1].at - asked:+.2f} s from the pause")
    assert [int(mail.at - start.timestamp()) // PERIOD for mail in before] == list(range(13))
    assert all(mail.at < asked + 1 for mail in before)
    # Two minutes of runs had been made ahead, and waited in the queue: each was looked at in its second.
    wait_until(
        lambda: not vestnik.queued("FAN_OUT_EXPRESS"), LATE_SECONDS, "none of them in the queue any more"
    )
    counts = [run["counts"] for run in runs_of(vestnik, stopped_notification)]
    assert sum(each["sent"] for each in counts) == 13
    assert sum(each["cancelled"] for each in counts) == len(counts) - 13 > 0
    for case in (often, abroad, stopped):
        vestnik.ask("DELETE", f"{PATH}{case.slug}/")
