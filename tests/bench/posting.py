"""POST with one user and with very many: time and memory of the API function, in a fresh process each time.

The process loads the deployed package and calls its handler with API Gateway's event, against MiniStack's
tables and queues: what is measured is the function, not the emulator's way to start it.
"""

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.report import Figure, Section
from tests.bench.stage import Stage, milliseconds

SIZES = (1, 1_000, 100_000)
QUICK_SIZES = (1, 100, 2_000)
PROCESSES = 3
API_SECONDS = 29
API_MEGABYTES = 1024
CHILD = Path(__file__).with_name("posting_child.py")


@dataclass(frozen=True)
class _Post:
    """The median of some processes."""

    seconds: float
    cpu_seconds: float
    cold_seconds: float
    cold_cpu_seconds: float
    megabytes: float
    megabytes_before: float


def measure(stage: Stage) -> Section:
    """Time and memory for each size, beside one user."""
    sizes = QUICK_SIZES if stage.quick else SIZES
    environment = stage.environment_of("APIHandler")
    with stage.deployment.paused("FanOutRegular"):
        posts = {size: _post(stage, environment, size) for size in sizes}
        stage.deployment.sqs.purge_queue(QueueUrl=stage.deployment.url_of("FAN_OUT_REGULAR"))
    one, middle = posts[sizes[0]], sizes[1]
    figures: list[Figure] = []
    for size, post in posts.items():
        users = f"{size:,} user{'s' if size > 1 else ''}"
        figures.append(
            Figure(
                f"{users}: time",
                f"{milliseconds(post.seconds)} ({milliseconds(post.cpu_seconds)} CPU)",
                post.seconds / one.seconds,
                "1 user",
                f"{API_SECONDS} s",
                post.seconds <= API_SECONDS,
            )
        )
        if size > 1:
            a_user, a_user_of_some = post.seconds / size, posts[middle].seconds / middle
            figures.append(
                Figure(
                    f"{users}: time a user",
                    f"{a_user * 1e6:,.1f} µs",
                    a_user / a_user_of_some,
                    f"{middle:,} users",
                )
            )
        figures.append(
            Figure(
                f"{users}: memory at its peak",
                f"{post.megabytes:,.0f} MB (+{post.megabytes - post.megabytes_before:,.0f})",
                post.megabytes / one.megabytes,
                "1 user",
                f"{API_MEGABYTES:,} MB",
                post.megabytes <= API_MEGABYTES,
            )
        )
    figures.append(
        Figure(
            "1 user, the first POST of a process",
            f"{milliseconds(one.cold_seconds)} ({milliseconds(one.cold_cpu_seconds)} CPU)",
            one.cold_seconds / one.seconds,
            "the second",
        )
    )
    return Section("POST: the API function in a process of its own", figures)


def _post(stage: Stage, environment: dict[str, str], size: int) -> _Post:
    stage.tell(f"POST with {size:,} users")
    runs = [_run(stage, environment, size) for _ in range(1 if stage.quick else PROCESSES)]

    def median(*names: str) -> float:
        values = []
        for run in runs:
            value: Any = run
            for name in names:
                value = value[name]
            values.append(float(value))
        return statistics.median(values)

    return _Post(
        median("measured", "seconds"),
        median("measured", "cpu_seconds"),
        median("cold", "seconds"),
        median("cold", "cpu_seconds"),
        median("peak_mb"),
        median("before_mb"),
    )


def _run(stage: Stage, environment: dict[str, str], size: int) -> Any:
    arguments = [str(stage.unpacked), stage.deployment.authorization, str(size), ""]
    ran = subprocess.run(
        [sys.executable, "-I", "-S", str(CHILD), *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stderr)
