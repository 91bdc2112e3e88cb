"""The first invocation of a fresh process, beside the second: what a cold start costs after the import."""

import base64
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.handling import Handled, handled_functions
from tests.bench.report import Figure, Section
from tests.bench.stage import Stage, milliseconds

CHILD = Path(__file__).with_name("first_child.py")
FUNCTIONS = {
    "deliver, a batch of 10": ("chalicelib.workers.deliver", "deliver_regular"),
    "fan out, a chunk of 100": ("chalicelib.workers.fan_out", "fan_out_regular"),
}
PROCESSES = 7


def measure(stage: Stage) -> Section:
    """CPU time of the import, the first and the second invocation, in fresh processes."""
    figures: list[Figure] = []
    with handled_functions() as handled:
        environment = {
            **os.environ,
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_REGION": os.environ["AWS_DEFAULT_REGION"],
            "SMTP_PORT": str(stage.smtp.port),
        }
        for each in handled:
            if each.name in FUNCTIONS:
                stage.tell(f"first invocation: {each.name}")
                figures += _figures(stage, each, environment)
    return Section("The first invocation of a process, CPU time", figures)


def _figures(stage: Stage, handled: Handled, environment: dict[str, str]) -> list[Figure]:
    record = stage.folder / "record.json"
    record.write_text(json.dumps({"event": handled.event, "answers": _answers(handled)}), "utf-8")
    module, function = FUNCTIONS[handled.name]
    command = [sys.executable, "-I", "-S", str(CHILD), str(stage.unpacked), module, function, str(record)]
    runs = [_run(command, environment) for _ in range(1 if stage.quick else PROCESSES)]
    first, second, imported = (
        statistics.median(run[name] for run in runs) for name in ("first", "second", "import")
    )
    return [
        Figure(f"{handled.name}: first", milliseconds(first), first / second, "the second"),
        Figure(
            f"{handled.name}: import and first",
            milliseconds(imported + first),
            (imported + first) / imported,
            "the import",
        ),
    ]


def _answers(handled: Handled) -> list[dict[str, Any]]:
    return [
        {
            "status": call.wire.status_code,
            "headers": dict(call.wire.headers),
            "content": base64.b64encode(call.wire.content).decode(),
        }
        for call in (*handled.first_calls, *handled.calls)
    ]


def _run(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    taken: dict[str, float] = json.loads(ran.stderr.rpartition("taken ")[2])
    return taken
