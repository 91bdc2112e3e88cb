"""`make bench`, the whole of it with small sizes: that it runs and what it writes, never how long it took."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.package import PROJECT
from localstack.capabilities import Capability
from tests.bench.__main__ import PARTS

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.needs(Capability.BENCHMARKS)]


def test_the_benchmarks_run_and_write_their_note(tmp_path: Path) -> None:
    note = tmp_path / "performance.md"
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--out", str(note)],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    written = note.read_text("utf-8")
    sections = [line for line in written.splitlines() if line.startswith("## ")]
    assert len(sections) == len(PARTS)
    for section in sections:
        assert section.removeprefix("## ") in ran.stdout  # the table on the screen has them too
    assert f"Machine: {os.cpu_count()} cores" in written
    for private in (str(PROJECT), str(Path.home()), sys.prefix, socket.gethostname()):
        assert private not in written
