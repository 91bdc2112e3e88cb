"""The runner of documents: what it runs, what it learns, and that a wrong command is found."""

import os
from pathlib import Path

import pytest

from tests.support.commands_in import (
    WrongCommandError,
    blocks,
    documents,
    filled,
    run_document,
    wrong_aws_commands,
)

ENVIRONMENT = {"HOME": os.environ.get("HOME", "/")}


def written(tmp_path: Path, text: str) -> Path:
    page = tmp_path / "page.md"
    page.write_text(text.replace("'''", "```"))
    return page


def test_blocks_are_run_in_one_shell_and_what_they_print_fills_the_next(tmp_path: Path) -> None:
    out = tmp_path / "out"
    page = written(
        tmp_path,
        f"""
'''sh run
GREETING=hello
echo 'the password is secret-1'
'''
<!-- PASSWORD is what matches `password is (\\S+)` -->
<!-- until `the` -->

'''sh aws-only
false
'''

'''sh run
echo "$GREETING PASSWORD example.org PASSWORDS" > {out}
'''
""",
    )
    assert run_document(page, ENVIRONMENT, {"example.org": "127.0.0.1"}) == 2
    assert out.read_text() == "hello secret-1 127.0.0.1 PASSWORDS\n"


@pytest.mark.parametrize(
    "commands",
    [
        "'''sh run\nfalse\ntrue\n'''\n",
        "'''sh run\nfalse | true\n'''\n",
        "'''sh run\necho $NOT_SET\n'''\n",
        "'''sh run\nno-such-command\n'''\n",
        "'''sh run\ntrue\n'''\n<!-- NAME is what matches `never` -->\n",
    ],
)
def test_a_command_that_does_not_work_is_found_and_its_line_named(tmp_path: Path, commands: str) -> None:
    with pytest.raises(WrongCommandError, match=r"page\.md:2: "):
        run_document(written(tmp_path, f"\n{commands}"), ENVIRONMENT, {})


def test_a_command_is_run_until_it_prints_what_it_has_to(tmp_path: Path) -> None:
    count = tmp_path / "count"
    page = written(tmp_path, f"'''sh run\necho x >> {count}\nwc -l {count}\n'''\n<!-- until `^3 ` -->\n")
    run_document(page, ENVIRONMENT, {})
    assert count.read_text() == "x\n" * 3


def test_names_are_filled_as_whole_words_and_variables_left_alone() -> None:
    assert filled("ID $ID IDS ID", {"ID": "7"}) == "7 $ID IDS 7"


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("aws iam create-policy --policy-name x --policy-document y", []),
        ("aws iam create-policy \\\n  --policy-name x", ["aws iam create-policy needs --policy-document"]),
        ("aws iam make-policy", ["aws has no iam make-policy"]),
        ("aws iamm create-policy", ["aws has no iamm create-policy"]),
        ("aws sts get-caller-identity --who me", ["aws sts get-caller-identity has no --who"]),
        ("aws sts get-caller-identity --region eu-central-1", []),
    ],
)
def test_commands_of_the_aws_cli_are_compared_with_what_it_has(
    tmp_path: Path, command: str, wrong: list[str]
) -> None:
    (block,) = blocks(written(tmp_path, f"'''sh aws-only\n{command}\n'''\n"))
    assert list(wrong_aws_commands(block)) == wrong


def test_a_document_without_commands_that_are_run_is_not_among_them() -> None:
    assert {"deploy.md"} <= {each.name for each in documents()}
    assert "architecture.md" not in {each.name for each in documents()}
