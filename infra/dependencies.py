"""The deployed dependencies as one zip: installed for Lambda, slimmed, precompiled, and kept."""

import compileall
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

RUNTIME = (3, 11)

# Lambda's python3.11 runs on Amazon Linux 2, whose glibc is 2.26. pip takes the platforms literally: it does
# not know that an older tag fits too. (uv knows no platform between 2_17 and 2_28.)
_PLATFORMS = ("manylinux_2_26_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")

# The services the functions call. Without the others' models botocore is 3 MB instead of 30, and each first
# client of a process, which lists this folder, is ready sooner.
AWS_SERVICES = ("cloudwatch", "dynamodb", "secretsmanager", "sesv2", "sqs")
AWS_ENDPOINTS = ("dynamodb", "email", "monitoring", "secretsmanager", "sqs")

# email-validator asks the DNS only when it is told to; cffi parses C only where bindings are built.
_UNUSED_FOLDERS = ("bin", "boto3/data", "boto3/examples", "dns", "pycparser")
_UNUSED_SUFFIXES = (".pyi", ".typed", ".h", ".c", ".rst", ".md", ".txt")
_KEPT_METADATA = ("METADATA", "entry_points.txt")  # what importlib.metadata answers from
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class PackagingError(Exception):
    """The package could not be built, or is too large; the message says why."""


def dependency_archive(requirements: Path, cache: Path) -> Path:
    """The zip of everything in the requirements file; made anew when they or this module have changed."""
    key = hashlib.sha256(requirements.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    archive = cache / f"dependencies-{key}.zip"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            tree, unfinished = Path(folder, "tree"), Path(folder, "archive.zip")
            _install(requirements, tree)
            _slim(tree)
            precompile(tree)
            add_to_zip(tree, unfinished)
            unfinished.replace(archive)
        _forget_others(archive)
    return archive


def precompile(tree: Path) -> None:
    """Compile everything below the folder, without timestamps: the zip has none."""
    # /var/task is read-only: what is not compiled here is compiled again at every cold start.
    compiled = compileall.compile_dir(
        tree, quiet=2, force=True, ddir="", invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )
    if not compiled:
        raise PackagingError(f"not all of {tree} could be compiled")


def add_to_zip(tree: Path, archive: Path) -> None:
    """Append the folder's files; the same files give the same bytes."""
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for path in _files(tree):
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            target.writestr(entry, path.read_bytes(), compresslevel=9)


def _files(tree: Path) -> Iterator[Path]:
    return (path for path in sorted(tree.rglob("*")) if path.is_file())


def _install(requirements: Path, target: Path) -> None:
    # pip itself, not through Chalice: for pinned and hashed wheels its download, unpacking and searching for
    # dependencies add half a minute and nothing else.
    platforms = [argument for platform in _PLATFORMS for argument in ("--platform", platform)]
    options = ["--no-deps", "--no-compile", "--require-hashes", "--only-binary", ":all:"]
    python = ["--implementation", "cp", "--python-version", ".".join(map(str, RUNTIME))]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
    installed = subprocess.run(
        [*command, *options, *python, *platforms, "-r", str(requirements)],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        raise PackagingError(f"pip could not install {requirements.name}:\n{installed.stderr.strip()}")


def _slim(tree: Path) -> None:
    for folder in _UNUSED_FOLDERS:
        shutil.rmtree(tree / folder, ignore_errors=True)
    for service in (tree / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in AWS_SERVICES:
            shutil.rmtree(service)
    _slim_endpoints(tree / "botocore" / "data" / "endpoints.json")
    for path in _files(tree):
        if path.suffix in _UNUSED_SUFFIXES and path.name not in _KEPT_METADATA:
            path.unlink()
    for information in tree.glob("*.dist-info"):
        for path in _files(information):
            if path.parent != information or path.name not in _KEPT_METADATA:
                path.unlink()


def _slim_endpoints(path: Path) -> None:
    """Leave of the list of endpoints what concerns our services: each process parses all of it."""
    endpoints = json.loads(path.read_text("utf-8"))
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in AWS_ENDPOINTS if name in services}
    path.write_text(json.dumps(endpoints), "utf-8")


def _forget_others(archive: Path) -> None:
    for other in archive.parent.glob("dependencies-*.zip"):
        if other != archive:
            other.unlink()
