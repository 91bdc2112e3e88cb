"""The tables and queues of the template, made on any client: moto and emulators get what AWS gets."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from infra.template_parts import join_parts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_QUEUE_ATTRIBUTES: "tuple[QueueAttributeNameType, ...]" = (
    "MessageRetentionPeriod",
    "VisibilityTimeout",
    "SqsManagedSseEnabled",
)


@cache
def _template() -> dict[str, Any]:
    return join_parts()


def _resources(kind: str) -> dict[str, dict[str, Any]]:
    resources = _template()["Resources"]
    return {name: body["Properties"] for name, body in resources.items() if body.get("Type") == kind}


def _environment_names() -> dict[str, str]:
    """Logical id -> the environment variable that carries its name or address."""
    functions = (each.get("Properties", {}) for each in _template()["Resources"].values())
    environments = [_template()["Globals"]["Function"], *functions]
    return {
        value["Ref"]: name
        for each in environments
        for name, value in each.get("Environment", {}).get("Variables", {}).items()
        if isinstance(value, dict) and "Ref" in value
    }


def table_definitions() -> dict[str, dict[str, Any]]:
    """Each table's properties in the template, by the environment variable that carries its name."""
    names = _environment_names()
    return {names[logical_id]: body for logical_id, body in _resources("AWS::DynamoDB::Table").items()}


def queue_definitions() -> dict[str, dict[str, Any]]:
    """Each queue's properties in the template, by the environment variable that carries its address."""
    names = _environment_names()
    return {names[logical_id]: body for logical_id, body in _resources("AWS::SQS::Queue").items()}


def create_tables(client: "DynamoDBClient") -> dict[str, str]:
    """Create every table; environment variable -> table name."""
    created = {}
    for variable, definition in table_definitions().items():
        name = variable.removesuffix("_TABLE").lower()
        _create_table(client, name, definition)
        created[variable] = name
    return created


def _create_table(client: "DynamoDBClient", name: str, definition: dict[str, Any]) -> None:
    indexes = definition.get("GlobalSecondaryIndexes")
    client.create_table(
        TableName=name,
        BillingMode=definition["BillingMode"],
        AttributeDefinitions=definition["AttributeDefinitions"],
        KeySchema=definition["KeySchema"],
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )
    if expiry := definition.get("TimeToLiveSpecification"):
        client.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)


def create_queues(client: "SQSClient") -> dict[str, str]:
    """Create every queue, the dead-letter queues first; environment variable -> address."""
    names = _environment_names()
    created: dict[str, str] = {}
    arns: dict[str, str] = {}
    definitions = _resources("AWS::SQS::Queue")
    for logical_id in sorted(definitions, key=lambda name: "RedrivePolicy" in definitions[name]):
        attributes = _queue_attributes(definitions[logical_id], arns)
        url = client.create_queue(QueueName=logical_id, Attributes=attributes)["QueueUrl"]
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arns[logical_id] = answer["Attributes"]["QueueArn"]
        created[names[logical_id]] = url
    return created


def _queue_attributes(
    definition: dict[str, Any], arns: dict[str, str]
) -> "dict[QueueAttributeNameType, str]":
    attributes: dict[QueueAttributeNameType, str] = {
        name: json.dumps(definition[name]) for name in _QUEUE_ATTRIBUTES
    }
    if redrive := definition.get("RedrivePolicy"):
        dead_queue, _ = redrive["deadLetterTargetArn"]["Fn::GetAtt"]
        attributes["RedrivePolicy"] = json.dumps({**redrive, "deadLetterTargetArn": arns[dead_queue]})
    return attributes
