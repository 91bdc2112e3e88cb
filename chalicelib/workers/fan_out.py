"""The fan-out functions, one a lane: a range of chunks becomes delivery messages."""

from typing import Any

from chalice import Blueprint

blueprint = Blueprint(__name__)


@blueprint.on_sqs_message(queue="${FanOutExpressQueue.QueueName}", batch_size=1)
def fan_out_express(event: Any) -> dict[str, Any]:
    return {"batchItemFailures": []}


@blueprint.on_sqs_message(queue="${FanOutRegularQueue.QueueName}", batch_size=1)
def fan_out_regular(event: Any) -> dict[str, Any]:
    return {"batchItemFailures": []}
