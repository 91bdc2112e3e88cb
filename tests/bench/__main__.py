"""Runs the benchmarks, prints their table and writes docs/performance.md: `make bench`."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from infra.package import PROJECT
from tests.bench import end_to_end, express, first, handling, importing, posting, sweeping, ticking
from tests.bench.report import Section, table, write
from tests.bench.stage import Stage

PARTS: dict[str, Callable[[Stage], Section]] = {
    "end_to_end": end_to_end.measure,
    "post": posting.measure,
    "handlers": handling.measure,
    "imports": importing.measure,
    "first": first.measure,
    "express": express.measure,
    "tick": ticking.measure,
    "sweep": sweeping.measure,
}
WRITTEN = PROJECT / "docs" / "performance.md"


def main() -> None:
    """Run all parts, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part and write nothing")
    parser.add_argument("--quick", action="store_true", help="small sizes, whose figures mean nothing")
    parser.add_argument("--out", type=Path, help="write here; by default docs/performance.md, of a whole run")
    arguments = parser.parse_args()
    started = time.monotonic()

    def tell(line: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - started:5.1f} s] {line}\n")

    with Stage(tell, arguments.quick) as stage:
        sections = [PARTS[name](stage) for name in arguments.only or PARTS]
    sys.stdout.write(table(sections) + "\n")
    out = arguments.out or (None if arguments.only or arguments.quick else WRITTEN)
    if out:
        write(out, sections)
        tell(f"written: {out}")


if __name__ == "__main__":
    main()
