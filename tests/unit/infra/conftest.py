"""The package, built once for all tests here, and what is in it."""

import copy
import zipfile
from pathlib import Path
from typing import Any

import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from infra.package import Package, package
from infra.template_parts import read_template

Resources = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def built() -> Package:
    return package()


@pytest.fixture(scope="session")
def template(built: Package) -> dict[str, Any]:
    return read_template(built.template)


@pytest.fixture(scope="session")
def transformed(template: dict[str, Any]) -> dict[str, Any]:
    """What CloudFormation makes of it: AWS's own transform of serverless templates, as it is published."""
    given = copy.deepcopy(template)
    for resource in given["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": "packages", "Key": "package.zip"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        made: dict[str, Any] = Translator({}, Parser()).translate(given, {})
    return made


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> Resources:
    found: Resources = template["Resources"]
    return found


@pytest.fixture(scope="session")
def functions(resources: Resources) -> Resources:
    """The functions' properties by logical id; the same of the others below."""
    return _properties("AWS::Serverless::Function", resources)


@pytest.fixture(scope="session")
def queues(resources: Resources) -> Resources:
    return _properties("AWS::SQS::Queue", resources)


@pytest.fixture(scope="session")
def tables(resources: Resources) -> Resources:
    return _properties("AWS::DynamoDB::Table", resources)


@pytest.fixture(scope="session")
def roles(resources: Resources) -> Resources:
    return _properties("AWS::IAM::Role", resources)


@pytest.fixture(scope="session")
def log_groups(resources: Resources) -> Resources:
    return _properties("AWS::Logs::LogGroup", resources)


@pytest.fixture(scope="session")
def secrets(resources: Resources) -> Resources:
    return _properties("AWS::SecretsManager::Secret", resources)


def _properties(kind: str, resources: Resources) -> Resources:
    return {name: body["Properties"] for name, body in resources.items() if body["Type"] == kind}


@pytest.fixture(scope="session")
def unpacked(built: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip as Lambda unpacks it."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(built.code) as packed:
        packed.extractall(folder)
    return folder
