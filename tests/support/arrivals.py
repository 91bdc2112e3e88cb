"""Whether everyone got their mail, and why some got it twice."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise

from tests.support.deployment import Deployment, Person, Sent
from tests.support.smtp import Mail, ScriptedSmtp
from tests.support.waiting import wait_until
from tests.support.worker_processes import Kill

QUEUES = ("FAN_OUT_EXPRESS", "FAN_OUT_REGULAR", "DELIVERY_EXPRESS", "DELIVERY_REGULAR")
ON_ITS_WAY_SECONDS = 1.0

FUNCTION_SECONDS = {
    "FAN_OUT_EXPRESS": 30, "FAN_OUT_REGULAR": 60, "DELIVERY_EXPRESS": 20, "DELIVERY_REGULAR": 60,
}  # fmt: skip
"""The timeout of the function that reads a queue."""


@dataclass(frozen=True)
class Double:
    """A mail that was followed by a further copy of itself."""

    first: Mail
    next: Mail


@contextmanager
def failing_within_function_timeouts(vestnik: Deployment) -> Iterator[None]:
    """Let what a worker held come again after its function's timeout, instead of six times this.

    Not sooner: else a message would come again while its first invocation may still run.
    """
    with ExitStack() as stack:
        for queue, seconds in FUNCTION_SECONDS.items():
            stack.enter_context(vestnik.failing_soon(queue, seconds))
        yield


def wait_until_all_sent(
    vestnik: Deployment, sents: Sequence[Sent], timeout: float, logged_before: int = 0
) -> None:
    """Wait until everybody is sent by the counts of the API, and nothing lies in any queue any more.

    AssertionError also when anything was given up, or went by the dead letters since the emulator's log had
    so many letters.
    """
    waiting = list(sents)

    def all_sent() -> bool:
        while waiting:
            counts = vestnik.counts(waiting[0])
            assert counts["failed"] == 0, f"given up: {counts} of {waiting[0]}"
            if counts["sent"] < waiting[0].recipients:
                return False
            del waiting[0]
        return True

    wait_until(all_sent, timeout, "everybody is sent")
    wait_until(lambda: not lying(vestnik), timeout, "the queues are empty")
    # Their function is quick: what it has handled is no longer to be seen in a queue.
    handled = f"ESM: Lambda {vestnik.name_of('DeadLetters')} "
    assert handled not in vestnik.emulator.log_path.read_text()[logged_before:], "there were dead letters"


def lying(vestnik: Deployment) -> Mapping[str, int]:
    """How many messages there are in each queue that is not empty, dead-letter queues among them."""
    counts = {name: len(vestnik.queued(name)) for queue in QUEUES for name in (queue, f"{queue}_DEAD")}
    return {name: number for name, number in counts.items() if number}


def assert_everyone_has_it(smtp: ScriptedSmtp, crowd: Collection[Person]) -> list[Double]:
    """Everybody has the mail and nobody else; each copy is the same mail. The doubles, to be explained."""
    copies: dict[str, list[Mail]] = defaultdict(list)
    for mail in smtp.mails():
        copies[mail.recipient].append(mail)
    assert copies.keys() == {person.email for person in crowd}
    assert smtp.overlapping() == set()
    for mails in copies.values():
        assert len({mail.message_id for mail in mails}) == 1, "a copy that a receiver could not recognize"
    return [Double(first, following) for mails in copies.values() for first, following in pairwise(mails)]


def last_mails_of(kills: Sequence[Kill], smtp: ScriptedSmtp) -> list[Mail]:
    """Of each process that was killed while connected to the mail server, the last mail that came by it.

    Of no other mail of it the outcome can be missing: it sends one at a time, and writes its outcome before
    it begins the next.
    """
    mails = smtp.mails()
    return [
        max(its_mails, key=lambda mail: mail.at)
        for kill in kills
        for port in kill.client_ports
        # A port may be given to another process later; what was on its way at the kill arrives at once.
        if (its_mails := [each for each in mails if each.client_port == port
                          and each.at < kill.at + ON_ITS_WAY_SECONDS])
    ]  # fmt: skip


def tell(smtp: ScriptedSmtp, began: float, figures: str) -> None:
    """Print what a run came to: it differs from run to run, and `make chaos` is there to see it."""
    recipients = len(smtp.counts())
    print(f"\n  {recipients:,} recipients in {time.monotonic() - began:.0f} s; {figures}")  # noqa: T201
