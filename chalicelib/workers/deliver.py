"""The delivery functions, one a lane: each message becomes one sending to one recipient."""

from typing import Any

from chalice import Blueprint

blueprint = Blueprint(__name__)


@blueprint.on_sqs_message(queue="${DeliveryExpressQueue.QueueName}", batch_size=5)
def deliver_express(event: Any) -> dict[str, Any]:
    return {"batchItemFailures": []}


@blueprint.on_sqs_message(queue="${DeliveryRegularQueue.QueueName}", batch_size=10)
def deliver_regular(event: Any) -> dict[str, Any]:
    return {"batchItemFailures": []}
