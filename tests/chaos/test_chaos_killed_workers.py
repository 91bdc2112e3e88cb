"""Processes of the functions are killed while they work: everybody is sent to, and doubles are explained."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.arrivals import (
    assert_everyone_has_it,
    failing_within_function_timeouts,
    last_mails_of,
    tell,
    wait_until_all_sent,
)
from tests.support.deployment import Deployment, people
from tests.support.smtp import Late, ScriptedSmtp
from tests.support.worker_processes import Kill, kill, workers_of

pytestmark = pytest.mark.chaos

DISPATCHES = 10
RECIPIENTS = 200
"""Of each: two chunks, so that a fan-out message is split."""

BACKLOG = 400
"""A dispatch is posted when so few are left to be sent: both lanes have work, and fan-outs are spread."""

DELIVER_KILLS = 32
MOST_DELAY_SECONDS = 0.02
"""After a mail was taken over, so that the kills fall on every step of a sending."""

FAN_OUT_DELAY_SECONDS = 0.3
"""After a post: about as long as fan out takes."""

ANSWER_SECONDS = 0.02
"""The mail server looks at a mail for so long when it has it: a fair part of the kills shall fall there."""

LIMIT_SECONDS = 420.0
LANES = ("Express", "Regular")


@dataclass(frozen=True)
class Strike:
    """A kill as it was drawn: so much later than so many mails were taken over, one of the function's."""

    mails: int
    delay: float
    function: str
    number: int


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> Iterator[None]:
    vestnik.deploy()
    with failing_within_function_timeouts(vestnik):
        yield


def lane_of(dispatch: int) -> str:
    return LANES[dispatch % 2]


def posted_at(dispatch: int) -> int:
    """How many mails have been taken over when a dispatch is posted."""
    return max(0, dispatch * RECIPIENTS - BACKLOG)


def draw_strikes(seed: str) -> list[Strike]:
    draw = random.Random(seed)
    moments = draw.sample(range(20, posted_at(DISPATCHES)), DELIVER_KILLS)
    deliver = [
        Strike(
            mails, draw.uniform(0, MOST_DELAY_SECONDS), f"Deliver{draw.choice(LANES)}", draw.randrange(100)
        )
        for mails in moments
    ]
    fan_out = [
        Strike(
            posted_at(dispatch), draw.uniform(0, FAN_OUT_DELAY_SECONDS), f"FanOut{lane_of(dispatch)}",
            draw.randrange(100),
        )
        for dispatch in range(DISPATCHES) if posted_at(dispatch)
    ]  # fmt: skip
    return sorted(deliver + fan_out, key=lambda strike: strike.mails)


def strike_one(vestnik: Deployment, strike: Strike) -> list[Kill]:
    """Kill one process of the function, if it has any at this moment."""
    time.sleep(strike.delay)  # drawn, to fall anywhere within a sending: there is nothing to wait for
    workers = workers_of(vestnik.emulator, vestnik.name_of(strike.function))
    if not workers:
        return []
    killed = kill(workers[strike.number % len(workers)], strike.function, vestnik.smtp.port)
    return [killed] if killed else []


def test_everybody_is_sent_to_though_processes_are_killed_at_any_moment(
    vestnik: Deployment, smtp: ScriptedSmtp, seed: str
) -> None:
    began = time.monotonic()
    crowd = vestnik.add_people(people(DISPATCHES * RECIPIENTS))
    strikes = draw_strikes(seed)
    smtp.script(Late(ANSWER_SECONDS))
    sents, struck = [], []
    for dispatch in range(DISPATCHES):
        smtp.wait_for_number(posted_at(dispatch), LIMIT_SECONDS)
        part = crowd[dispatch * RECIPIENTS : (dispatch + 1) * RECIPIENTS]
        sents.append(vestnik.send(part, express=lane_of(dispatch) == "Express"))
        while strikes and strikes[0].mails < posted_at(dispatch + 1):
            strike = strikes.pop(0)
            smtp.wait_for_number(strike.mails, LIMIT_SECONDS)
            struck += strike_one(vestnik, strike)
    wait_until_all_sent(vestnik, sents, LIMIT_SECONDS)
    doubles = assert_everyone_has_it(smtp, crowd)

    log = vestnik.emulator.log_path.read_text()
    assert "Warm worker execution error" not in log, "the emulator has ended further processes"
    failed = log.count("errorMessage=Worker process died")
    tell(
        smtp, began,
        f"{len(struck)} processes killed, {failed} of them in an invocation; {len(doubles)} doubles",
    )  # fmt: skip
    unknown_outcomes = last_mails_of(struck, smtp)
    for double in doubles:
        assert any(double.first is mail for mail in unknown_outcomes), f"no kill explains {double}"
    assert failed >= DELIVER_KILLS // 2, "too few kills fell on a process at work to show anything"
