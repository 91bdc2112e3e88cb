"""What benchmarks find: a table at the end of a run, and docs/performance.md."""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Tell = Callable[[str], None]
"""Says what is being done, while it is done."""

KEPT_FROM = "## What was taken away"
"""From this heading on the file is written by hand, and stays."""

HOW_TO_READ = """\
# Performance

Written by `make bench`; the last section by hand.

How to read it: no time here means much by itself, since it depends on the machine and on what else that
did. So each figure stands beside another of the same run. The **ratio** is the figure divided by its
reference, and is what can be compared between machines and versions. A budget stands in the last column.

MiniStack, the functions, the mail server and the benchmark share the machine's cores. On AWS they do not:
what is slow here because it waits for its turn is not slow there.
"""


@dataclass(frozen=True)
class Figure:
    """One figure beside its reference, which was measured in the same run."""

    name: str
    value: str
    ratio: float | None = None
    reference: str = ""
    budget: str = ""
    is_kept: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands in its row."""
        ratio = "" if self.ratio is None else f"{self.ratio:,.2f} ×"
        verdict = {None: self.budget, True: f"{self.budget}: kept", False: f"{self.budget}: BROKEN"}
        return (self.name, self.value, ratio, self.reference, verdict[self.is_kept])


@dataclass(frozen=True)
class Section:
    """What one benchmark found."""

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = field(default_factory=list)
    """Lines of Markdown."""


HEAD = ("figure", "measured", "ratio", "to", "budget")


def table(sections: Sequence[Section]) -> str:
    """All figures for the screen."""
    rows = [HEAD, *(figure.cells for section in sections for figure in section.figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(HEAD, widths, strict=True)).rstrip()]
    for section in sections:
        lines += ["", section.title]
        for figure in section.figures:
            cells = zip(figure.cells, widths, strict=True)
            lines.append("  ".join(cell.ljust(width) for cell, width in cells).rstrip())
    return "\n".join(lines)


def markdown(sections: Sequence[Section], kept: str) -> str:
    """The whole of docs/performance.md; `kept` is its last section."""
    machine = f"Machine: {os.cpu_count()} cores, Python {platform.python_version()}."
    parts = [HOW_TO_READ, machine, ""]
    for section in sections:
        parts += [f"## {section.title}", "", _row(HEAD), "| --- | ---: | ---: | --- | --- |"]
        parts += [_row(figure.cells) for figure in section.figures]
        parts += ["", *section.notes]
        if section.notes and section.notes[-1]:
            parts.append("")
    return "\n".join([*parts, kept.strip()]).rstrip() + "\n"


def write(path: Path, sections: Sequence[Section]) -> None:
    """Write the file anew, but for what is kept in it."""
    before = path.read_text("utf-8") if path.exists() else ""
    _, heading, kept = before.partition(KEPT_FROM)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown(sections, heading + kept), "utf-8")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
