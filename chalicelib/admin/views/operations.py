"""Operations: what goes in and out, what waits, who works on it, and what has failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chalice.app import Response

from chalicelib import settings
from chalicelib.admin.declaring import Section
from chalicelib.admin.views import sending_again
from chalicelib.admin.visits import Visit
from chalicelib.domain.lanes import Lane
from chalicelib.services import operations
from chalicelib.services.rights import Access

section = Section("operations")

MINUTES = 60
RECENT = 5
"""So many minutes latency is taken of."""


@dataclass(frozen=True)
class Minute:
    """What became of how many recipients in a minute, both lanes together."""

    at: str
    accepted: int
    sent: int
    failed: int


@section.page("/operations", access=Access.LOOK)
def show_now(visit: Visit) -> Response:
    """Everything at this moment; for htmx the part that changes."""
    counted = operations.each_minute(visit.now, MINUTES)
    hour = operations.summed(counted.values())
    recent = operations.summed(list(counted.values())[-RECENT:])
    return visit.show(
        "operations/now_part.html" if visit.is_fragment else "operations/now.html",
        minutes=[_minute(at, operations.summed([each])) for at, each in counted.items()],
        lanes=list(Lane),
        metrics={lane: operations.by_metric(hour[lane]) for lane in Lane},
        latency={
            lane: {percent: _within(visit, recent[lane], percent) for percent in (50, 95)} for lane in Lane
        },
        channels={lane: operations.by_channel(hour[lane]) for lane in Lane},
        waiting={lane: operations.waiting(lane, visit.now) for lane in Lane},
        queues=operations.queues_now(visit.now),
        consumers=settings.panel().consumers,
        limits={"unsent": operations.COUNTED, "pending": operations.LOOKED_AT},
        now=visit.now,
        duration=lambda seconds: duration(visit, seconds),
        bars=bars,
    )


def _minute(at: str, lanes: dict[Lane, operations.Counts]) -> Minute:
    found = operations.by_metric(sum(lanes.values(), operations.Counts()))
    return Minute(at, found.get("accepted", 0), found.get("sent", 0), found["failed"])


def _within(visit: Visit, counted: operations.Counts, percent: int) -> str | None:
    found = operations.percentile(counted, percent)
    return found and visit.say("{} s").format(found.removesuffix(" s"))


def bars(numbers: Sequence[int], height: int) -> list[int]:
    """How high each bar of a chart is: the highest as high as the chart, and none that counts unseen."""
    most = max(numbers, default=0)
    return [max(number * height // most, 2) if number else 0 for number in numbers]


def duration(visit: Visit, seconds: int) -> str:
    """A time span in one unit, the largest of which there are at least two."""
    units = (
        (visit.say("{} d"), 86_400),
        (visit.say("{} h"), 3_600),
        (visit.say("{} min"), 60),
    )
    for words, length in units:
        if seconds >= 2 * length:
            return words.format(seconds // length)
    return visit.say("{} s").format(seconds)


@section.page("/operations/failures", access=Access.READ)
def show_failures(visit: Visit) -> Response:
    """The newest notifications of which somebody has failed, and why."""
    page = operations.failures_page(visit.principal, visit.query.get("cursor"), visit.now)
    return visit.show("operations/failures.html", page=page, cursor=visit.query.get("cursor"))


@section.action("/operations/failures/{notification_id}/send_again", access=Access.SEND)
def send_again(visit: Visit, notification_id: UUID) -> Response:
    """Send the failed recipients of a notification again."""
    said = sending_again.send_again(visit, notification_id).said
    return visit.go("operations", "failures", done=said, cursor=visit.form.text("cursor") or None)
