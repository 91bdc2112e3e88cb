"""Reading and joining the parts of the template."""

from pathlib import Path

import pytest

from infra.template_parts import dump_template, join_parts, read_template


def test_a_name_defined_by_two_parts_is_refused(tmp_path: Path) -> None:
    for part in ("one", "two"):
        (tmp_path / f"{part}.yaml").write_text("Resources: {Same: {Type: AWS::SQS::Queue}}")
    with pytest.raises(ValueError, match="Same"):
        join_parts(tmp_path)


def test_short_tags_are_read_as_cloudformation_reads_them(tmp_path: Path) -> None:
    part = tmp_path / "part.yaml"
    part.write_text(
        "a: !Ref X\nb: !GetAtt X.Outputs.Y\nc: !If [C, !Sub '${X}', 1]\n"
        "d: !Condition C\ne: !Sub [x, {y: !Ref Z}]\n"
    )
    assert read_template(part) == {
        "a": {"Ref": "X"},
        "b": {"Fn::GetAtt": ["X", "Outputs.Y"]},
        "c": {"Fn::If": ["C", {"Fn::Sub": "${X}"}, 1]},
        "d": {"Condition": "C"},
        "e": {"Fn::Sub": ["x", {"y": {"Ref": "Z"}}]},
    }


def test_what_is_shared_is_written_out() -> None:
    shared = {"Ref": "X"}
    assert dump_template({"a": shared, "b": shared}) == "a:\n  Ref: X\nb:\n  Ref: X\n"
