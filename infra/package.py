"""Builds what is deployed, template.yaml and deployment.zip in build/<stage>: `python -m infra.package`."""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.dependencies import RUNTIME, add_to_zip, dependency_archive, precompile
from infra.dependencies import PackagingError as PackagingError
from infra.template_parts import PARTS, join_parts, write_template

PROJECT = Path(__file__).parent.parent
SIZE_BUDGET = 18 * 1024 * 1024


@dataclass(frozen=True)
class Package:
    """What a deployment needs: the template and, beside it, the functions' code."""

    template: Path
    code: Path


def package(stage: str = "dev", out: Path = PROJECT / "build") -> Package:
    """Build the package of a stage, or find that it is still what would be built."""
    if sys.version_info[:2] != RUNTIME:
        raise PackagingError(
            f"Lambda's .pyc files need Python {RUNTIME[0]}.{RUNTIME[1]}; this is {sys.version}"
        )
    built = Package(out / stage / "template.yaml", out / stage / "deployment.zip")
    with _alone(out / "cache"):
        mark, fingerprint = out / stage / "fingerprint", _fingerprint(stage)
        is_current = mark.exists() and mark.read_text() == fingerprint
        if not (is_current and built.template.exists() and built.code.exists()):
            _build(stage, built, out / "cache")
            mark.write_text(fingerprint)
    return built


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Wait for another process that packages into the same folder, such as the tests beside `make run`."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sources() -> Iterator[Path]:
    yield PROJECT / "app.py"
    yield PROJECT / "requirements.txt"
    yield PROJECT / ".chalice" / "config.json"
    for folder in (PROJECT / "chalicelib", PARTS.parent):
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc")


def _fingerprint(stage: str) -> str:
    digest = hashlib.sha256(f"{stage} {sys.version}".encode())
    for path in _sources():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(PROJECT)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _build(stage: str, built: Package, cache: Path) -> None:
    dependencies = dependency_archive(PROJECT / "requirements.txt", cache)
    generated, code = cache / stage / "generated", cache / stage / "code"
    for folder in (cache / stage, built.code.parent):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    _run_chalice(stage, cache / stage / "project", generated)
    with zipfile.ZipFile(generated / "deployment.zip") as packed:
        packed.extractall(code)
    precompile(code)
    shutil.copyfile(dependencies, built.code)
    add_to_zip(code, built.code)
    write_template(json.loads((generated / "sam.json").read_text("utf-8")), built.template)
    _check_size(built.code)


def _run_chalice(stage: str, project: Path, generated: Path) -> None:
    # Chalice sees a copy without requirements: it does the template, the code and its own runtime, and what
    # the code imports comes out of the cache. And a copy leaves nothing behind in the project.
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "chalicelib", project / "chalicelib", ignore=unwanted)
    shutil.copytree(PROJECT / ".chalice", project / ".chalice", ignore=shutil.ignore_patterns("deploy*"))
    shutil.copyfile(PROJECT / "app.py", project / "app.py")
    (project / "requirements.txt").touch()
    merge = project.with_name("merge.json")  # between programs JSON: reading YAML takes most of a second
    merge.write_text(json.dumps(join_parts()), "utf-8")
    chalice = [str(Path(sys.executable).with_name("chalice")), "--project-dir", str(project.resolve())]
    options = ["--stage", stage, "--merge-template", str(merge.resolve())]
    ran = subprocess.run(
        [*chalice, "package", *options, str(generated.resolve())],
        env=_chalice_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode:
        raise PackagingError(f"chalice package failed:\n{ran.stdout}{ran.stderr}".strip())


def _chalice_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    return kept | {"AWS_DEFAULT_REGION": "eu-central-1", "PYTHONDONTWRITEBYTECODE": "1"}


def _check_size(code: Path) -> None:
    if (size := code.stat().st_size) > SIZE_BUDGET:
        code.unlink()
        raise PackagingError(
            f"the zip has {size / 1e6:.1f} MB, more than the {SIZE_BUDGET / 1e6:.1f} it may have"
        )


def _describe(built: Package) -> str:
    with zipfile.ZipFile(built.code) as packed:
        unpacked = sum(entry.file_size for entry in packed.infolist())
    zipped, template = built.code.stat().st_size, built.template.stat().st_size
    return (
        f"{built.code}: {zipped / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unpacked; "
        f"{built.template}: {template / 1e3:.0f} kB"
    )


def main() -> None:
    """Build from the command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__)
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--out", type=Path, default=PROJECT / "build")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        built = package(arguments.stage, arguments.out)
    except PackagingError as failure:
        sys.exit(str(failure))
    print(f"{_describe(built)} ({time.monotonic() - started:.1f} s)")


if __name__ == "__main__":
    main()
