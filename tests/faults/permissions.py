"""What each function's role allows it: no emulator asks, AWS does."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from infra.template_parts import join_parts
from tests.faults.functions import FUNCTIONS
from tests.support.factories import ENVIRONMENT

RESOURCE_OF = {"api": "APIHandler", "sweep": "Sweep", "tick": "Tick"} | {
    function.name: function.resource for function in FUNCTIONS.values()
}
"""Process -> function in the template. Others, as the operator, have rights of their own."""


def missing(process: str, service: str, operation: str, params: Mapping[str, Any]) -> str | None:
    """What the process would be refused on AWS, if anything."""
    if process not in RESOURCE_OF:
        return None
    allowed = _allowed(RESOURCE_OF[process])
    for needed in _needed(service, operation, params):
        if needed not in allowed:
            return f"the role of {process} does not allow {' on '.join(needed)}"
    return None


def _needed(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if service == "sqs":
        yield f"sqs:{operation.removesuffix('Batch')}", params["QueueUrl"].rpartition("/")[2]
    elif service == "secretsmanager":
        variable = next(name for name, value in ENVIRONMENT.items() if value == params["SecretId"])
        yield f"secretsmanager:{operation}", _logical_ids()[variable]
    else:
        names = params["RequestItems"] if "RequestItems" in params else [params["TableName"]]
        index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
        for name in names:
            yield f"dynamodb:{operation}", _logical_ids()[f"{name.upper()}_TABLE"] + index


@cache
def _logical_ids() -> dict[str, str]:
    """Environment variable -> what it names in the template."""
    variables = join_parts()["Globals"]["Function"]["Environment"]["Variables"]
    return {name: value["Ref"] for name, value in variables.items() if isinstance(value, dict)}


@cache
def _allowed(function: str) -> frozenset[tuple[str, str]]:
    """(action, logical id) pairs of a function's role; an index stands behind its table."""
    resources = join_parts()["Resources"]
    role = resources[resources[function]["Properties"]["Role"]["Fn::GetAtt"][0]]["Properties"]
    found: set[tuple[str, str]] = set()
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            on = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            found |= {(action, _named(each)) for action in statement["Action"] for each in on}
    return frozenset(found)


def _named(resource: Mapping[str, Any]) -> str:
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    if "Ref" in resource:
        return str(resource["Ref"])
    return str(resource["Fn::Sub"]).replace("${", "").replace(".Arn}", "")
