"""What is decided before a deployment: settings of a stage, a domain, and what a change would lose."""

from typing import Any

import pytest

from infra import domain, stages
from infra.changes import KEPT, QUEUE, SECRET, TABLE, Change, losses
from infra.deploy import _check_settings, _defaults
from infra.stack import DeploymentError

NAMES = sorted(path.stem for path in stages.FOLDER.glob("*.yaml"))
DOMAIN = {"DomainName": "notify.example.org", "CertificateArn": "arn:aws:acm:eu-central-1:1:certificate/1"}


def test_there_are_dev_and_prod() -> None:
    assert NAMES == ["dev", "prod"]
    assert stages.settings_of("another") == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_stages_settings_are_parameters_with_which_the_functions_start(
    template: dict[str, Any], name: str
) -> None:
    declared, settings = template["Parameters"], stages.settings_of(name)
    assert settings.keys() <= declared.keys()
    for parameter, value in settings.items():
        if allowed := declared[parameter].get("AllowedValues"):
            assert value in [str(each) for each in allowed], parameter
    _check_settings(template, {**_defaults(declared), **settings})


def test_prod_protects_its_tables_and_is_shown_first() -> None:
    assert stages.settings_of("prod")["DeletionProtection"] == "on"
    assert "prod" in stages.ASKS_FIRST


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"DomainName": "notify.example.org"}, "together or not at all"),
        ({"CertificateArn": DOMAIN["CertificateArn"]}, "together or not at all"),
        ({"HostedZoneId": "Z1"}, "needs a DomainName"),
    ],
)
def test_half_a_domain_is_refused(parameters: dict[str, str], reason: str) -> None:
    with pytest.raises(DeploymentError, match=reason):
        domain.check(parameters)


def test_a_whole_domain_gives_the_address() -> None:
    for parameters in ({}, DOMAIN, {**DOMAIN, "HostedZoneId": "Z1"}):
        domain.check(parameters)
    assert domain.public_url(DOMAIN) == "https://notify.example.org"
    assert domain.public_url({"DomainName": ""}) is None


@pytest.mark.parametrize("kind", [TABLE, SECRET, QUEUE])
@pytest.mark.parametrize(
    ("action", "replacement"), [("Remove", ""), ("Modify", "True"), ("Modify", "Conditional")]
)
def test_what_holds_data_is_lost_when_it_is_removed_or_replaced(
    kind: str, action: str, replacement: str
) -> None:
    assert losses([Change(action, "Thing", kind, replacement)])


@pytest.mark.parametrize(
    "change",
    [
        Change("Add", "Thing", TABLE),
        Change("Import", "Thing", TABLE),
        Change("Modify", "Thing", TABLE, "False"),
        Change("Remove", "Thing", "AWS::IAM::Role"),
        Change("Modify", "Thing", "AWS::Lambda::Function", "True"),
    ],
)
def test_nothing_else_is_a_loss(change: Change) -> None:
    assert losses([change]) == []


def test_a_change_is_a_line_that_says_what_happens() -> None:
    assert (
        str(Change("Modify", "Thing", TABLE, "True")) == "  ~ modify Thing (AWS::DynamoDB::Table), replaced"
    )
    assert str(Change("Add", "Thing", QUEUE)) == "  + add    Thing (AWS::SQS::Queue)"
    assert str(Change("Modify", "Thing", QUEUE, "Conditional")).endswith(", perhaps replaced")


def test_what_is_kept_is_what_the_template_retains(template: dict[str, Any]) -> None:
    retained = {
        body["Type"]
        for body in template["Resources"].values()
        if body.get("DeletionPolicy") == body.get("UpdateReplacePolicy") == "Retain"
    }
    assert retained == set(KEPT)
    for body in template["Resources"].values():
        assert ("DeletionPolicy" in body) == (body["Type"] in KEPT)
