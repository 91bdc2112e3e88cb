"""A lane's number of consumers and its bounds: what is refused, brought within them, or would change."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.lanes import Lane
from infra.consumers import (
    LEAST,
    MOST,
    NUMBERS,
    Plan,
    Source,
    Trio,
    account_warning,
    bring_within,
    check_consumers,
    parameter_names,
    unreserved_need,
)
from infra.stack import DeploymentError

BOUNDS = st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)).map(sorted)
LANES = st.sampled_from(Lane)
FAN_OUT = Source("fan out", "FanOutExpressQueue", "fan-out", 10, "Enabled", 1)
DELIVER = Source("deliver", "DeliveryExpressQueue", "deliver", 10, "Enabled", 2)


def parameters(**changed: str) -> dict[str, str]:
    """Both lanes' trios as parameters, which agree but for what is changed."""
    trios = (Trio(Lane.EXPRESS, 10, 2, 20), Trio(Lane.REGULAR, 10, 2, 100))
    agreeing = {name: value for trio in trios for name, value in trio.parameters.items()}
    return {**agreeing, "ExpressReservedConcurrency": "20", **changed}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"ExpressMinNumberOfConsumers": "30"},
            "ExpressMinNumberOfConsumers is 30, more than ExpressMaxNumberOfConsumers, which is 20",
        ),
        (
            {"RegularNumberOfConsumers": "110"},
            "RegularNumberOfConsumers is 110, more than RegularMaxNumberOfConsumers, which is 100",
        ),
        (
            {"RegularMinNumberOfConsumers": "11"},
            "RegularNumberOfConsumers is 10, less than RegularMinNumberOfConsumers, which is 11",
        ),
        ({"ExpressMinNumberOfConsumers": "1"}, "ExpressMinNumberOfConsumers is 1: Lambda takes 2 to 1000"),
        ({"ExpressNumberOfConsumers": "0"}, "ExpressNumberOfConsumers is 0: Lambda takes 2 to 1000"),
        ({"RegularMaxNumberOfConsumers": "1001"}, "RegularMaxNumberOfConsumers is 1001: Lambda takes 2 to"),
        (
            {"RegularMaxNumberOfConsumers": "153"},
            "RegularMaxNumberOfConsumers is 153: of the numbers near it 150 and 155 are possible",
        ),
        ({"ExpressNumberOfConsumers": "ten"}, "ExpressNumberOfConsumers is ten, which is no number"),
        (
            {"ExpressReservedConcurrency": "9"},
            "ExpressReservedConcurrency is 9, less than ExpressNumberOfConsumers, which is 10",
        ),
    ],
)
def test_what_does_not_agree_is_refused_by_name(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(DeploymentError) as refused:
        check_consumers(parameters(**changed))
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"ExpressReservedConcurrency": "10"},
        {"ExpressReservedConcurrency": "0", "ExpressMaxNumberOfConsumers": "1000"},
        {"RegularNumberOfConsumers": "2", "RegularMaxNumberOfConsumers": "2"},
    ],
)
def test_what_agrees_is_accepted(changed: dict[str, str]) -> None:
    wanted = parameters(**changed)
    read = {name: value for trio in check_consumers(wanted) for name, value in trio.parameters.items()}
    assert read == {name: wanted[name] for lane in Lane for name in parameter_names(lane)}


def test_a_stack_that_is_older_is_named_as_such() -> None:
    with pytest.raises(
        DeploymentError, match="no parameter ExpressMinNumberOfConsumers: deploy this version"
    ):
        check_consumers({"ExpressNumberOfConsumers": "10"})


@given(LANES, st.integers(-10, MOST + 10), st.integers(-10, MOST + 10), st.integers(-10, MOST + 10))
def test_a_trio_there_is_agrees(lane: Lane, number: int, minimum: int, maximum: int) -> None:
    agrees = LEAST <= minimum <= number <= maximum <= MOST and {number, minimum, maximum} <= set(NUMBERS)
    if agrees:
        assert Trio(lane, number, minimum, maximum).number == number
        return
    with pytest.raises(DeploymentError, match=r"^(Express|Regular)(Min|Max)?NumberOfConsumers is -?\d+"):
        Trio(lane, number, minimum, maximum)


