"""The product's functions as they are deployed, and what they are called with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from chalicelib.domain.lanes import Lane
from chalicelib.workers import dead_letters, deliver, fan_out, mail_events
from infra.template_parts import join_parts
from tests.faults.asked import Asked


@dataclass(frozen=True)
class Function:
    """What reads a queue."""

    name: str
    handler: Any
    batch_size: int
    resource: str

    @property
    def seconds(self) -> float:
        """Its timeout, as it is deployed."""
        return timeout_of(self.resource)


@cache
def timeout_of(resource: str) -> float:
    """The timeout of a function in the template, in seconds."""
    return float(join_parts()["Resources"][resource]["Properties"]["Timeout"])


_BURY = Function("dead_letters", dead_letters.dead_letters, 10, "DeadLetters")
FUNCTIONS: dict[str, Function] = {
    "FAN_OUT_EXPRESS_QUEUE_URL": Function("fan_out_express", fan_out.fan_out_express, 1, "FanOutExpress"),
    "FAN_OUT_REGULAR_QUEUE_URL": Function("fan_out_regular", fan_out.fan_out_regular, 1, "FanOutRegular"),
    "DELIVERY_EXPRESS_QUEUE_URL": Function("deliver_express", deliver.deliver_express, 5, "DeliverExpress"),
    "DELIVERY_REGULAR_QUEUE_URL": Function("deliver_regular", deliver.deliver_regular, 10, "DeliverRegular"),
    **dict.fromkeys(dead_letters.QUEUE_VARIABLES, _BURY),
    "MAIL_EVENTS_QUEUE_URL": Function("mail_events", mail_events.mail_events, 10, "MailEvents"),
}


def deliver_seconds(lane: Lane) -> float:
    """The timeout of the function that sends what is in a lane."""
    return FUNCTIONS[f"DELIVERY_{lane.upper()}_QUEUE_URL"].seconds


def http_event(authorization: str, asked: Asked, path: Mapping[str, str]) -> dict[str, Any]:
    """What API Gateway passes to the function."""
    return {
        "httpMethod": asked.method,
        "headers": {
            "Content-Type": "application/json",
            "Authorization": authorization,
            "Idempotency-Key": "the-one-request",
        },
        "multiValueHeaders": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": dict(path),
        "stageVariables": None,
        "isBase64Encoded": False,
        "body": json.dumps(asked.body),
        "requestContext": {"httpMethod": asked.method, "resourcePath": asked.route, "identity": {}},
    }
