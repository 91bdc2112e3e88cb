"""What must hold of the template as it is deployed: Chalice's output merged with infra/template."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chalice.cli.factory import CLIFactory
from chalice.deploy.validate import validate_configuration

from chalicelib.domain.lanes import Lane
from infra.consumers import DEAD_LETTER_CONSUMERS, NUMBERS, check_consumers, parameter_names
from infra.package import PROJECT, Package
from infra.template_parts import join_parts

Resources = dict[str, dict[str, Any]]

FUNCTIONS = {
    "APIHandler": (29, 1024),
    "FanOutExpress": (30, 512),
    "FanOutRegular": (60, 512),
    "DeliverExpress": (20, 512),
    "DeliverRegular": (60, 512),
    "Tick": (60, 512),
    "Sweep": (60, 512),
    "DeadLetters": (60, 512),
    "MailEvents": (60, 512),
}
EXPRESS = {"FanOutExpress", "DeliverExpress"}
FOURTEEN_DAYS = 14 * 24 * 3600
LAMBDA_ENVIRONMENT_LIMIT = 4096
MAPPING_KEYS_LIMIT = 200
RESOURCE_STAR_ALLOWED = {"ApiRole": {"cloudwatch:GetMetricData"}}  # it knows no resources
DATA = {"AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"}


def sources(functions: Resources) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each function's SQS sources: the function, the source's properties, the queue's logical id."""
    for name, function in functions.items():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = event["Properties"]["Queue"]
                yield name, event["Properties"], _queue_name(queue)


def _queue_name(queue: dict[str, Any]) -> str:
    if "Fn::GetAtt" in queue:
        return str(queue["Fn::GetAtt"][0])
    return str(queue["Fn::Sub"].rpartition("${")[2].partition(".QueueName}")[0])


