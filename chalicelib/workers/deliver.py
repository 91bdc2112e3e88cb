"""The delivery functions, one a lane: each message becomes one sending to one recipient."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.channels import CHANNELS
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage, UnknownMessageError
from chalicelib.domain.times import utc_now
from chalicelib.observability import logger
from chalicelib.services.aftermath import Incoming
from chalicelib.services.deliver import Delivery
from chalicelib.workers.records import group_of, remaining_seconds, report

blueprint = Blueprint(__name__)

# Most send mail. Another channel is loaded when there is something to send by it.
CHANNELS["mail"].prepare()


@blueprint.on_sqs_message(queue="${DeliveryExpressQueue.QueueName}", batch_size=5)
def deliver_express(event: SQSEvent) -> dict[str, Any]:
    return _work(event, Lane.EXPRESS)


@blueprint.on_sqs_message(queue="${DeliveryRegularQueue.QueueName}", batch_size=10)
def deliver_regular(event: SQSEvent) -> dict[str, Any]:
    return _work(event, Lane.REGULAR)


def _work(event: SQSEvent, lane: Lane) -> dict[str, Any]:
    batch, unknown = [], []
    for record in event.to_dict()["Records"]:
        try:
            batch.append(
                Incoming(record["messageId"], DeliveryMessage.load(record["body"]), group_of(record))
            )
        except UnknownMessageError:
            logger.exception("unknown message", extra={"id": record["messageId"]})
            unknown.append(record["messageId"])
    delivery = Delivery(lane, utc_now, remaining_seconds(event))
    return report([*unknown, *(delivery.run(batch) if batch else [])])
