"""Cold import of each function from the deployed package, beside boto3 with the clients that it needs."""

import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.package import SIZE_BUDGET
from tests.bench.report import Figure, Section
from tests.bench.stage import Stage
from tests.support.factories import ENVIRONMENT

FUNCTIONS = {
    "api": "app",
    "deliver": "chalicelib.workers.deliver",
    "fan_out": "chalicelib.workers.fan_out",
    "sweep": "chalicelib.workers.sweep",
    "dead_letters": "chalicelib.workers.dead_letters",
}
PAIRS = 7
WORKER_BUDGET = 1.7
"""The import of a worker beside that of boto3 with its sqs and dynamodb clients."""
COSTLIEST = 10

_FLOOR = "import boto3\nfor name in ('sqs', 'dynamodb'): boto3.client(name)\n"
_CLOCK = """
import sys, time
sys.path.insert(0, {package!r})
started = time.process_time()
{code}
sys.stderr.write(f"cpu {{time.process_time() - started}}")
"""


def measure(stage: Stage) -> Section:
    """The CPU time of each import; the pairs alternate, so that what disturbs one disturbs the other too."""
    package = stage.unpacked
    figures: list[Figure] = []
    notes = [f"The {COSTLIEST} costliest modules, with their share of the function's whole import:", ""]
    for name, module in FUNCTIONS.items():
        stage.tell(f"cold import: {name}")
        code = f"{_FLOOR}import {module}"
        pairs = [(_cpu(package, _FLOOR), _cpu(package, code)) for _ in range(1 if stage.quick else PAIRS)]
        ratio = statistics.median(taken / floor for floor, taken in pairs)
        taken = statistics.median(taken for _, taken in pairs)
        is_worker = name != "api"
        figures.append(
            Figure(
                name,
                f"{taken * 1000:,.0f} ms CPU",
                ratio,
                "boto3 with sqs and dynamodb",
                f"{WORKER_BUDGET} ×" if is_worker else "",
                ratio <= WORKER_BUDGET if is_worker else None,
            )
        )
        notes.append(f"- **{name}**: {', '.join(_costliest(package, code))}")
    size = stage.archive.stat().st_size
    figures.append(
        Figure(
            "the zip",
            f"{size / 2**20:,.1f} MB",
            size / SIZE_BUDGET,
            "the budget",
            "18 MB",
            size <= SIZE_BUDGET,
        )
    )
    return Section("Cold import, from the deployed package", figures, notes)


def _run(package: Path, code: str, options: Sequence[str] = ()) -> str:
    # Nothing of the project's environment: the package brings what a function needs.
    ran = subprocess.run(
        [sys.executable, "-I", "-S", *options, "-c", _CLOCK.format(package=str(package), code=code)],
        env={
            **ENVIRONMENT,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stderr


def _cpu(package: Path, code: str) -> float:
    return float(_run(package, code).rpartition("cpu ")[2])


def _costliest(package: Path, code: str) -> list[str]:
    own: dict[str, int] = {}
    for line in _run(package, code, ["-X", "importtime"]).splitlines():
        fields = line.removeprefix("import time:").split("|")
        if len(fields) == 3 and fields[0].strip().isdigit():
            own[fields[2].strip()] = int(fields[0])
    total = sum(own.values())
    costliest = sorted(own.items(), key=lambda item: -item[1])[:COSTLIEST]
    return [f"`{module}` {microseconds / total:.1%}" for module, microseconds in costliest]
