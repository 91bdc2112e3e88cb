"""Policies: none allows more than it has to, and who deploys by docs/deploy.md has what they need."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.policy_scan import POLICIES, actions, findings, policy

NAMES = sorted(path.stem for path in POLICIES.glob("*.json"))
MANAGED_POLICY_CHARACTERS = 6144

EXCEPTIONS = {
    'PrivilegeEscalationRule: deployer has blacklisted IAM actions: [\'iam:PutRolePolicy\', '
    "'iam:UpdateAssumeRolePolicy']": "who deploys gives each function its role: of the name vestnik-* only",
    'WildcardResourceRule: "deployer" is using a wildcard resource for "secretsmanager:GetRandomPassword"':
        "it makes a key and is about no resource: AWS takes nothing else there",
}  # fmt: skip
"""What the scanner finds and is meant to be so, and why."""

TAGS = {"TagResource", "UntagResource"}
NEEDS: dict[str, tuple[str, set[str]]] = {
    "AWS::ApiGateway::BasePathMapping": ("apigateway", {"GET", "POST", "PATCH", "DELETE"}),
    "AWS::ApiGateway::DomainName": (
        "apigateway",
        {"GET", "POST", "PATCH", "DELETE", "AddCertificateToDomain", "RemoveCertificateFromDomain"},
    ),
    "AWS::Route53::RecordSet": (
        "route53", {"ChangeResourceRecordSets", "GetChange", "GetHostedZone", "ListResourceRecordSets"},
    ),
    "AWS::ApiGateway::RestApi": ("apigateway", {"GET", "POST", "PUT", "PATCH", "DELETE"}),
    "AWS::ApiGateway::Deployment": ("apigateway", {"GET", "POST", "DELETE"}),
    "AWS::ApiGateway::Stage": ("apigateway", {"GET", "POST", "PATCH", "DELETE"}),
    "AWS::DynamoDB::Table": (
        "dynamodb",
        {"CreateTable", "DeleteTable", "DescribeTable", "UpdateTable", "DescribeContinuousBackups",
         "UpdateContinuousBackups", "DescribeContributorInsights", "DescribeKinesisStreamingDestination",
         "GetResourcePolicy", "DescribeTimeToLive", "UpdateTimeToLive", "ListTagsOfResource"} | TAGS,
    ),
    "AWS::CloudWatch::Alarm": (
        "cloudwatch", {"DeleteAlarms", "DescribeAlarms", "PutMetricAlarm", "ListTagsForResource"} | TAGS,
    ),
    "AWS::CloudWatch::Dashboard": ("cloudwatch", {"DeleteDashboards", "GetDashboard", "PutDashboard"}),
    "AWS::SNS::Topic": (
        "sns",
        {"CreateTopic", "DeleteTopic", "GetTopicAttributes", "SetTopicAttributes", "ListSubscriptionsByTopic",
         "ListTagsForResource"} | TAGS,
    ),
    "AWS::SNS::Subscription": ("sns", {"Subscribe", "Unsubscribe", "GetSubscriptionAttributes"}),
    "AWS::SNS::TopicPolicy": ("sns", {"SetTopicAttributes"}),
    "AWS::SQS::QueuePolicy": ("sqs", {"SetQueueAttributes"}),
    "AWS::SES::ConfigurationSet": (
        "ses",
        {"CreateConfigurationSet", "DeleteConfigurationSet", "DescribeConfigurationSet",
         "GetConfigurationSet", "PutConfigurationSetSuppressionOptions", "ListTagsForResource"} | TAGS,
    ),
    "AWS::SES::ConfigurationSetEventDestination": (
        "ses",
        {"CreateConfigurationSetEventDestination", "UpdateConfigurationSetEventDestination",
         "DeleteConfigurationSetEventDestination", "GetConfigurationSetEventDestinations"},
    ),
    "AWS::IAM::Policy": ("iam", {"PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy"}),
    "AWS::IAM::Role": (
        "iam",
        {"CreateRole", "DeleteRole", "GetRole", "UpdateRole", "UpdateAssumeRolePolicy", "PutRolePolicy",
         "GetRolePolicy", "DeleteRolePolicy", "ListRolePolicies", "ListAttachedRolePolicies", "PassRole",
         "TagRole", "UntagRole"},
    ),
    "AWS::Lambda::Permission": ("lambda", {"AddPermission", "RemovePermission", "GetPolicy"}),
    "AWS::Logs::LogGroup": (
        "logs",
        {"CreateLogGroup", "DeleteLogGroup", "DescribeIndexPolicies", "DescribeLogGroups",
         "GetDataProtectionPolicy", "PutRetentionPolicy", "ListTagsForResource"}
        | TAGS,
    ),
    "AWS::SQS::Queue": (
        "sqs",
        {"CreateQueue", "DeleteQueue", "GetQueueAttributes", "SetQueueAttributes", "GetQueueUrl",
         "ListQueueTags", "TagQueue", "UntagQueue"},
    ),
    "AWS::SecretsManager::Secret": (
        "secretsmanager",
        {"CreateSecret", "DeleteSecret", "DescribeSecret", "UpdateSecret", "GetRandomPassword"} | TAGS,
    ),
    "AWS::Lambda::Function": (
        "lambda",
        {"CreateFunction", "DeleteFunction", "GetFunction", "GetFunctionConfiguration", "UpdateFunctionCode",
         "UpdateFunctionConfiguration", "PutFunctionConcurrency", "DeleteFunctionConcurrency", "ListTags",
         "GetFunctionCodeSigningConfig", "GetFunctionRecursionConfig", "GetRuntimeManagementConfig"} | TAGS,
    ),
    "AWS::Lambda::EventSourceMapping": (
        "lambda",
        {"CreateEventSourceMapping", "DeleteEventSourceMapping", "GetEventSourceMapping",
         "UpdateEventSourceMapping"},
    ),
    "AWS::Lambda::EventInvokeConfig": (
        "lambda",
        {"PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig",
         "GetFunctionEventInvokeConfig"},
    ),
    "AWS::Events::Rule": (
        "events",
        {"PutRule", "DeleteRule", "DescribeRule", "ListTagsForResource", "PutTargets", "RemoveTargets",
         "ListTargetsByRule"},
    ),
}  # fmt: skip
"""What CloudFormation calls, with the rights of who deploys, to make, change and delete a type."""


def test_the_scanner_finds_nothing_in_what_is_deployed(transformed: dict[str, Any]) -> None:
    assert findings(transformed) == []


@pytest.mark.parametrize("opened", ["Action", "Resource", "Principal"])
def test_the_scanner_finds_a_role_that_is_open(transformed: dict[str, Any], opened: str) -> None:
    changed = copy.deepcopy(transformed)
    role = changed["Resources"]["ApiRole"]["Properties"]
    if opened == "Principal":
        role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = {"AWS": "*"}
    else:
        statement = role["Policies"][0]["PolicyDocument"]["Statement"][2]
        statement[opened] = "dynamodb:*" if opened == "Action" else "*"
    assert any("ApiRole" in each for each in findings(changed))


def test_policies_for_people_allow_too_much_where_it_is_meant_so_only() -> None:
    found = [each for name in NAMES for each in findings(as_template(name))]
    assert sorted(found) == sorted(EXCEPTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_policies_for_people_are_valid(name: str, tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    path.write_text(json.dumps(as_template(name)))
    linter = Path(sys.executable).with_name("cfn-lint")
    linted = subprocess.run([linter, path], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert len(json.dumps(policy(name), separators=(",", ":"))) <= MANAGED_POLICY_CHARACTERS


def as_template(name: str) -> dict[str, Any]:
    """A policy for people as a resource, so that it can be checked like the others."""
    resource = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy(name)}}
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {name: resource}}


def test_who_deploys_may_make_each_type_of_resource(transformed: dict[str, Any]) -> None:
    types = {body["Type"] for body in transformed["Resources"].values()}
    assert types == NEEDS.keys(), "say in NEEDS what a new type needs"
    allowed = actions("deployer") | actions("domain")
    needed = {f"{service}:{each}" for service, names in NEEDS.values() for each in names}
    assert needed - allowed == set()
