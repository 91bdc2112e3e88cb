"""Roles: each function is allowed what it calls, and nothing else.

Every function is driven through all it does while its calls are taken down, and they are compared with its
role in the template: a call that the role does not allow is red, and so is a permission that no call uses.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from moto import mock_aws

from infra.definitions import queue_definitions
from infra.template_parts import join_parts
from tests.faults.functions import FUNCTIONS
from tests.support.aws import World, use_test_account
from tests.support.calls import CallRecorder
from tests.support.driving import Everything
from tests.support.roles import Grant, Resources, as_list, functions, granted, logical_id, role_of, statements
from tests.support.smtp import ScriptedSmtp

BY_LAMBDA = {
    "sqs:ReceiveMessage": "an event source mapping receives with the function's role, of its queues alone",
    "sqs:DeleteMessage": "so does it acknowledge",
    "sqs:GetQueueAttributes": "so does it look at what waits",
    "logs:CreateLogStream": "what a function prints goes to its own log group with its own role",
    "logs:PutLogEvents": "the same",
}
"""What no code of the functions calls, and why their roles have it nevertheless. There is nothing else."""

RESOURCES: Resources = join_parts()["Resources"]
NAMES = functions(RESOURCES)

Used = Mapping[str, set[Grant]]


@pytest.fixture(scope="module")
def used(smtp_server: ScriptedSmtp) -> Iterator[Used]:
    """What each function has called."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_test_account(monkeypatch)
        with mock_aws():
            world = World(monkeypatch)
            recorder = CallRecorder(world, monkeypatch)
            Everything(world, recorder, smtp_server, monkeypatch).happens()
            assert recorder.unknown == []
            yield recorder.used


def by_lambda(function: str) -> set[Grant]:
    """What Lambda itself calls with a function's role."""
    read = [logical_id(variable) for variable, each in FUNCTIONS.items() if each.resource == function]
    group = RESOURCES[function]["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
    on = {"sqs": read, "logs": [group]}
    return {(action, each) for action in BY_LAMBDA for each in on[action.partition(":")[0]]}


def differences(resources: Resources, function: str, used: Used) -> list[str]:
    """In what a function's role differs from what is called with it."""
    called, allowed = used[function] | by_lambda(function), granted(resources, function)
    return [
        *(
            f"{function}: {action} on {on} is called and not allowed"
            for action, on in sorted(called - allowed)
        ),
        *(
            f"{function}: {action} on {on} is allowed and never called"
            for action, on in sorted(allowed - called)
        ),
    ]


@pytest.mark.parametrize("function", NAMES)
def test_a_role_allows_what_is_called_and_nothing_else(used: Used, function: str) -> None:
    assert differences(RESOURCES, function, used) == []


@pytest.mark.parametrize("function", NAMES)
def test_each_permission_that_is_taken_away_is_missed(used: Used, function: str) -> None:
    for action, on in granted(RESOURCES, function):
        changed = with_statements(function, [each for each in pairs(function) if named(each) != (action, on)])
        assert differences(changed, function, used) == [
            f"{function}: {action} on {on} is called and not allowed"
        ]


@pytest.mark.parametrize("function", NAMES)
def test_each_permission_that_is_added_is_found(used: Used, function: str) -> None:
    of_others = [each for other in NAMES for each in pairs(other)]
    never: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": "dynamodb:Scan", "Resource": {"Fn::GetAtt": ["ContactsTable", "Arn"]}},
        {"Effect": "Allow", "Action": "dynamodb:*", "Resource": {"Fn::GetAtt": ["ContactsTable", "Arn"]}},
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"},
    ]
    added = {named(each): each for each in (*of_others, *never)}
    for (action, on), statement in added.items():
        if (action, on) not in granted(RESOURCES, function):
            changed = with_statements(function, [*pairs(function), statement])
            assert differences(changed, function, used) == [
                f"{function}: {action} on {on} is allowed and never called"
            ]


def pairs(function: str) -> list[dict[str, Any]]:
    """The statements of a role, each about one action on one resource."""
    return [
        {"Effect": "Allow", "Action": [action], "Resource": resource}
        for statement in statements(RESOURCES, function)
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]


def named(statement: dict[str, Any]) -> Grant:
    """What a statement about one action on one resource allows."""
    (grant,) = granted(with_statements(NAMES[0], [statement]), NAMES[0])
    return grant


def with_statements(function: str, changed: list[dict[str, Any]]) -> Resources:
    """The template with another policy in a function's role."""
    name = role_of(RESOURCES, function)
    role = copy.deepcopy(RESOURCES[name])
    role["Properties"]["Policies"] = [{"PolicyName": "calls", "PolicyDocument": {"Statement": changed}}]
    return {**RESOURCES, name: role}


def test_every_function_is_driven(used: Used) -> None:
    assert sorted(used) == NAMES
    assert {each.resource for each in FUNCTIONS.values()} <= set(NAMES)
    assert FUNCTIONS.keys() == queue_definitions().keys() - {"MAIL_EVENTS_DEAD_QUEUE_URL"}


def test_every_exception_is_needed() -> None:
    allowed: defaultdict[str, set[str]] = defaultdict(set)
    for function in NAMES:
        for action, on in by_lambda(function):
            allowed[action].add(on)
    assert allowed.keys() == BY_LAMBDA.keys()
