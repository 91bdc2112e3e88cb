"""What is said of a sending's speed and of the time that is left is near the truth whenever one looks."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from chalicelib import settings
from chalicelib.admin.views.progress import LOOKS_SECONDS, SPAN_SECONDS, Progress, progress_of
from chalicelib.domain.fanning import CHUNK_SIZE, chunk_count
from chalicelib.domain.statuses import count_by_status
from chalicelib.domain.times import iso
from chalicelib.services.notifications import DispatchView, NotificationView
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.notifications import Notification
from tests.support.factories import ENVIRONMENT, START

STEP = 60
THOUSAND = 1_000


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings.current.cache_clear()
    yield
    settings.current.cache_clear()


def view_of(done: int, recipients: int = THOUSAND, due_in: float = 0) -> NotificationView:
    dispatch = Dispatch(
        id="d", recipients=recipients, chunks=chunk_count(recipients),
        due_at=iso(START + timedelta(seconds=due_in)),
    )  # fmt: skip
    counts = count_by_status("s" * done, recipients)
    return NotificationView(Notification(id="n"), [DispatchView(dispatch, counts)], has_older=False)


def look(view: NotificationView, at: float, before: Progress | None = None) -> Progress:
    """Look at it so many seconds after it was due, as the page does that has shown what was `before`."""
    query = {}
    if before and before.speed:
        told = {"done": before.speed.done, "at": before.speed.at, "rate": before.speed.rate}
        query = {name: str(value) for name, value in told.items() if value is not None}
    return progress_of(view, query, START + timedelta(seconds=at))


def let_go(at: float) -> int:
    """How many of a thousand are sent by then, if all goes as planned."""
    return min(int(at // STEP + 1) * CHUNK_SIZE, THOUSAND)


def watched(first: int) -> Iterator[tuple[int, Progress]]:
    """What a page shows that is opened then, until nearly all is sent."""
    shown = None
    for at in range(first, 9 * STEP, LOOKS_SECONDS):
        shown = look(view_of(let_go(at)), at, shown)
        yield at, shown


@pytest.mark.parametrize("first", [0, 4, 20, 30, 50, 58, 64, 301])
def test_of_what_is_throttled_the_time_left_is_what_is_planned(first: int) -> None:
    told = [
        (9 * STEP - at, each.seconds_left) for at, each in watched(first) if each.seconds_left is not None
    ]
    assert len(told) * LOOKS_SECONDS >= 9 * STEP - first - 1.5 * STEP
    for truth, seconds_left in told:
        assert truth <= seconds_left <= 1.2 * truth + STEP


def test_the_speed_of_what_is_throttled_is_of_more_than_one_step() -> None:
    rates = [each.rate for at, each in watched(1) if at > 3 * STEP]
    assert all(1 <= each <= 2.6 for each in rates), rates


def test_what_has_not_begun_has_no_speed_and_no_time_left() -> None:
    shown = None
    for at in range(0, 3 * STEP, LOOKS_SECONDS):
        shown = look(view_of(0), at, shown)
        assert (shown.moves, shown.seconds_left) == (False, None)


def test_of_what_is_tried_again_after_all_others_no_time_is_told() -> None:
    shown = None
    for at in range(8 * STEP, 14 * STEP, LOOKS_SECONDS):
        shown = look(view_of(min(let_go(at), THOUSAND - 3)), at, shown)
        if at > 9 * STEP + 2 * SPAN_SECONDS:
            assert (shown.moves, shown.seconds_left) == (False, None)


def test_without_a_throttle_the_time_left_is_that_of_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THROTTLE_STEP_SECONDS", "0")
    settings.current.cache_clear()
    shown = None
    for at in range(0, 150, LOOKS_SECONDS):
        shown = look(view_of(5 * at), at, shown)
        if at < SPAN_SECONDS:
            assert shown.seconds_left is None, "that is too early to tell"
        else:
            assert shown.rate == pytest.approx(5)
            assert shown.seconds_left == pytest.approx(200 - at, abs=1)


def test_nothing_is_counted_before_it_is_due() -> None:
    early = look(view_of(0, 50, due_in=20), 0)
    assert (early.is_due, early.every, early.seconds_left) == (False, LOOKS_SECONDS, None)
    still = look(view_of(0, 50, due_in=20), 19, early)
    soon = look(view_of(45, 50, due_in=20), 22, still)
    assert soon.is_due
    assert soon.rate == pytest.approx(15)


@pytest.mark.parametrize(
    ("recipients", "seconds"), [(1, 2), (10_000, 2), (50_000, 10), (100_000, 20), (1_000_000, 30)]
)
def test_the_more_there_is_to_read_the_seldomer_it_is_read(recipients: int, seconds: int) -> None:
    assert look(view_of(0, recipients), 1).every == seconds


def test_what_is_over_is_not_asked_for() -> None:
    assert look(view_of(THOUSAND), 1).every is None
