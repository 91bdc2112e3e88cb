"""What an operator looks at: what goes in and out, what waits and for how long, and what has failed.

All of it is read by so many requests at most, whatever the tables hold: nothing is scanned.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from itertools import islice
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import queues, sdk, settings
from chalicelib.domain.lanes import Lane
from chalicelib.domain.times import later, parse
from chalicelib.kept import Kept
from chalicelib.observability import FAILURES, METRICS, logger
from chalicelib.services.notification_list import Filters, list_notifications
from chalicelib.services.queue_depths import (
    Attributes,
    Depth,
    MetricName,
    age_of,
    attributes_of,
    dead_url,
    newest,
    told_depth,
)
from chalicelib.services.rights import Principal
from chalicelib.services.sweep import overdue_seconds
from chalicelib.tables import activity
from chalicelib.tables.base import in_parallel
from chalicelib.tables.dispatches import Dispatch, dispatches_of, pending_since
from chalicelib.tables.failed import failed_rows
from chalicelib.tables.notifications import Notification
from chalicelib.tables.unsent import unsent_marks, unsent_rows
from chalicelib.tables.users_notifications import UsersNotification

COUNTED = 1_000
"""So many unsent recipients of a lane are counted; beyond that it is only said that there are more."""

LOOKED_AT = 100
"""So many of them, those that are tried next, are read to see how old they are; and of pending dispatches."""

SETTLED_AFTER = 3
"""Minutes: what was counted in one that is so old does not change any more, and is not read again."""

AGES_KEPT_SECONDS = 60
"""CloudWatch has a number a minute, and is paid by the number that is asked for."""

NOTIFICATIONS = 20
DISPATCHES = 3
FAILED = 100
"""So many of the newest notifications are looked at for failures, so many dispatches of each, and so many
recipients are counted."""

_METRICS_CONFIG = Config(
    connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1}
)

Counts = Counter[str]
LaneCounts = Mapping[Lane, Counts]


# What goes in and out.

_settled: Kept[LaneCounts] = Kept(seconds=2 * 3600, entries=200)


def forget() -> None:
    """Begin anew: for tests."""
    _settled.forget()
    _ages.forget()


def each_minute(now: datetime, minutes: int) -> dict[str, LaneCounts]:
    """What was counted in each of the last minutes, oldest first: a small query each, at first."""
    wanted = [activity.minute_of(later(now, -60 * back)) for back in reversed(range(minutes))]
    known = {minute: kept for minute in wanted if (kept := _settled.get(minute, now)) is not None}
    missing = [minute for minute in wanted if minute not in known]
    found = known | activity.counted_each(missing)
    for minute in missing:
        if wanted.index(minute) < len(wanted) - SETTLED_AFTER:
            _settled.put(minute, found[minute], now)
    return {minute: found[minute] for minute in wanted}


def summed(counted: Iterable[LaneCounts]) -> dict[Lane, Counter[str]]:
    """The counts of several minutes together."""
    found: dict[Lane, Counter[str]] = {lane: Counter() for lane in Lane}
    for each in counted:
        for lane, counts in each.items():
            found[lane].update(counts)
    return found


def by_metric(counted: Mapping[str, int]) -> dict[str, int]:
    """All channels together; their names end in what is counted."""
    counts = {
        metric.name: sum(number for name, number in counted.items() if name.endswith(f" {metric.name}"))
        for metric in METRICS
    }
    failed = sum(counts[metric.name] for metric in FAILURES)
    return {"failed": failed, **{name: number for name, number in counts.items() if number}}


def by_channel(counted: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """What was counted of each channel."""
    names = {metric.name for metric in METRICS}
    found: dict[str, dict[str, int]] = {}
    for name, number in sorted(counted.items()):
        channel, _, what = name.rpartition(" ")
        if channel and what in names and number:
            found.setdefault(channel, {})[what] = number
    return found


def percentile(counted: Mapping[str, int], percent: int) -> str | None:
    """Within how many seconds so many of a hundred were sent to: the least bound that they do not exceed."""
    bounds = activity.LATENCY_BOUNDS
    total = sum(counted.get(activity.latency_name(each), 0) for each in (*bounds, None))
    if not total:
        return None
    seen = 0
    for bound in bounds:
        seen += counted.get(activity.latency_name(bound), 0)
        if seen * 100 >= percent * total:
            return f"{bound} s"
    return f"> {bounds[-1]} s"


# What waits.


@dataclass(frozen=True)
class WhyWaiting:
    """Why recipients are in no queue: how many of those that were looked at, and a notification of theirs."""

    reason: str
    recipients: int
    notification_id: str


@dataclass(frozen=True)
class Waiting:
    """What of a lane is in no queue though it should be, why, and for how long the oldest of it."""

    unsent: int
    unsent_seconds: int
    reasons: list[WhyWaiting]
    pending: int
    pending_seconds: int


def waiting(lane: Lane, at: datetime) -> Waiting:
    """What waits of a lane: ten requests at most."""
    marks = unsent_marks(lane, COUNTED)
    rows = unsent_rows([(each.user_id, each.dispatch_id) for each in marks[:LOOKED_AT]])
    pending = pending_since(lane, at, LOOKED_AT)
    return Waiting(
        unsent=len(marks),
        unsent_seconds=_oldest((at - parse(row.due_at)).total_seconds() for row in rows),
        reasons=_why_waiting(rows),
        pending=len(pending),
        pending_seconds=_oldest(overdue_seconds(each, at) for each in pending),
    )


def _why_waiting(rows: Sequence[UsersNotification]) -> list[WhyWaiting]:
    counted = Counter(row.reason or "" for row in rows)
    one_of = {row.reason or "": row.notification_id for row in rows}
    return [WhyWaiting(reason, count, one_of[reason]) for reason, count in counted.most_common()]


def _oldest(ages: Iterable[float]) -> int:
    return max([0, *(int(each) for each in ages)])


# The queues.

STAGES = ("fan out", "delivery")

_ages: Kept[dict[MetricName, int]] = Kept(seconds=AGES_KEPT_SECONDS, entries=1)


@dataclass(frozen=True)
class QueueNow:
    """A queue of a lane, and its dead-letter queue: None where SQS did not answer."""

    lane: Lane
    stage: str
    """fan out, or delivery."""
    depth: Depth | None
    dead: Depth | None


def queues_now(now: datetime) -> list[QueueNow]:
    """What lies in each queue, and in its dead-letter queue: a request each, and one for all their ages."""
    queues.client()  # made before the threads start
    named = [
        (lane, stage, url)
        for lane in Lane
        for stage, url in zip(STAGES, _urls(settings.current().queues(lane)), strict=True)
    ]
    living = in_parallel(_attributes, [url for *_, url in named])
    dead_urls = [dead_url(url, told) if told else None for (*_, url), told in zip(named, living, strict=True)]
    dead = in_parallel(_attributes, dead_urls)
    ages = _ages_of([url for url in (*(url for *_, url in named), *dead_urls) if url], now)

    def of(url: str | None, told: Attributes | None) -> Depth | None:
        return told_depth(url, url, told, ages) if url and told else None

    return [
        QueueNow(lane, stage, of(url, told), of(dead_at, dead_told))
        for (lane, stage, url), told, dead_at, dead_told in zip(named, living, dead_urls, dead, strict=True)
    ]


def _urls(lane_queues: settings.QueueUrls) -> tuple[str, str]:
    return lane_queues.fan_out, lane_queues.delivery


def _attributes(url: str | None) -> Attributes | None:
    """What SQS tells of a queue; None where it does not."""
    if url is None:
        return None
    try:
        return attributes_of(queues.client(), url)
    except (ClientError, BotoCoreError) as error:
        logger.warning("queue not looked at", extra={"queue": url, "error": str(error)})
        return None


def _ages_of(urls: Sequence[str], now: datetime) -> dict[MetricName, int]:
    if (known := _ages.get("ages", now)) is not None:
        return known
    try:
        found = newest(metrics_client(), [age_of(url) for url in urls], now)
    except (ClientError, BotoCoreError) as error:
        logger.warning("ages of queues not told", extra={"error": str(error)})
        found = {}
    _ages.put("ages", found, now)
    return found


@cache
def metrics_client() -> Any:
    """The CloudWatch client of this process."""
    return sdk.session().client("cloudwatch", config=_METRICS_CONFIG)


# What has failed.


@dataclass(frozen=True)
class Failures:
    """A notification with failed recipients, counted up to a limit for each dispatch, and their reasons."""

    notification: Notification
    failed: int
    has_more: bool
    reasons: Counter[str]


@dataclass(frozen=True)
class FailuresPage:
    """The failures among some notifications, and where the older ones begin."""

    failures: list[Failures]
    looked_at: int
    next_cursor: str | None


def failures_page(principal: Principal, cursor: str | None, now: datetime) -> FailuresPage:
    """Look at the newest notifications for failed recipients: a few requests for each."""
    page = list_notifications(principal, Filters(), cursor, NOTIFICATIONS, now)
    for each in (Dispatch, UsersNotification):
        each.table()  # connected before the threads start
    found = in_parallel(partial(_failures, now), page.notifications)
    return FailuresPage([each for each in found if each.failed], len(found), page.next_cursor)


def _failures(now: datetime, notification: Notification) -> Failures:
    failed, has_more, reasons = 0, False, Counter[str]()
    for dispatch in dispatches_of(notification.id, notification.dispatch_id, None, DISPATCHES):
        if dispatch.is_cancelled:
            continue
        rows = list(islice(failed_rows(dispatch.id, now), FAILED))
        failed += len(rows)
        has_more |= len(rows) == FAILED
        reasons.update(row.reason or "" for row in rows)
    return Failures(notification, failed, has_more, reasons)
