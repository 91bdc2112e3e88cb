"""Deployments: against moto where it answers like AWS, else against scripted answers."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from moto import mock_aws

from infra import stages
from infra.artifacts import ArtifactBucket, tls_only
from infra.deploy import _check_settings, _defaults, deploy
from infra.stack import DeploymentError, NotDoneError, Stack
from infra.template_parts import join_parts

TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "Stage": {"Type": "String", "Default": "dev"},
        "PublicUrl": {"Type": "String", "Default": ""},
        "Seconds": {"Type": "Number", "Default": 30},
    },
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}}}
    },
}
EMULATOR = "http://127.0.0.1:1"
STACK_ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/vestnik-dev/1"
CHANGE_SET = "arn:aws:cloudformation:eu-central-1:123456789012:changeSet/deploy/1"


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setattr(stages, "FOLDER", tmp_path_factory.mktemp("stages"))
    # moto takes no note of a policy's condition: it would refuse everything.
    monkeypatch.setattr(ArtifactBucket, "_refuse_plain_http", lambda bucket: None)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.fixture
def package_dir(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").write_text(json.dumps(TEMPLATE))
    (tmp_path / "deployment.zip").write_bytes(b"zip")
    return tmp_path


@mock_aws
def test_the_bucket_is_private_encrypted_and_made_once() -> None:
    for _ in range(2):
        bucket = ArtifactBucket(None)
        bucket.ensure()
    client = boto3.client("s3")
    assert [each["Name"] for each in client.list_buckets()["Buckets"]] == [bucket.name]
    block = client.get_public_access_block(Bucket=bucket.name)["PublicAccessBlockConfiguration"]
    assert all(block.values())
    assert client.get_bucket_encryption(Bucket=bucket.name)["ServerSideEncryptionConfiguration"]["Rules"]


def test_the_bucket_refuses_what_comes_without_tls_and_nothing_else() -> None:
    (statement,) = tls_only("arn:aws:s3:::bucket")["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"]


@mock_aws
def test_an_object_is_named_by_its_content() -> None:
    bucket = ArtifactBucket(None)
    bucket.ensure()
    assert bucket.put(b"one", ".zip") == bucket.put(b"one", ".zip")
    assert bucket.put(b"two", ".zip") != bucket.put(b"one", ".zip")
    assert len(boto3.client("s3").list_objects_v2(Bucket=bucket.name)["Contents"]) == 2


@mock_aws
def test_a_parameter_that_is_not_given_again_keeps_its_value() -> None:
    bucket = ArtifactBucket(None)
    bucket.ensure()
    url = bucket.url(bucket.put(json.dumps(TEMPLATE).encode(), ".yaml"))
    stack = Stack(boto3.client("cloudformation"), "vestnik-dev", _say_nothing)
    stack.apply(url, TEMPLATE["Parameters"], {"Seconds": "45"})
    stack.apply(url, TEMPLATE["Parameters"], {"Stage": "other"})
    assert stack.parameters() == {"Stage": "other", "PublicUrl": "", "Seconds": "45"}


@mock_aws
def test_an_option_goes_before_the_stages_file_and_that_before_what_the_stack_has(
    package_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stages.FOLDER / "dev.yaml").write_text("Seconds: 20")

    def seconds_after(**given: str) -> str:
        deploy(parameters={"PublicUrl": "", **given}, package_dir=package_dir, tell=_say_nothing)
        return Stack(boto3.client("cloudformation"), "vestnik-dev", _say_nothing).parameters()["Seconds"]

    assert seconds_after() == "20"
    assert seconds_after(Seconds="45") == "45"
    assert seconds_after() == "20"
    (stages.FOLDER / "dev.yaml").write_text("")
    assert seconds_after(Seconds="50") == seconds_after() == "50"


@mock_aws
def test_what_would_lose_data_is_refused_unless_that_is_said(package_dir: Path) -> None:
    given = {"PublicUrl": ""}
    deploy(parameters=given, package_dir=package_dir, tell=_say_nothing)
    template = {**TEMPLATE, "Resources": {"Other": TEMPLATE["Resources"]["Queue"]}}
    (package_dir / "template.yaml").write_text(json.dumps(template))
    stack, told = Stack(boto3.client("cloudformation"), "vestnik-dev", _say_nothing), list[str]()
    with pytest.raises(DeploymentError, match="Queue with its messages"):
        deploy(parameters=given, package_dir=package_dir, tell=told.append)
    assert "  - remove Queue (AWS::SQS::Queue)" in told
    assert stack.resources("AWS::SQS::Queue").keys() == {"Queue"}
    deploy(parameters=given, package_dir=package_dir, tell=_say_nothing, allow_data_loss=True)
    assert stack.resources("AWS::SQS::Queue").keys() == {"Other"}


@mock_aws
def test_what_is_not_wanted_leaves_nothing(package_dir: Path) -> None:
    with pytest.raises(NotDoneError):
        deploy(
            parameters={"PublicUrl": ""}, package_dir=package_dir, tell=_say_nothing, confirm=lambda: False
        )
    client = boto3.client("cloudformation")
    assert client.describe_stacks()["Stacks"] == []
    assert boto3.client("sqs").list_queues().get("QueueUrls", []) == []


@mock_aws
def test_other_parameters_leave_the_template_and_the_rest_as_they_are() -> None:
    bucket = ArtifactBucket(None)
    bucket.ensure()
    url = bucket.url(bucket.put(json.dumps(TEMPLATE).encode(), ".yaml"))
    stack = Stack(boto3.client("cloudformation"), "vestnik-dev", _say_nothing)
    stack.apply(url, TEMPLATE["Parameters"], {"Seconds": "45", "Stage": "other"})
    assert stack.change_parameters({"Seconds": "50"}) is True
    assert stack.parameters() == {"Stage": "other", "PublicUrl": "", "Seconds": "50"}
    (queue,) = stack.resources("AWS::SQS::Queue").values()
    told = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])
    assert told["Attributes"] == {"VisibilityTimeout": "50"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"RegularMinNumberOfConsumers": "30", "RegularMaxNumberOfConsumers": "20"},
            "RegularMin.* is 30, more",
        ),
        ({"ExpressNumberOfConsumers": "1"}, "Lambda takes 2 to 1000"),
        ({"ExpressReservedConcurrency": "5"}, "less than ExpressNumberOfConsumers, which is 10"),
    ],
)
@mock_aws
def test_consumers_that_do_not_agree_are_refused_before_anything_is_changed(
    package_dir: Path, given: dict[str, str], reason: str
) -> None:
    _add_consumers(package_dir)
    with pytest.raises(DeploymentError, match=reason):
        deploy(parameters={**given, "PublicUrl": ""}, package_dir=package_dir, tell=_say_nothing)
    assert boto3.client("cloudformation").list_stacks()["StackSummaries"] == []
    assert boto3.client("s3").list_buckets()["Buckets"] == []


@mock_aws
def test_a_deployment_tells_of_each_lanes_consumers(package_dir: Path) -> None:
    _add_consumers(package_dir)
    told: list[str] = []
    given = {"PublicUrl": "", "RegularNumberOfConsumers": "30"}
    deploy(parameters=given, package_dir=package_dir, tell=told.append)
    assert told[:2] == [
        "express: no consumers configured yet; 10 wanted for each queue, between 2 and 20: 10 may start",
        "regular: no consumers configured yet; 30 wanted for each queue, between 2 and 100: 30 may start",
    ]
    assert told[2].startswith("the account's concurrency is not told: ")  # moto does not know it


def _add_consumers(package_dir: Path) -> None:
    declared = join_parts()["Parameters"]
    names = [name for name in declared if "Consumers" in name or "Reserved" in name]
    parameters = {**TEMPLATE["Parameters"], **{name: declared[name] for name in names}}
    (package_dir / "template.yaml").write_text(json.dumps({**TEMPLATE, "Parameters": parameters}))


@pytest.mark.parametrize(
    ("endpoint_url", "known", "given_next"),
    [
        (None, "", "https://abc.example.org/api"),
        (None, "https://vestnik.example.org", None),
        (EMULATOR, "", f"{EMULATOR}/_aws/execute-api/abc/api"),
        (EMULATOR, f"{EMULATOR}/_aws/execute-api/abc/api", None),
        (EMULATOR, f"{EMULATOR}/_aws/execute-api/old/api", f"{EMULATOR}/_aws/execute-api/abc/api"),
        (EMULATOR, "http://front.door", None),
    ],
)
def test_the_api_is_told_its_own_address_unless_an_operator_gave_one(
    package_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    endpoint_url: str | None,
    known: str,
    given_next: str | None,
) -> None:
    applied = _deploy_to_a_stack_that_knows(known, endpoint_url, {}, package_dir, monkeypatch)
    later = [{"Stage": "dev", "PublicUrl": given_next}] if given_next else []
    assert applied == [{"Stage": "dev"}, *later]


def test_a_given_address_is_not_corrected(package_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"PublicUrl": ""}
    applied = _deploy_to_a_stack_that_knows("", None, given, package_dir, monkeypatch)
    assert applied == [{"Stage": "dev", "PublicUrl": ""}]


def _deploy_to_a_stack_that_knows(
    known: str,
    endpoint_url: str | None,
    given: dict[str, str],
    package_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[dict[str, str]]:
    applied: list[dict[str, str]] = []

    class StandIn:
        name = "vestnik-dev"

        def __init__(self, *_: object) -> None: ...

        def apply(self, _url: str, _declared: object, given: dict[str, str], *_: object) -> bool:
            applied.append(given)
            return True

        def outputs(self) -> dict[str, str]:
            return {"EndpointURL": "https://abc.example.org/api/", "RestAPIId": "abc"}

        def parameters(self) -> dict[str, str]:
            return {"PublicUrl": known}

    monkeypatch.setattr("infra.deploy.Stack", StandIn)
    monkeypatch.setattr("infra.deploy._upload", lambda *_: "http://somewhere/template.yaml")
    deploy(endpoint_url=endpoint_url, parameters=given, package_dir=package_dir, tell=_say_nothing)
    return applied


def test_an_unknown_parameter_is_refused_before_anything_is_sent(package_dir: Path) -> None:
    with pytest.raises(DeploymentError, match=r"no parameter Second$"):
        deploy(package_dir=package_dir, parameters={"Second": "1"}, tell=_say_nothing)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"python -m infra\.package"):
        deploy(package_dir=tmp_path / "nothing", tell=_say_nothing)


def test_nothing_to_change_is_success(scripted: "Script") -> None:
    scripted.stack("UPDATE_COMPLETE", times=2)
    scripted.change_set("FAILED", "The submitted information didn't contain changes.")
    scripted.stubber.add_response("delete_change_set", {})
    scripted.stack("UPDATE_COMPLETE")
    assert scripted.apply() is False


def test_a_parameter_that_only_an_output_uses_is_changed_without_a_change_set(scripted: "Script") -> None:
    scripted.stack("UPDATE_COMPLETE", times=2)
    scripted.change_set("FAILED", "The submitted information didn't contain changes.")
    scripted.stubber.add_response("delete_change_set", {})
    scripted.stack("UPDATE_COMPLETE", stage="other")
    scripted.events()
    scripted.stubber.add_response(
        "update_stack",
        {},
        {
            "StackName": "vestnik-dev",
            "TemplateURL": "http://scripted/template.yaml",
            "Parameters": [{"ParameterKey": "Stage", "ParameterValue": "dev"}],
            "Capabilities": ANY,
        },
    )
    scripted.events(("vestnik-dev", "UPDATE_COMPLETE", ""))
    assert scripted.apply() is True


@pytest.mark.parametrize("status", [None, "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"])
def test_what_is_not_there_has_no_parameters_to_change(scripted: "Script", status: str | None) -> None:
    if status:
        scripted.stack(status)
    else:
        scripted.no_stack()
    with pytest.raises(DeploymentError, match="no stack vestnik-dev: deploy it first"):
        scripted.change(Stage="dev")


def test_an_unknown_parameter_of_a_stack_is_refused(scripted: "Script") -> None:
    scripted.stack("UPDATE_COMPLETE", times=3)
    with pytest.raises(DeploymentError, match=r"vestnik-dev has no parameter Second$"):
        scripted.change(Second="1")


def test_a_refused_change_says_why(scripted: "Script") -> None:
    scripted.stack("UPDATE_COMPLETE", times=2)
    scripted.change_set("FAILED", "Circular dependency between resources")
    with pytest.raises(DeploymentError, match="Circular dependency"):
        scripted.apply()


def test_a_deployment_under_way_is_not_disturbed(scripted: "Script") -> None:
    scripted.stack("UPDATE_IN_PROGRESS")
    with pytest.raises(DeploymentError, match="another deployment is under way"):
        scripted.apply()


def test_a_failure_names_the_resources_that_failed_and_not_those_it_took_along(scripted: "Script") -> None:
    scripted.stack("UPDATE_COMPLETE", times=2)
    scripted.change_set("CREATE_COMPLETE")
    scripted.change_set_content("Good", "Bad", "Bystander")
    scripted.events()
    scripted.stubber.add_response("execute_change_set", {})
    scripted.events(
        ("Unchanged", "UPDATE_COMPLETE", ""),
        ("Good", "UPDATE_COMPLETE", ""),
        ("Bad", "CREATE_FAILED", "no such bucket"),
        ("Bystander", "UPDATE_FAILED", "Resource update cancelled"),
    )
    scripted.events(("vestnik-dev", "UPDATE_ROLLBACK_COMPLETE", ""))
    with pytest.raises(DeploymentError) as failed:
        scripted.apply()
    assert str(failed.value) == (
        "vestnik-dev is UPDATE_ROLLBACK_COMPLETE, because of:\n  Bad (AWS::SQS::Queue): no such bucket\n"
        "Everything is as it was before."
    )
    assert scripted.told == ["  updated Good (AWS::SQS::Queue)", "  FAILED Bad (AWS::SQS::Queue)"]


def _say_nothing(line: str) -> None:
    pass


class Script:
    """A CloudFormation that gives the answers it was told to give, in their order."""

    def __init__(self) -> None:
        client = boto3.client("cloudformation", region_name="eu-central-1", endpoint_url="http://scripted")
        self.stubber = Stubber(client)
        self.told: list[str] = []
        self._stack = Stack(client, "vestnik-dev", self.told.append)
        self._events: list[dict[str, Any]] = []

    def apply(self) -> bool:
        return self._stack.apply("http://scripted/template.yaml", ["Stage"], {"Stage": "dev"})

    def change(self, **given: str) -> bool:
        return self._stack.change_parameters(given)

    def no_stack(self) -> None:
        self.stubber.add_client_error("describe_stacks", "ValidationError", "Stack does not exist")

    def stack(self, status: str, times: int = 1, stage: str = "dev") -> None:
        stack = {
            "StackName": "vestnik-dev",
            "StackStatus": status,
            "CreationTime": datetime.now(UTC),
            "Parameters": [{"ParameterKey": "Stage", "ParameterValue": stage}],
        }
        for _ in range(times):
            self.stubber.add_response("describe_stacks", {"Stacks": [stack]})

    def change_set(self, status: str, reason: str = "") -> None:
        self.stubber.add_response("create_change_set", {"Id": CHANGE_SET})
        self.stubber.add_response("describe_change_set", {"Status": status, "StatusReason": reason})

    def change_set_content(self, *resources: str) -> None:
        changes = [
            {
                "Type": "Resource",
                "ResourceChange": {
                    "Action": "Modify", "LogicalResourceId": name, "ResourceType": "AWS::SQS::Queue",
                },
            }
            for name in resources
        ]  # fmt: skip
        self.stubber.add_response("describe_change_set", {"Changes": changes})

    def events(self, *new: tuple[str, str, str]) -> None:
        """The events so far and these, newest first, as CloudFormation gives them."""
        for name, status, reason in new:
            is_stack = name == "vestnik-dev"
            self._events.insert(
                0,
                {
                    "EventId": f"{len(self._events)}",
                    "StackId": STACK_ID,
                    "StackName": "vestnik-dev",
                    "LogicalResourceId": name,
                    "PhysicalResourceId": STACK_ID if is_stack else name.lower(),
                    "ResourceType": "AWS::CloudFormation::Stack" if is_stack else "AWS::SQS::Queue",
                    "ResourceStatus": status,
                    "ResourceStatusReason": reason,
                    "Timestamp": datetime.now(UTC),
                },
            )
        self.stubber.add_response(
            "describe_stack_events", {"StackEvents": list(self._events)}, {"StackName": ANY}
        )


@pytest.fixture
def scripted() -> Iterator[Script]:
    script = Script()
    with script.stubber:
        yield script
        script.stubber.assert_no_pending_responses()


def test_settings_with_which_no_function_would_start_are_not_deployed() -> None:
    template = join_parts()
    parameters = _defaults(template["Parameters"])
    _check_settings(template, parameters)
    with pytest.raises(DeploymentError, match="needs GET_USERS_INFO_HOST"):
        _check_settings(template, {**parameters, "Directory": "http"})
    with pytest.raises(DeploymentError, match="CHANNEL_RATES names pigeon"):
        _check_settings(template, {**parameters, "ChannelRates": "pigeon=3"})
