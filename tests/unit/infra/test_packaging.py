"""What must hold of the zip, and of building it."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import botocore
import pytest

from infra import dependencies
from infra.package import PROJECT, SIZE_BUDGET, Package, PackagingError, package

UNCHECKED_HASH = 0b01
SERVICES = dependencies.AWS_SERVICES
ENDPOINTS = dependencies.AWS_ENDPOINTS
LIBRARIES = ("argon2", "aws_lambda_powertools", "email_validator", "jinja2", "jwt", "pydantic", "pynamodb")


def test_the_zip_is_within_its_budget(built: Package) -> None:
    assert built.code.stat().st_size <= SIZE_BUDGET


def test_every_module_is_compiled_for_the_runtime_and_never_checked(built: Package) -> None:
    with zipfile.ZipFile(built.code) as packed:
        names = set(packed.namelist())
        for name in sorted(names):
            if name.endswith(".py"):
                compiled = packed.read(importlib.util.cache_from_source(name))
                assert compiled[:4] == importlib.util.MAGIC_NUMBER, name
                assert int.from_bytes(compiled[4:8], "little") == UNCHECKED_HASH, name


def test_the_zip_holds_every_file_of_the_application(unpacked: Path) -> None:
    for path in (PROJECT / "chalicelib").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            packed = unpacked / path.relative_to(PROJECT)
            assert packed.read_bytes() == path.read_bytes(), path


def test_only_the_services_in_use_have_their_models(unpacked: Path) -> None:
    data = unpacked / "botocore" / "data"
    services = sorted(path.name for path in data.iterdir() if path.is_dir())
    assert services == sorted(dependencies.AWS_SERVICES)
    for needed in ("endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json"):
        assert (data / needed).exists()


def test_the_list_of_endpoints_has_every_region_and_only_our_services(unpacked: Path) -> None:
    slim, whole = (
        json.loads((root / "data" / "endpoints.json").read_text("utf-8"))["partitions"]
        for root in (unpacked / "botocore", Path(botocore.__file__).parent)
    )
    assert len(slim) == len(whole)
    for ours, theirs in zip(slim, whole, strict=True):
        kept = {name: theirs["services"][name] for name in ENDPOINTS if name in theirs["services"]}
        assert ours == {**theirs, "services": kept}
    assert set(slim[0]["services"]) == set(ENDPOINTS)


def test_nothing_of_development_is_in_the_zip(built: Package) -> None:
    with zipfile.ZipFile(built.code) as packed:
        folders = {name.partition("/")[0] for name in packed.namelist()}
    assert not folders & {"infra", "tests", "pip", "moto", "pytest", "bin", "build", ".chalice"}


def test_every_handler_imports_from_the_zip_alone(
    unpacked: Path, functions: dict[str, dict[str, Any]]
) -> None:
    handlers = sorted({body["Handler"] for body in functions.values()})
    script = f"""
import importlib, json, sys
sys.path.insert(0, {str(unpacked)!r})
for handler in {handlers!r}:
    module, _, name = handler.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name)), handler
for module in {LIBRARIES!r}:
    importlib.import_module(module)
import boto3
session = boto3.Session("a", "b", region_name="eu-central-1")
for service in {dependencies.AWS_SERVICES!r}:
    session.client(service)
from importlib.metadata import version
version("pydantic")
import argon2, email_validator, jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
assert argon2.PasswordHasher().verify(argon2.PasswordHasher().hash("password"), "password")
assert email_validator.validate_email("anna@example.com", check_deliverability=False)
key = Ed25519PrivateKey.generate()
assert jwt.decode(jwt.encode({{"a": 1}}, key, "EdDSA"), key.public_key(), ["EdDSA"]) == {{"a": 1}}
files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
print(json.dumps([file for file in files if file]))
"""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", script], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    loaded = [Path(file) for file in json.loads(ran.stdout)]
    foreign = [path for path in loaded if "site-packages" in path.parts or path.is_relative_to(PROJECT)]
    assert foreign == []


def test_an_unchanged_package_is_not_built_again(built: Package) -> None:
    before = built.code.stat().st_mtime_ns
    assert package() == built
    assert built.code.stat().st_mtime_ns == before


def test_the_same_files_give_the_same_zip(tmp_path: Path) -> None:
    for copy in ("one", "two"):
        tree = tmp_path / copy
        (tree / "inner").mkdir(parents=True)
        for name in (
            ("b.py", "a.py", "inner/text.txt") if copy == "one" else ("inner/text.txt", "a.py", "b.py")
        ):
            (tree / name).write_text(f"NAME = {name!r}")
        dependencies.precompile(tree)
        dependencies.add_to_zip(tree, tmp_path / f"{copy}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_what_cannot_be_compiled_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def :")
    with pytest.raises(PackagingError, match="could be compiled"):
        dependencies.precompile(tmp_path)


def test_requirements_that_cannot_be_installed_say_why(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("no requirement\n")
    with pytest.raises(PackagingError, match=r"(?s)requirements\.txt.*Invalid requirement"):
        dependencies.dependency_archive(requirements, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_another_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.package.RUNTIME", (3, 9))
    with pytest.raises(PackagingError, match=r"need Python 3\.9"):
        package()


def test_a_zip_beyond_the_budget_is_refused_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.package.SIZE_BUDGET", 1_000_000)
    monkeypatch.setattr("infra.package.dependency_archive", _large_archive)
    with pytest.raises(PackagingError, match=r"more than the 1\.0 it may have"):
        package("large", tmp_path)
    assert not (tmp_path / "large" / "deployment.zip").exists()


def _large_archive(_requirements: Path, cache: Path) -> Path:
    archive = cache / "large.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("large", bytes(1_000_000))
    return archive
