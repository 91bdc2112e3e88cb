"""End to end through MiniStack: recipients a second, from the POST to the last mail accepted."""

import statistics
import subprocess
import sys
import time

from infra.package import PROJECT
from tests.bench.report import Figure, Section
from tests.bench.stage import Stage, milliseconds

SIZES = (1, 100, 1_000, 10_000)
QUICK_SIZES = (1, 10, 30)
REPEATS = {1: 11, 100: 3}
"""What takes no time is done several times; the median counts."""

ONE_RECIPIENT_SECONDS = 1.0
"""The budget from POST to accepted mail, warm."""

PATIENCE_SECONDS = 600.0
CEILING_MAILS = 3_000


def measure(stage: Stage) -> Section:
    """Recipients a second for each size, beside a hundred and beside the mail server's own ceiling."""
    sizes = QUICK_SIZES if stage.quick else SIZES
    reference = sizes[1]
    ceiling = _ceiling(stage, 200 if stage.quick else CEILING_MAILS)
    stage.tell("end to end: warming up")
    _seconds(stage, reference)
    rates: dict[int, float] = {}
    cpu = before = stage.cpu_of_emulator()
    for size in sizes:
        stage.tell(f"end to end: {size:,} recipients")
        stage.crowd(size)
        repeats = 1 if stage.quick else REPEATS.get(size, 1)
        before, own = stage.cpu_of_emulator(), time.process_time()
        rates[size] = size / statistics.median(_seconds(stage, size) for _ in range(repeats))
        cpu, own = stage.cpu_of_emulator(), time.process_time() - own
    figures = [
        Figure(
            f"{size:,} recipient{'s' if size > 1 else ''}",
            f"{rate:,.1f} a second",
            rate / rates[reference],
            f"{reference:,} recipients",
        )
        for size, rate in rates.items()
    ]
    one = 1 / rates[1]
    figures += [
        Figure(
            "one recipient, warm",
            milliseconds(one),
            one / ONE_RECIPIENT_SECONDS,
            "the budget",
            "1 s",
            one <= ONE_RECIPIENT_SECONDS,
        ),
        Figure(
            "the mail server alone",
            f"{ceiling:,.0f} mails a second",
            ceiling / max(rates.values()),
            "the fastest of the above",
        ),
    ]
    spent = {
        "MiniStack": cpu[0] - before[0],
        "the functions": cpu[1] - before[1],
        "the mail server and the wait for it": own,
    }
    shares = ", ".join(
        f"{name} {seconds / sizes[-1] * 1000:.1f} ms ({seconds / sum(spent.values()):.0%})"
        for name, seconds in spent.items()
    )
    note = f"CPU time a recipient, of the {sizes[-1]:,}: {shares}."
    return Section("End to end through MiniStack, from the POST to the last mail accepted", figures, [note])


def _seconds(stage: Stage, size: int) -> float:
    """How long it takes from a POST until the last of its mails has been accepted."""
    crowd = stage.crowd(size)
    stage.smtp.taken.clear()
    started = time.time()
    sent = stage.deployment.send(crowd)
    seconds = stage.smtp.wait_for(size, PATIENCE_SECONDS) - started
    stage.deployment.wait_for(sent, timeout=PATIENCE_SECONDS, sent=size)  # until all is still again
    return seconds


def _ceiling(stage: Stage, mails: int) -> float:
    """Mails a second that the mail server takes when nothing else has to be done."""
    stage.tell("end to end: the mail server alone")
    stage.smtp.taken.clear()
    command = [sys.executable, "-m", "tests.bench.mail_load", str(stage.smtp.port), str(mails)]
    subprocess.run(command, cwd=PROJECT, check=True)
    stage.smtp.wait_for(mails, 1)
    first, last = stage.smtp.taken[0][1], stage.smtp.taken[-1][1]
    return (mails - 1) / (last - first)
