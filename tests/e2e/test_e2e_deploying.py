"""A stack's life by its commands: shown before it is changed, rolled back, with a domain, destroyed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import boto3
import pytest
from botocore.client import BaseClient

from infra.adoption import read_kept
from infra.changes import QUEUE, SECRET, TABLE
from infra.deploy import deploy
from infra.destroy import Destruction
from infra.package import PROJECT, package
from infra.stack import NotDoneError
from infra.stages import settings_of
from infra.template_parts import dump_template, read_template, write_template
from localstack.capabilities import Capability
from localstack.choice import chosen_for_tests
from localstack.emulator import Emulator
from tests.support.policy_scan import actions

pytestmark = pytest.mark.e2e

STACK = "vestnik-prod"
CERTIFICATE = "arn:aws:acm:eu-central-1:000000000000:certificate/0e5c1b2a"


@dataclass(frozen=True)
class Account:
    """An emulated account, and the operator's commands in it."""

    emulator: Emulator

    def run(self, command: str, *words: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        """One command on the stage prod, with what is typed at its questions."""
        return subprocess.run(
            [sys.executable, "-m", f"infra.{command}", "--stage", "prod", *words],
            cwd=PROJECT, env={"PATH": os.environ["PATH"], **self.emulator.environment},
            input=answers, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def done(self, command: str, *words: str, answers: str = "") -> str:
        """What a command says that has done its work."""
        ran = self.run(command, *words, answers=answers)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def client(self, service: Any) -> Any:
        session = boto3.Session(
            region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        return session.client(service, endpoint_url=self.emulator.endpoint_url)

    def stack(self) -> dict[str, Any] | None:
        """The stack as CloudFormation has it."""
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        found = [each for each in stacks if each["StackStatus"] != "DELETE_COMPLETE"]
        return found[0] if found else None

    def parameters(self) -> dict[str, str]:
        stack = self.stack()
        assert stack is not None
        return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}

    def names(self, kind: str) -> set[str]:
        """The names of what the stack has of a type."""
        found = self.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        return {each["PhysicalResourceId"] for each in found if each["ResourceType"] == kind}

    def status(self, path: str) -> int:
        """What a path of the API is answered with, at the address that links in mails have."""
        try:
            with urlopen(f"{self.parameters()['PublicUrl']}/api/{path}", timeout=30) as answer:
                return int(answer.status)
        except HTTPError as refused:
            return refused.code

    def tables(self) -> set[str]:
        return set(self.client("dynamodb").list_tables(Limit=100)["TableNames"])

    def secret_values(self) -> set[str]:
        """What is in the stack's secrets."""
        client = self.client("secretsmanager")
        return {client.get_secret_value(SecretId=each)["SecretString"] for each in self.names(SECRET)}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account with nothing in it, for the tests below one after the other."""
    package("prod")
    with chosen_for_tests()(log_path=tmp_path_factory.mktemp("deploying") / "emulator.log") as emulator:
        yield Account(emulator)


@pytest.fixture
def stack(account: Account) -> Account:
    """The same, with the stack as its stage has it."""
    account.done("deploy", "--yes")
    return account


@pytest.fixture
def changed(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A copy of the package and its template, which is written when the test asks for it."""
    built = package("prod")
    shutil.copyfile(built.code, tmp_path / "deployment.zip")
    return tmp_path, read_template(built.template)


def test_a_first_dry_run_shows_everything_and_leaves_nothing(account: Account) -> None:
    said = account.done("deploy", "--dry-run")
    assert "  + add    ContactsTable (AWS::DynamoDB::Table)\n" in said
    assert said.endswith("nothing is changed\n")
    assert account.stack() is None
    assert account.tables() == set()


def test_a_stage_has_its_own_settings_and_an_option_goes_before_them(account: Account) -> None:
    account.done("deploy", "--yes", "--parameter", "LogLevel=DEBUG", "--parameter", "LogRetentionDays=14")
    assert account.parameters()["LogRetentionDays"] == "14"
    account.done("deploy", "--yes")
    assert account.parameters()["LogRetentionDays"] == settings_of("prod")["LogRetentionDays"] == "90"
    assert account.parameters()["LogLevel"] == "DEBUG"


@pytest.mark.needs(Capability.PROTECTS_TABLES)
def test_tables_of_prod_are_protected(stack: Account) -> None:
    client = stack.client("dynamodb")
    for name in stack.tables():
        assert client.describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"] is True


def test_what_is_not_confirmed_is_not_done(stack: Account) -> None:
    before = stack.parameters()
    asked = ("--confirm", "--parameter", "ThrottleStepSeconds=7")
    for answers in ("no\n", ""):
        refused = stack.run("deploy", *asked, answers=answers)
        assert refused.returncode == 1
        assert "  ~ modify DeliverRegular (AWS::Lambda::Function)\n" in refused.stdout
    assert stack.parameters() == before
    stack.done("deploy", *asked, answers="yes\n")
    assert stack.parameters() == {**before, "ThrottleStepSeconds": "7"}


def test_a_route_goes_and_comes_and_the_api_stays(
    stack: Account, changed: tuple[Path, dict[str, Any]]
) -> None:
    folder, template = changed
    del template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]["/api/schema"]
    write_template(template, folder / "template.yaml")
    assert (stack.status("schema/"), stack.status("v1/health/")) == (200, 200)
    stack.done("deploy", "--yes", "--package-dir", str(folder))
    assert stack.status("schema/") in (403, 404)  # AWS's own word for it is 403, which LocalStack keeps to
    assert stack.status("v1/health/") == 200
    stack.done("deploy", "--yes")
    assert (stack.status("schema/"), stack.status("v1/health/")) == (200, 200)


@pytest.mark.needs(Capability.FORETELLS)
def test_a_table_is_neither_replaced_nor_removed_unless_that_is_said(
    stack: Account, changed: tuple[Path, dict[str, Any]]
) -> None:
    folder, template = changed
    table = template["Resources"]["RequestsTable"]["Properties"]
    table["KeySchema"][0]["AttributeName"] = table["AttributeDefinitions"][0]["AttributeName"] = "other"
    text = dump_template(template).replace("AttemptsTable", "TriesTable")
    (folder / "template.yaml").write_text(text, "utf-8")
    before = stack.tables()
    refused = stack.run("deploy", "--yes", "--package-dir", str(folder))
    assert refused.returncode == 1
    assert "  - remove AttemptsTable (AWS::DynamoDB::Table)\n" in refused.stdout
    assert re.search(r"  ~ modify RequestsTable \(.*\), (perhaps )?replaced\n", refused.stdout)
    said = refused.stderr.partition("--allow-data-loss permits it):\n")[2].splitlines()
    assert sorted(said) == ["  AttemptsTable with its rows", "  RequestsTable with its rows"]
    assert stack.tables() == before


@pytest.mark.needs(Capability.ROLLS_BACK)
def test_what_fails_is_rolled_back_and_the_reason_told(
    stack: Account, changed: tuple[Path, dict[str, Any]]
) -> None:
    folder, template = changed
    template["Resources"]["Broken"] = {
        "Type": "AWS::SQS::Queue",
        "Properties": {"VisibilityTimeout": 99_999_999},
        "DependsOn": "Added",
    }
    template["Resources"]["Added"] = {"Type": "AWS::SQS::Queue"}
    write_template(template, folder / "template.yaml")
    before, queues = stack.parameters(), stack.names(QUEUE)
    failed = stack.run(
        "deploy", "--yes", "--package-dir", str(folder), "--parameter", "ThrottleStepSeconds=9"
    )
    assert failed.returncode == 1
    assert f"Not deployed: {STACK} is UPDATE_ROLLBACK_COMPLETE, because of:\n  Broken (" in failed.stderr
    assert failed.stderr.endswith("Everything is as it was before.\n")
    assert (stack.parameters(), stack.names(QUEUE)) == (before, queues)
    assert len(stack.client("sqs").list_queues().get("QueueUrls", [])) == len(queues)


@pytest.mark.needs(Capability.DOMAINS)
def test_a_domain_comes_and_goes_and_the_public_url_with_it(stack: Account) -> None:
    own = stack.parameters()["PublicUrl"]
    refused = stack.run("deploy", "--yes", "--parameter", "DomainName=notify.example.org")
    assert "DomainName and CertificateArn are given together" in refused.stderr
    zones = stack.client("route53")
    zone = zones.create_hosted_zone(Name="example.org", CallerReference="1")["HostedZone"]["Id"]
    domain = {
        "DomainName": "notify.example.org", "CertificateArn": CERTIFICATE,
        "HostedZoneId": zone.rpartition("/")[2],
    }  # fmt: skip
    given = [word for name, value in domain.items() for word in ("--parameter", f"{name}={value}")]
    said = stack.done("deploy", "--yes", *given)
    assert stack.parameters()["PublicUrl"] == "https://notify.example.org"
    (target,) = [line.partition(" = ")[2] for line in said.splitlines() if line.startswith("DomainTarget")]
    records = zones.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    (record,) = [each for each in records if each["Type"] == "A"]
    assert record["AliasTarget"]["DNSName"].rstrip(".") == target
    (mapping,) = stack.client("apigateway").get_base_path_mappings(domainName="notify.example.org")["items"]
    assert mapping["stage"] == "api"
    nothing = [word for name in domain for word in ("--parameter", f"{name}=")]
    stack.done("deploy", "--yes", *nothing)
    assert stack.parameters()["PublicUrl"] == own
    assert stack.client("apigateway").get_domain_names()["items"] == []


def test_what_is_destroyed_leaves_its_data(stack: Account, tmp_path: Path) -> None:
    tables, secrets = stack.names(TABLE), stack.names(SECRET)
    for answers in ("dev\n", ""):
        assert stack.run("destroy", answers=answers).returncode == 1
        assert stack.stack() is not None
    said = stack.done("destroy", "--kept", str(tmp_path / "kept.json"), answers="prod\n")
    assert stack.stack() is None
    assert stack.tables() >= tables
    assert {line.partition(" = ")[2] for line in said.splitlines() if " = " in line} == tables | secrets
    assert stack.client("sqs").list_queues().get("QueueUrls", []) == []
    assert stack.client("lambda").list_functions()["Functions"] == []


@pytest.mark.needs(Capability.ADOPTS)
def test_a_new_stack_takes_over_what_is_left_of_another(stack: Account, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept.json")
    tables, values = stack.names(TABLE), stack.secret_values()
    stack.done("destroy", "--kept", kept, answers="prod\n")
    shown = stack.done("deploy", "--dry-run", "--adopt", kept)
    assert shown.count("  < import ") == len(tables)
    assert stack.stack() is None
    said = stack.done("deploy", "--yes", "--adopt", kept)
    assert said.count("  adopted ") == len(tables)
    assert (stack.names(TABLE), stack.secret_values()) == (tables, values)
    assert "already is as asked" in stack.done("deploy", "--yes", "--adopt", kept)
    other = tmp_path / "other.json"
    other.write_text(Path(kept).read_text().replace("-AdminsTable-", "-OtherTable-"))
    refused = stack.run("deploy", "--yes", "--adopt", str(other))
    assert "only a new stack adopts what is left of another" in refused.stderr


def test_data_is_destroyed_after_a_second_question_only(stack: Account) -> None:
    tables, secrets = stack.names(TABLE), stack.names(SECRET)
    assert stack.run("destroy", "--data", answers="prod\nprod\n").returncode == 1
    assert stack.stack() is not None
    stack.done("destroy", "--data", answers=f"prod\n{STACK}\n")
    assert stack.tables() & tables == set()
    live = stack.client("secretsmanager").list_secrets()["SecretList"]
    assert secrets & {each["ARN"] for each in live} == set()
    assert "there is no stack" in stack.run("destroy", "--yes").stderr


IAM_ACTIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "sts:GetCallerIdentity": None,  # everybody may
}
"""Calls whose permission has another name."""


@pytest.mark.needs(Capability.ADOPTS)
def test_who_deploys_calls_nothing_that_their_policy_does_not_allow(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in account.emulator.environment.items():
        monkeypatch.setenv(name, value)
    called: set[str] = set()
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def record(client: Any, operation: str, params: Any) -> Any:
        called.add(f"{client.meta.service_model.service_name}:{operation}")
        return original(client, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    endpoint, kept = account.emulator.endpoint_url, tmp_path / "kept.json"
    of_prod: dict[str, Any] = {
        "endpoint_url": endpoint, "stack_name": "vestnik-other", "tell": lambda line: None,
    }  # fmt: skip
    with pytest.raises(NotDoneError):
        deploy("prod", **of_prod, confirm=lambda: False)
    deploy("prod", **of_prod)
    Destruction("vestnik-other", endpoint, print).run(lambda question, expected: True, kept)
    deploy("prod", **of_prod, adopted=read_kept(kept))
    Destruction("vestnik-other", endpoint, print).run(lambda question, expected: True, kept, with_data=True)
    needed = {IAM_ACTIONS.get(each, each) for each in called} - {None}
    assert needed - actions("deployer") == set()
    assert {"cloudformation:ExecuteChangeSet", "dynamodb:DeleteTable", "s3:PutBucketPolicy"} <= needed
