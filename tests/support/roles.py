"""What each function's role allows, and what a call needs: pairs of an action and what it is done to."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from infra.template_parts import join_parts
from tests.support.factories import ENVIRONMENT

Grant = tuple[str, str]
"""An action and an id in the template; an index stands behind its table: `DispatchesTable/index/pending`."""

Resources = Mapping[str, Any]


class UnknownCallError(Exception):
    """A call of a service that no function has called yet."""


def functions(resources: Resources) -> list[str]:
    """The functions that have a role, by their ids in the template."""
    return sorted(name for name, body in resources.items() if "Role" in body.get("Properties", {}))


def statements(resources: Resources, function: str) -> Iterator[dict[str, Any]]:
    """The statements of a function's role."""
    for policy in resources[role_of(resources, function)]["Properties"]["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def role_of(resources: Resources, function: str) -> str:
    """The role of a function, by their ids in the template."""
    return str(resources[function]["Properties"]["Role"]["Fn::GetAtt"][0])


def granted(resources: Resources, function: str) -> frozenset[Grant]:
    """What a function's role allows."""
    found: set[Grant] = set()
    for statement in statements(resources, function):
        assert statement.keys() == {"Effect", "Action", "Resource"}, f"what does {statement} allow?"
        assert statement["Effect"] == "Allow"
        found |= {
            (action, _named(each))
            for action in as_list(statement["Action"])
            for each in as_list(statement["Resource"])
        }
    return frozenset(found)


def as_list(value: Any) -> list[Any]:
    """One value or several, as policies have them."""
    return value if isinstance(value, list) else [value]


def needed(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[Grant]:
    """What a call of a function needs, by the names that tests give to tables, queues and secrets."""
    if service == "sqs":
        yield f"sqs:{operation.removesuffix('Batch')}", params["QueueUrl"].rpartition("/")[2]
    elif service == "secretsmanager":
        variable = next(name for name, value in ENVIRONMENT.items() if value == params["SecretId"])
        yield f"secretsmanager:{operation}", logical_id(variable)
    elif service == "cloudwatch":
        yield f"cloudwatch:{operation}", "*"  # it knows no resources
    elif service == "sesv2":
        # A raw message takes the right of the first version, too: anymail/django-anymail issue 384.
        actions = [f"ses:{operation}", *(["ses:SendRawEmail"] if "Raw" in params.get("Content", {}) else [])]
        for action in actions:
            yield action, "identity/${Identity}"
            if "ConfigurationSetName" in params:
                yield action, "configuration-set/${AWS::StackName}"
    elif operation == "TransactWriteItems":
        for each in params["TransactItems"]:
            ((kind, item),) = each.items()
            yield f"dynamodb:{kind}Item", logical_id(f"{item['TableName'].upper()}_TABLE")
    elif service == "dynamodb":
        names = params["RequestItems"] if "RequestItems" in params else [params["TableName"]]
        index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
        for name in names:
            yield f"dynamodb:{operation}", logical_id(f"{name.upper()}_TABLE") + index
    else:
        raise UnknownCallError(
            f"{service}:{operation}: what permission is that? tests/support/roles.py says it"
        )


def logical_id(variable: str) -> str:
    """What an environment variable of the functions names in the template."""
    return _logical_ids()[variable]


@cache
def _logical_ids() -> dict[str, str]:
    template = join_parts()
    functions = (body.get("Properties", {}) for body in template["Resources"].values())
    return {
        name: value["Ref"]
        for each in (template["Globals"]["Function"], *functions)
        for name, value in each.get("Environment", {}).get("Variables", {}).items()
        if isinstance(value, dict) and "Ref" in value
    }


def _named(resource: Any) -> str:
    if isinstance(resource, str):
        return resource
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    if "Ref" in resource:
        return str(resource["Ref"])
    written = resource["Fn::Sub"]
    text = str(written[0] if isinstance(written, list) else written)
    if text.startswith("arn:"):
        return text.rpartition("${AWS::AccountId}:")[2]
    return text.replace("${", "").replace(".Arn}", "")
