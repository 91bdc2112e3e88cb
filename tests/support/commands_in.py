"""The commands of a document, run as its reader would run them: in their order, in one shell, in the project.

Every block of commands says what it is:

    ```sh run                it is run, and has to succeed
    ```sh aws-only           it needs AWS itself: its commands are compared with what the AWS CLI has
    ```sh run-by PATH        it is run by that file: a script that has its words, or a test

A comment after a block says what comes of it; no reader sees it:

    <!-- NAME is what matches `password (\\S+)` -->     further blocks have that in place of NAME
    <!-- until `"sent": 1` -->                         it is run again until it prints what matches
    <!-- goes on, after `Ctrl-C` -->                   it runs, after it has printed that, until the end

A command of the project, or of the AWS CLI, that stands in a sentence is run, or compared, in its place, too.
"""

import os
import re
import shlex
import signal
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path

import botocore.session
from botocore import xform_name

from infra.package import PROJECT
from tests.support.waiting import wait_until

RUN, AWS_ONLY, RUN_BY = "run", "aws-only", "run-by "
SECONDS = 600.0
UNTIL_SECONDS = 90.0
END_SECONDS = 60.0

_BLOCK = re.compile(
    r"^ *```sh ?(?P<kind>[^\n]*)\n(?P<text>.*?)^ *```\n(?P<after>(?:\n? *<!--.*?-->\n)*)",
    re.MULTILINE | re.DOTALL,
)
_LEARNED = re.compile(r"<!-- (\w+) is what matches `(.*?)` -->")
_UNTIL = re.compile(r"<!-- until `(.*?)` -->")
_GOES_ON = re.compile(r"<!-- goes on, after `(.*?)` -->")
_IN_A_SENTENCE = re.compile(
    r"`(?P<text>(?:\$M|\.venv/bin/python -m infra\.\w+|aws(?= [a-z0-9-]+ [a-z0-9-]+)) [^`]+)`"
)
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_MAKE = re.compile(r"`make ([a-z-]+)([^`]*)`")

# The environments are there already, and nothing is to be fetched; a reader's shell keeps its variables.
_PROLOGUE = """
make() { command make -o .venv/.ready -o .venv-emulator/.ready "$@"; }
curl() { command curl --fail-with-body --max-time 60 "$@"; }
[ ! -f "$STATE" ] || source "$STATE"
set -a
"""
_EPILOGUE = """
export -p > "$STATE"
"""


@dataclass(frozen=True)
class Block:
    """Commands that stand together."""

    line: int
    kind: str
    text: str
    learns: tuple[tuple[str, str], ...] = ()
    until: str | None = None
    goes_on: str | None = None


class WrongCommandError(Exception):
    """A command of a document does not do what it says; the message says where."""


def blocks(document: Path) -> list[Block]:
    """All commands, in their order."""
    text = document.read_text("utf-8")
    prose = _FENCED.sub(lambda fenced: re.sub(r"[^\n]", " ", fenced[0]), text)
    found = [
        *(_block(text, each) for each in _BLOCK.finditer(text)),
        *(_of_a_sentence(prose, each) for each in _IN_A_SENTENCE.finditer(prose)),
    ]
    return sorted(found, key=attrgetter("line"))


def _block(text: str, found: re.Match[str]) -> Block:
    return Block(
        _line(text, found),
        found["kind"],
        textwrap.dedent(found["text"]),
        tuple(_LEARNED.findall(found["after"])),
        next(iter(_UNTIL.findall(found["after"])), None),
        next(iter(_GOES_ON.findall(found["after"])), None),
    )


def _of_a_sentence(prose: str, found: re.Match[str]) -> Block:
    command = found["text"].replace("\n", " ")
    return Block(_line(prose, found), AWS_ONLY if command.startswith("aws ") else RUN, command)


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1


def made(document: Path) -> list[tuple[str, list[str]]]:
    """The targets of `make` that stand in its sentences, each with the names of the variables it is given."""
    text = document.read_text("utf-8")
    return [(target, re.findall(r"([A-Z_]+)=", given)) for target, given in _MAKE.findall(text)]


def documents() -> list[Path]:
    """The documents whose commands are to be run."""
    found = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
    return [each for each in found if f"```sh {RUN}\n" in each.read_text("utf-8")]


