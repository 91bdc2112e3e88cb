"""The dead-letter function: whatever no worker could handle becomes a visible failure."""

import os
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.domain.messages import (
    DeliveryMessage,
    DueMessage,
    FanOutMessage,
    UnknownMessageError,
    load_fan_out,
)
from chalicelib.domain.times import utc_now
from chalicelib.observability import DEAD_LETTERS, logger, measure
from chalicelib.services import dead_letters as service
from chalicelib.workers.records import Record, work_each

blueprint = Blueprint(__name__)

QUEUE_VARIABLES = (
    "FAN_OUT_EXPRESS_DEAD_QUEUE_URL",
    "FAN_OUT_REGULAR_DEAD_QUEUE_URL",
    "DELIVERY_EXPRESS_DEAD_QUEUE_URL",
    "DELIVERY_REGULAR_DEAD_QUEUE_URL",
)


# The other three dead-letter queues are added to this function's events in infra/template.
@blueprint.on_sqs_message(queue="${DeliveryRegularDeadQueue.QueueName}", batch_size=10)
def dead_letters(event: SQSEvent) -> dict[str, Any]:
    records = event.to_dict()["Records"]
    measure("dead letters", {DEAD_LETTERS: len(records)})
    return work_each(records, _bury)


def _bury(record: Record) -> None:
    variable, url = _queue_of(record["eventSourceARN"])
    try:
        if variable.startswith("FAN_OUT"):
            match load_fan_out(record["body"]):
                case DueMessage() as due:
                    service.bury_due(due)
                case FanOutMessage() as message:
                    service.bury_fan_out(message, url, utc_now)
        else:
            service.bury_delivery(DeliveryMessage.load(record["body"]), url, utc_now)
    except UnknownMessageError:
        # Nobody is named by it, so nobody can be marked: the log is the only place where it can be seen.
        logger.error("unknown dead letter", extra={"queue": url, "id": record["messageId"]})


def _queue_of(arn: str) -> tuple[str, str]:
    """Which of the four it came from: an ARN and a URL end in the same name."""
    name = arn.rpartition(":")[2]
    for variable in QUEUE_VARIABLES:
        if os.environ[variable].rpartition("/")[2] == name:
            return variable, os.environ[variable]
    raise LookupError(f"not one of our dead-letter queues: {arn}")
