"""The dead-letter function: whatever no worker could handle becomes a visible failure."""

from typing import Any

from chalice import Blueprint

blueprint = Blueprint(__name__)


# The other three dead-letter queues are added to this function's events in infra/template.
@blueprint.on_sqs_message(queue="${DeliveryRegularDeadQueue.QueueName}", batch_size=10)
def dead_letters(event: Any) -> dict[str, Any]:
    return {"batchItemFailures": []}
