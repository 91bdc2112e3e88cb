"""Schedules, ticks, paces and changes for hypothesis to try out on a frequency."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from chalicelib.domain.times import later
from chalicelib.services.content import Content
from chalicelib.services.frequencies import Wanted
from tests.support.interleaving import Pace

CREATED = datetime(2026, 11, 23, 10, 0, 0, 400_000, tzinfo=UTC)

NIGHTS = {
    "Europe/Berlin": (datetime(2026, 3, 29, 0, 45, tzinfo=UTC), datetime(2026, 10, 24, 23, 45, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 6, 45, tzinfo=UTC), datetime(2026, 11, 1, 4, 45, tzinfo=UTC)),
    "Australia/Lord_Howe": (
        datetime(2026, 10, 3, 15, 15, tzinfo=UTC), datetime(2026, 4, 4, 14, 15, tzinfo=UTC),
    ),
}  # fmt: skip
"""Shortly before the clocks change, forward and back."""


@dataclass(frozen=True)
class Timing:
    """What a client asks for, and when it is made."""

    created: datetime
    period: int | None = None
    cron: str | None = None
    zone: str = "UTC"
    starts: int | None = None
    ends: int | None = None

    def asked(self) -> dict[str, Any]:
        """As a request has it."""
        timing: dict[str, Any] = {"period": self.period} if self.period else {"cron": self.cron}
        timing["time_zone"] = self.zone
        timing["starts_at"] = None if self.starts is None else later(self.created, self.starts)
        timing["ends_at"] = None if self.ends is None else later(self.created, self.ends)
        return timing


def timings(created: datetime = CREATED) -> st.SearchStrategy[Timing]:
    """Periods from a second to hours, with and without a start and an end of their own."""
    periods = st.one_of(st.integers(1, 12), st.integers(13, 300), st.sampled_from([600, 3600, 7200]))
    starts = st.one_of(st.none(), st.integers(-100_000, 400))
    ends = st.one_of(st.none(), st.integers(401, 6000))
    return st.builds(Timing, st.just(created), periods, starts=starts, ends=ends)


CRONS = st.sampled_from(
    ["* * * * *", "*/2 * * * *", "*/15 * * * *", "30 * * * *", "0 * * * *", "30 2 * * *", "15,45 1-2 * * *",
     "*/20 2 * * *", "0 3 * * *", "59 1 * * *"]
)  # fmt: skip
"""With those that the nights of clock changes are about."""

NIGHT_TIMINGS = st.sampled_from(sorted(NIGHTS)).flatmap(
    lambda zone: st.builds(
        Timing,
        st.sampled_from(NIGHTS[zone]),
        cron=CRONS,
        zone=st.just(zone),
        ends=st.one_of(st.none(), st.integers(1, 7000)),
    )
)
SCHEDULES = st.one_of(timings(), NIGHT_TIMINGS)

GAPS = st.one_of(
    st.just(60.0),
    st.sampled_from([0.0, 0.2, 30.0, 59.0, 61.5, 75.0, 119.5, 121.0, 300.0, 500.0]),
    st.integers(122, 4000).map(float),
)
"""Seconds from one tick to the next: at once, on time, late, or none for an hour."""
TICKS = st.lists(st.tuples(GAPS, st.sampled_from([0.0, 0.0, 0.3, -0.4])), min_size=1, max_size=14)


def pauses(*seconds: float) -> st.SearchStrategy[tuple[float, ...]]:
    return st.lists(st.sampled_from(seconds), min_size=1, max_size=5).map(tuple)


SLOW = st.builds(Pace, pauses(0.0, 1.1, 7.0, 24.0))
_PACE = st.one_of(
    SLOW,
    st.builds(
        Pace,
        pauses(0.0, 0.0, 0.01, 0.3, 1.1, 7.0, 24.0),
        dies_at=st.one_of(st.none(), st.integers(0, 40)),
        is_done=st.booleans(),
        are_queues_down=st.sampled_from([False, False, False, True]),
        clock_is_off=st.sampled_from([0.0, 0.0, 0.3, -0.4]),
    ),
)
PACES = st.lists(_PACE, min_size=1, max_size=6)
LAGS = st.lists(st.sampled_from([0.0, 0.0, 0.4, 3.0, 95.0]), min_size=1, max_size=4)

NEWS = Wanted(content=Content("mail", "Other news", "Text"))
NEAR_A_TICK = st.tuples(st.integers(0, 14), st.one_of(st.integers(-35, 45), st.integers(0, 900)))
"""Which one, 0 being the making of the frequency, and seconds after it."""
_SOME = st.lists(
    st.tuples(
        NEAR_A_TICK,
        st.one_of(
            st.just(Wanted(is_paused=True)),
            st.just(Wanted(is_paused=False)),
            st.just(NEWS),
            st.integers(1, 14).map(lambda period: Wanted(timing={"period": period})),
            timings().map(lambda timing: Wanted(timing=timing.asked())),
        ),
    ),
    min_size=1,
    max_size=6,
)
_BURST = st.tuples(NEAR_A_TICK, st.integers(11, 25), st.sampled_from([0, 1, 2])).map(
    lambda burst: [
        ((burst[0][0], burst[0][1] + number * burst[2]), Wanted(content=Content("mail", str(number), "Text")))
        for number in range(burst[1])
    ]
)
"""More changes, one after the other, than a frequency keeps the eras of."""
CHANGES = st.one_of(_SOME, _BURST)