def strings(value: Any) -> Iterator[str]:
    """Every string below a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def test_cfn_lint_has_nothing_to_say(built: Package) -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    linted = subprocess.run([linter, built.template], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_it_has_nothing_to_say_of_what_cloudformation_makes_of_it(
    transformed: dict[str, Any], tmp_path: Path
) -> None:
    assert {"Rules", "Outputs", "Conditions", "Mappings"} <= transformed.keys()
    assert not any(each["Type"].startswith("AWS::Serverless::") for each in transformed["Resources"].values())
    path = tmp_path / "template.json"
    path.write_text(json.dumps(transformed))
    linter = Path(sys.executable).with_name("cfn-lint")
    linted = subprocess.run([linter, path], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_chalice_finds_the_configuration_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config = CLIFactory(str(PROJECT), environ=dict(os.environ)).create_config_obj()
    validate_configuration(config)


def test_every_part_reaches_the_deployed_template(template: dict[str, Any]) -> None:
    for section in ("Parameters", "Conditions", "Mappings", "Resources", "Outputs"):
        assert join_parts()[section].keys() <= template[section].keys()


def test_the_functions_are_those_that_were_designed(functions: Resources) -> None:
    found = {name: (body["Timeout"], body["MemorySize"]) for name, body in functions.items()}
    assert found == FUNCTIONS
    assert {body["Runtime"] for body in functions.values()} == {"python3.11"}


def test_every_queue_has_a_dead_letter_queue_after_five_tries(queues: Resources) -> None:
    working = {name for name in queues if not name.endswith("DeadQueue")}
    assert len(working) == 5
    assert len(queues) == 10
    for name in working:
        redrive = queues[name]["RedrivePolicy"]
        dead_queue = name.removesuffix("Queue") + "DeadQueue"
        assert redrive == {"deadLetterTargetArn": {"Fn::GetAtt": [dead_queue, "Arn"]}, "maxReceiveCount": 5}
        assert "RedrivePolicy" not in queues[dead_queue]


def test_queues_keep_messages_fourteen_days_and_encrypted(queues: Resources) -> None:
    for queue in queues.values():
        assert queue["MessageRetentionPeriod"] == FOURTEEN_DAYS
        assert queue["SqsManagedSseEnabled"] is True


def test_every_queue_is_read_and_hides_messages_long_enough(functions: Resources, queues: Resources) -> None:
    read = {queue: functions[function]["Timeout"] for function, _, queue in sources(functions)}
    assert read.keys() == queues.keys() - {"MailEventsDeadQueue"}, "it waits for an operator"
    for queue, timeout in read.items():
        assert queues[queue]["VisibilityTimeout"] >= 6 * timeout


def test_every_source_reports_partial_failures_and_is_bounded(functions: Resources) -> None:
    for _, source, _ in sources(functions):
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert source["ScalingConfig"]["MaximumConcurrency"]


def test_lanes_share_no_queue_and_no_function(functions: Resources) -> None:
    for function, source, queue in sources(functions):
        if function in ("DeadLetters", "MailEvents"):
            assert source["ScalingConfig"] == {"MaximumConcurrency": 2}
            continue
        lane = "Express" if function in EXPRESS else "Regular"
        assert lane in queue
        limit = {"Fn::FindInMap": ["Concurrency", {"Ref": f"{lane}NumberOfConsumers"}, "Maximum"]}
        assert source["ScalingConfig"] == {"MaximumConcurrency": limit}


def test_a_concurrency_is_mapped_to_its_own_number(template: dict[str, Any]) -> None:
    mapping = template["Mappings"]["Concurrency"]
    assert len(mapping) <= MAPPING_KEYS_LIMIT
    assert mapping == {str(number): {"Maximum": number} for number in NUMBERS}
    for name in (name for lane in Lane for name in parameter_names(lane)):
        assert template["Parameters"][name]["AllowedValues"] == [str(number) for number in NUMBERS]


def test_batches_are_as_small_as_the_timeouts_ask(functions: Resources) -> None:
    sizes = {function: source["BatchSize"] for function, source, _ in sources(functions)}
    assert sizes == {
        "FanOutExpress": 1,
        "FanOutRegular": 1,
        "DeliverExpress": 5,
        "DeliverRegular": 10,
        "DeadLetters": 10,
        "MailEvents": 10,
    }


def test_only_express_has_reserved_concurrency(functions: Resources) -> None:
    reserved = {name for name, body in functions.items() if "ReservedConcurrentExecutions" in body}
    assert reserved == EXPRESS


def test_the_reserve_covers_what_the_queues_may_start(template: dict[str, Any]) -> None:
    parameters = template["Parameters"]
    reserved = parameters["ExpressReservedConcurrency"]["Default"]
    assert reserved >= int(parameters["ExpressMaxNumberOfConsumers"]["Default"])


def test_the_consumers_by_default_agree(template: dict[str, Any]) -> None:
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    assert [trio.lane for trio in check_consumers(defaults)] == list(Lane)


def test_the_dead_letters_consumers_are_counted(functions: Resources) -> None:
    numbers = [
        source["ScalingConfig"]["MaximumConcurrency"]
        for function, source, _ in sources(functions)
        if function == "DeadLetters"
    ]
    assert sum(numbers) == DEAD_LETTER_CONSUMERS


@pytest.mark.parametrize("name", ["Sweep", "Tick"])
def test_a_missed_minute_is_not_tried_again(functions: Resources, name: str) -> None:
    function = functions[name]
    assert function["EventInvokeConfig"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    schedules = [event["Properties"]["Schedule"] for event in function["Events"].values()]
    assert schedules == ["rate(1 minute)"]


def test_every_function_has_a_role_and_a_log_group_of_its_own(
    functions: Resources, roles: Resources, log_groups: Resources
) -> None:
    role_of = {name: body["Role"]["Fn::GetAtt"][0] for name, body in functions.items()}
    group_of = {name: body["LoggingConfig"]["LogGroup"]["Ref"] for name, body in functions.items()}
    assert sorted(role_of.values()) == sorted(roles)
    assert sorted(group_of.values()) == sorted(log_groups)
    for name, role in role_of.items():
        statements = _statements(roles[role])
        logs = [each["Resource"] for each in statements if each["Action"][0].startswith("logs:")]
        assert logs == [{"Fn::GetAtt": [group_of[name], "Arn"]}]


def test_logs_are_not_kept_for_ever(log_groups: Resources) -> None:
    for group in log_groups.values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_no_placeholder_role_is_left(built: Package) -> None:
    config = json.loads((PROJECT / ".chalice" / "config.json").read_text())
    text = built.template.read_text()
    assert config["iam_role_arn"] not in text
    assert "placeholder" not in text


def _statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def test_roles_allow_named_calls_on_named_resources(roles: Resources) -> None:
    for name, role in roles.items():
        assert "ManagedPolicyArns" not in role
        for statement in _statements(role):
            assert not any("*" in action for action in statement["Action"]), name
            wide = any("*" in text for text in strings(statement["Resource"]))
            assert not wide or set(statement["Action"]) <= RESOURCE_STAR_ALLOWED.get(name, set())


def test_nobody_may_scan(roles: Resources) -> None:
    for role in roles.values():
        assert not any("dynamodb:Scan" in statement["Action"] for statement in _statements(role))


def test_a_function_reads_and_settles_each_of_its_sources(functions: Resources, roles: Resources) -> None:
    needed = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    for function, _, queue in sources(functions):
        role = roles[functions[function]["Role"]["Fn::GetAtt"][0]]
        allowed = {
            action
            for statement in _statements(role)
            if {"Fn::GetAtt": [queue, "Arn"]} in _listed(statement["Resource"])
            for action in statement["Action"]
        }
        assert needed <= allowed, (function, queue)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_data_outlives_the_stack(resources: Resources) -> None:
    kept = {name: body for name, body in resources.items() if body["Type"] in DATA}
    assert len(kept) == 16 + 5
    for body in kept.values():
        assert (body["DeletionPolicy"], body["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_tables_are_on_demand_recoverable_encrypted_and_nameless(tables: Resources) -> None:
    for table in tables.values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["SSESpecification"] == {"SSEEnabled": True}
        assert table["DeletionProtectionEnabled"] == {"Fn::If": ["ProtectsTables", True, False]}
        assert "TableName" not in table


def test_indexes_hold_keys_only(tables: Resources) -> None:
    for table in tables.values():
        for index in table.get("GlobalSecondaryIndexes", []):
            assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_without_a_domain_there_is_nothing_of_one(template: dict[str, Any], resources: Resources) -> None:
    conditional = {name: body["Condition"] for name, body in resources.items() if "Condition" in body}
    assert {name for name in resources if name.startswith("ApiDomain")} <= conditional.keys()
    assert conditional["ApiDomain"] == conditional["ApiDomainMapping"] == "HasDomain"
    assert conditional["ApiDomainRecord"] == "HasRecord"
    assert template["Outputs"]["DomainTarget"]["Condition"] == "HasDomain"
    assert template["Parameters"]["DomainName"]["Default"] == ""


def test_no_secret_is_in_the_template(template: dict[str, Any], secrets: Resources) -> None:
    assert secrets["SmtpSecret"]["SecretString"] == secrets["ChannelsSecret"]["SecretString"] == "{}"
    for name in ("TokenSecret", "LinkSecret"):
        assert json.loads(secrets[name]["GenerateSecretString"]["SecretStringTemplate"]) == {"kid": "1"}
        assert secrets[name]["GenerateSecretString"]["PasswordLength"] == 64
    users = secrets["UserTokenSecret"]["GenerateSecretString"]
    assert json.loads(users["SecretStringTemplate"]) == {"kid": "1", "algorithm": "HS256"}
    assert users["PasswordLength"] == 64
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    suspicious = [name for name in variables if any(word in name for word in ("PASSWORD", "KEY", "SECRET"))]
    assert sorted(suspicious) == [
        "CHANNELS_SECRET_ARN",
        "LINK_SECRET_ARN",
        "SMTP_SECRET_ARN",
        "TOKEN_SECRET_ARN",
        "USER_TOKEN_SECRET_ARN",
    ]
    words = [name for name in template["Parameters"] if "Password" in name or "Key" in name]
    assert words == []


def test_the_environment_fits_into_lambdas_limit(template: dict[str, Any]) -> None:
    longest = {
        "Table": len("vestnik-0123456789abcdef-UsersNotificationsTable-XXXXXXXXXXXX"),
        "Queue": len("https://sqs.ap-southeast-2.amazonaws.com/000000000000/vestnik-0123456789abcdef-")
        + len("DeliveryRegularDeadQueue-XXXXXXXXXXXX"),
        "Secret": len(
            "arn:aws:secretsmanager:ap-southeast-2:000000000000:secret:TokenSecret-XXXXXXXXXXXX-XXXXXX"
        ),
    }
    size = 0
    for name, value in template["Globals"]["Function"]["Environment"]["Variables"].items():
        target = value["Ref"] if isinstance(value, dict) else ""
        kind = next((kind for kind in longest if target.endswith(kind)), None)
        size += len(name) + (longest[kind] if kind else _longest_value(template["Parameters"].get(target)))
    assert size < LAMBDA_ENVIRONMENT_LIMIT


def _longest_value(parameter: dict[str, Any] | None) -> int:
    """In bytes; for a free text, as an address, what is usual."""
    if parameter is None:
        return len("vestnik")
    if parameter["Type"] == "Number":
        return len(str(parameter["MaxValue"])) if "MaxValue" in parameter else 4
    return max(map(len, parameter["AllowedValues"])) if "AllowedValues" in parameter else 80


def test_every_parameter_is_described_and_has_a_default(template: dict[str, Any]) -> None:
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        assert "Default" in parameter, name


def test_the_gateways_own_errors_look_like_the_apis(resources: Resources) -> None:
    responses = resources["RestAPI"]["Properties"]["GatewayResponses"]
    for response in responses.values():
        (kind, body), *others = response["ResponseTemplates"].items()
        assert (kind, others) == ("application/problem+json", [])
        problem = json.loads(body.replace("$context.error.messageString", '"why"'))
        assert problem["type"] == "about:blank"
        assert problem.get("status") == response.get("StatusCode")