def run_document(document: Path, environment: Mapping[str, str], examples: Mapping[str, str]) -> int:
    """Run its commands, with other values in place of its examples; how many blocks there were."""
    known, count = dict(examples), 0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as at_the_end:
        for block in blocks(document):
            if block.kind == RUN:
                where = f"{document.name}:{block.line}"
                shell = {**environment, "PATH": os.environ["PATH"], "STATE": str(Path(folder, "state"))}
                text = filled(block.text, known)
                if block.goes_on is None:
                    said = _run_until(block, text, shell, where)
                else:
                    output = Path(folder, f"output-{count}")
                    said = at_the_end.enter_context(_going_on(text, block.goes_on, shell, output, where))
                known |= dict(_learned(block, said, where))
                count += 1
    return count


def filled(text: str, known: Mapping[str, str]) -> str:
    """Commands with what is known in place of names and examples."""
    if not known:
        return text
    names = "|".join(re.escape(each) for each in sorted(known, key=len, reverse=True))
    return re.sub(rf"(?<![\w$])({names})(?!\w)", lambda found: known[found.group(1)], text)


def _run_until(block: Block, text: str, environment: Mapping[str, str], where: str) -> str:
    said = _run(text, environment, where)
    if block.until is not None:
        pattern, last = re.compile(block.until), [said]

        def matches() -> bool:
            last.append(_run(text, environment, where))
            return pattern.search(last[-1]) is not None

        if not pattern.search(said):
            wait_until(matches, UNTIL_SECONDS, f"{where}: {block.until}")
        said = last[-1]
    return said


def _run(text: str, environment: Mapping[str, str], where: str) -> str:
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _PROLOGUE + text + _EPILOGUE],
        cwd=PROJECT, env=dict(environment), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    if ran.returncode:
        raise WrongCommandError(f"{where}: {text}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


@contextmanager
def _going_on(
    text: str, ready: str, environment: Mapping[str, str], output: Path, where: str
) -> Iterator[str]:
    """Commands that are broken off at the end, as by Ctrl-C; what they have said when they are ready."""
    with output.open("w") as file:
        running = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", _PROLOGUE + text],
            cwd=PROJECT, env=dict(environment), stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def is_ready() -> bool:
        if running.poll() is not None:
            raise WrongCommandError(f"{where}: {text}\nhas ended\n{output.read_text()}")
        return re.search(ready, output.read_text()) is not None

    try:
        wait_until(is_ready, SECONDS, f"{where}: {ready}")
        yield output.read_text()
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGINT)
        running.wait(END_SECONDS)


def _learned(block: Block, said: str, where: str) -> Iterator[tuple[str, str]]:
    for name, pattern in block.learns:
        if not (found := re.search(pattern, said, re.MULTILINE)):
            raise WrongCommandError(f"{where}: nothing matches {pattern} in:\n{said}")
        yield name, found.group(1)


def wrong_aws_commands(block: Block) -> Iterator[str]:
    """Commands of the AWS CLI that it does not have, or without an option that they need."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if not line.lstrip().startswith("aws "):
            continue
        _, service, operation, *options = shlex.split(line, comments=True)
        known = _HIGH_LEVEL.get(f"{service} {operation}") or _options(service).get(operation)
        if known is None:
            yield f"aws has no {service} {operation}"
            continue
        given = {word for word in options if word.startswith("--")} - GLOBAL_OPTIONS
        yield from (f"aws {service} {operation} has no {each}" for each in sorted(given - known.keys()))
        missing = {name for name, is_required in known.items() if is_required} - given
        yield from (f"aws {service} {operation} needs {each}" for each in sorted(missing))


GLOBAL_OPTIONS = {"--region", "--query", "--output", "--profile"}
_HIGH_LEVEL = {"s3 rb": {"--force": False}}
"""What the CLI has beside the operations of services."""


@cache
def _options(service: str) -> dict[str, dict[str, bool]]:
    """The operations of a service, each with its options and whether they are needed."""
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return {}
    model = session.get_service_model(service)
    found: dict[str, dict[str, bool]] = {}
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        members = list(shape.members) if shape else []
        needed = set(shape.required_members) if shape else set()
        found[xform_name(name, "-")] = {f"--{xform_name(each, '-')}": each in needed for each in members}
    return found
