"""The emulator is stopped in the middle of a dispatch and started again: everybody is sent to."""

import random
import time
from collections.abc import Iterator

import pytest

from tests.support.arrivals import (
    assert_everyone_has_it,
    failing_within_function_timeouts,
    tell,
    wait_until_all_sent,
)
from tests.support.deployment import Deployment, people
from tests.support.smtp import ScriptedSmtp

pytestmark = pytest.mark.chaos

RECIPIENTS = 400
"""Of each of two dispatches, by express: what was under way is free again after its lease of 25 s."""

LIMIT_SECONDS = 300.0
OUTCOME_SECONDS = 2.0
"""What was taken over longer before the stop has its outcome in what the emulator saves."""


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> Iterator[None]:
    vestnik.deploy()
    with failing_within_function_timeouts(vestnik):
        yield


def test_everybody_is_sent_to_though_the_emulator_is_stopped_and_started_in_between(
    vestnik: Deployment, smtp: ScriptedSmtp, seed: str
) -> None:
    began = time.monotonic()
    crowd = vestnik.add_people(people(2 * RECIPIENTS))
    sents = [vestnik.send(part, express=True) for part in (crowd[:RECIPIENTS], crowd[RECIPIENTS:])]
    smtp.wait_for_number(random.Random(seed).randint(RECIPIENTS // 2, RECIPIENTS), LIMIT_SECONDS)

    stopping = time.time()
    vestnik.emulator.stop()
    stopped, sent_before = time.time(), smtp.taken_over
    assert sent_before < len(crowd), "all were sent before it stopped"
    vestnik.emulator.start()
    wait_until_all_sent(vestnik, sents, LIMIT_SECONDS)
    doubles = assert_everyone_has_it(smtp, crowd)

    tell(smtp, began, f"{sent_before} of them before the emulator had stopped; {len(doubles)} doubles")
    for double in doubles:
        assert stopping - OUTCOME_SECONDS < double.first.at < stopped, f"no stop explains {double}"