@given(LANES, st.integers(-10, 2 * MOST), BOUNDS)
def test_whatever_is_wanted_comes_within_the_bounds(lane: Lane, wanted: int, bounds: list[int]) -> None:
    minimum, maximum = bounds
    trio, notes = bring_within(lane, wanted, minimum, maximum)
    assert (trio.lane, trio.minimum, trio.maximum) == (lane, minimum, maximum)
    possible = [number for number in NUMBERS if minimum <= number <= maximum]
    assert trio.number == max([number for number in possible if number <= wanted], default=minimum)
    assert len(notes) == (trio.number != wanted)
    assert all(parameter_names(lane)[0] in note and f"{wanted} " in note for note in notes)


def test_the_platforms_least_is_said() -> None:
    _, notes = bring_within(Lane.REGULAR, 1, 2, 100)
    assert notes == [
        "RegularNumberOfConsumers: 1 is less than RegularMinNumberOfConsumers, and Lambda takes "
        "no less than 2: 2 is taken"
    ]


@pytest.mark.parametrize(
    ("bounds", "name"), [((30, 20), "Min"), ((1, 20), "Min"), ((2, 1001), "Max"), ((2, 153), "Max")]
)
def test_wrong_bounds_are_not_mended(bounds: tuple[int, int], name: str) -> None:
    with pytest.raises(DeploymentError, match=f"^Express{name}NumberOfConsumers is "):
        bring_within(Lane.EXPRESS, 10, *bounds)


@given(st.sampled_from(NUMBERS), st.lists(st.integers(1, MOST), min_size=1, max_size=2))
def test_what_is_there_and_what_may_start_make_what_is_wanted(wanted: int, configured: list[int]) -> None:
    sources = [replace(FAN_OUT, configured=number) for number in configured]
    more = Plan(Trio(Lane.EXPRESS, wanted, LEAST, MOST), sources).more
    assert [had + added for had, added in zip(configured, more, strict=True)] == [wanted] * len(configured)


@pytest.mark.parametrize(
    ("number", "sources", "said"),
    [
        (12, [], "no consumers configured yet; 12 wanted for each queue, between 2 and 20: 12 may start"),
        (
            12,
            [FAN_OUT, DELIVER],
            "10 consumers configured, 1 (fan out) and 2 (deliver) running; "
            "12 wanted for each queue, between 2 and 20: 2 more may start",
        ),
        (
            10,
            [FAN_OUT, replace(DELIVER, running=1)],
            "10 consumers configured, 1 running; 10 wanted for each queue, between 2 and 20: nothing changes",
        ),
        (
            4,
            [replace(FAN_OUT, running=9), replace(DELIVER, running=6)],
            "10 consumers configured, 9 (fan out) and 6 (deliver) running; 4 wanted for each queue, "
            "between 2 and 20: 6 fewer may run; 7 running end after their work",
        ),
        (
            10,
            [replace(FAN_OUT, running=None), replace(DELIVER, configured=7, state="Disabled", running=None)],
            "10 (fan out) and 7 (deliver) consumers configured (deliver is Disabled), "
            "how many are running is not told; 10 wanted for each queue, between 2 and 20: "
            "nothing changes (fan out) and 3 more may start (deliver)",
        ),
        (
            10,
            [FAN_OUT, replace(DELIVER, configured=None, running=None)],
            "10 (fan out) and unbounded (deliver) consumers configured, 1 (fan out) and not told (deliver) "
            "running; 10 wanted for each queue, between 2 and 20: nothing changes (fan out) and now bounded "
            "(deliver)",
        ),
    ],
)
def test_a_plan_says_what_there_is_and_what_changes(number: int, sources: list[Source], said: str) -> None:
    assert str(Plan(Trio(Lane.EXPRESS, number, 2, 20), sources)) == f"express: {said}"


@pytest.mark.parametrize(
    ("reserved", "need"),
    [(20, 8 + 2 * 10), (0, 8 + 2 * 10 + 2 * 5)],
)
def test_who_has_a_reserve_takes_nothing_from_the_others(reserved: int, need: int) -> None:
    numbers: dict[Lane, Any] = {Lane.EXPRESS: 5, Lane.REGULAR: 10}
    assert unreserved_need(numbers, reserved) == need
    assert account_warning(numbers, reserved, need) is None
    warning = account_warning(numbers, reserved, need - 1)
    assert warning is not None
    assert f"up to {need} " in warning
    assert f"only {need - 1} " in warning
