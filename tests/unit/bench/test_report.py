"""The note that benchmarks write."""

from pathlib import Path

from tests.bench.report import KEPT_FROM, Figure, Section, table, write

SECTION = Section(
    "Imports",
    [
        Figure("deliver", "220 ms CPU", 1.654, "boto3", "1.7 ×", True),
        Figure("sweep", "900 ms CPU", 4.0, "boto3", "1.7 ×", False),
        Figure("calls", "2.30 a record"),
    ],
    ["A remark."],
)


def test_each_figure_stands_beside_its_ratio_its_reference_and_its_budget() -> None:
    lines = table([SECTION]).splitlines()
    assert lines[0].split() == ["figure", "measured", "ratio", "to", "budget"]
    assert [" ".join(line.split()) for line in lines[2:]] == [
        "Imports",
        "deliver 220 ms CPU 1.65 × boto3 1.7 ×: kept",
        "sweep 900 ms CPU 4.00 × boto3 1.7 ×: BROKEN",
        "calls 2.30 a record",
    ]


def test_the_note_is_written_anew_but_for_what_people_wrote_into_it(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "performance.md"
    write(path, [SECTION])
    first = path.read_text("utf-8")
    assert "| deliver | 220 ms CPU | 1.65 × | boto3 | 1.7 ×: kept |" in first
    assert "\nA remark.\n" in first

    by_hand = f"{KEPT_FROM}\n\nSomething slow.\n"
    path.write_text(f"{first}\n{by_hand}", "utf-8")
    write(path, [Section("Other", [Figure("one", "1 s")])])
    second = path.read_text("utf-8")
    assert second.endswith(f"\n{by_hand}")
    assert "| one | 1 s |" in second
    assert "deliver" not in second
