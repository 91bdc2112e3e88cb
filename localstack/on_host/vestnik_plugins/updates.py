"""Updates of a stack's resources that LocalStack does not have: it leaves them as they were, without a word.

An API and its stage (by a new route the API would lose them all), alarms, and the schedules of rules.
"""

import json
from typing import Any

from localstack.services.apigateway.resource_providers.aws_apigateway_restapi import ApiGatewayRestApiProvider
from localstack.services.apigateway.resource_providers.aws_apigateway_stage import ApiGatewayStageProvider
from localstack.services.cloudformation.engine.v2.change_set_model import ChangeSetModel
from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
from localstack.services.cloudwatch.resource_providers.aws_cloudwatch_alarm import CloudWatchAlarmProvider
from localstack.services.events.resource_providers.aws_events_rule import EventsRuleProvider

_requires_replacement = ChangeSetModel._resolve_requires_replacement
_STAGE_PATHS = {"DeploymentId": "/deploymentId", "TracingEnabled": "/tracingEnabled"}


def mend() -> None:
    """Put ours in the place of what is there."""
    ChangeSetModel._resolve_requires_replacement = requires_replacement
    ApiGatewayRestApiProvider.update = update_api
    ApiGatewayStageProvider.update = update_stage
    CloudWatchAlarmProvider.update = update_alarm
    EventsRuleProvider.update = update_rule


def requires_replacement(model: Any, node_properties: Any, resource_type: Any) -> bool:
    """Whether a resource has to be made anew. A stage has not, when its API gets other routes."""
    if resource_type.value == ApiGatewayStageProvider.TYPE:
        return False
    return bool(_requires_replacement(model, node_properties, resource_type))


def update_api(_: Any, request: Any) -> Any:
    """Have other routes at the same address; they count from the next deployment on."""
    before, wanted = request.previous_state, request.desired_state
    client = request.aws_client_factory.apigateway
    client.put_rest_api(
        restApiId=before["RestApiId"],
        mode="overwrite",
        parameters={"basepath": "ignore"},
        body=json.dumps(wanted["Body"]).encode(),
    )
    resources = client.get_resources(restApiId=before["RestApiId"], limit=500)["items"]
    (root,) = [each["id"] for each in resources if each["path"] == "/"]
    return _done({**wanted, "Name": before["Name"], "RestApiId": before["RestApiId"], "RootResourceId": root})


def update_stage(_: Any, request: Any) -> Any:
    """Have a stage show another deployment."""
    before, wanted = request.previous_state, request.desired_state
    request.aws_client_factory.apigateway.update_stage(
        restApiId=before["RestApiId"],
        stageName=before["StageName"],
        patchOperations=[
            {"op": "replace", "path": path, "value": str(wanted[name])}
            for name, path in _STAGE_PATHS.items()
            if wanted.get(name) != before.get(name)
        ],
    )
    return _done({**wanted, "StageName": before["StageName"]})


def update_alarm(provider: Any, request: Any) -> Any:
    """Put an alarm again, under the name that it has."""
    request.desired_state["AlarmName"] = request.previous_state["AlarmName"]
    return provider.create(request)


def update_rule(_: Any, request: Any) -> Any:
    """Have a rule fire by another schedule, or not at all, at the targets that it has."""
    before, wanted = request.previous_state, request.desired_state
    client = request.aws_client_factory.events
    named = {"Name": before["Name"]}
    client.put_rule(
        **named, ScheduleExpression=wanted["ScheduleExpression"], State=wanted.get("State", "ENABLED")
    )
    client.put_targets(Rule=before["Name"], Targets=wanted["Targets"])
    return _done({**wanted, **named, "Arn": before["Arn"]})


def _done(model: dict[str, Any]) -> Any:
    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)
