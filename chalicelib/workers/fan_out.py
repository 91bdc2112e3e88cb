"""The fan-out functions, one a lane: a range of chunks becomes delivery messages."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DueMessage, FanOutMessage, load_fan_out
from chalicelib.domain.times import utc_now
from chalicelib.services import fan_out, tick
from chalicelib.workers.records import Record, group_of, remaining_seconds, work_each

blueprint = Blueprint(__name__)


@blueprint.on_sqs_message(queue="${FanOutExpressQueue.QueueName}", batch_size=1)
def fan_out_express(event: SQSEvent) -> dict[str, Any]:
    return _work(event, Lane.EXPRESS)


@blueprint.on_sqs_message(queue="${FanOutRegularQueue.QueueName}", batch_size=1)
def fan_out_regular(event: SQSEvent) -> dict[str, Any]:
    return _work(event, Lane.REGULAR)


def _work(event: SQSEvent, lane: Lane) -> dict[str, Any]:
    remaining = remaining_seconds(event)

    def work(record: Record) -> None:
        match load_fan_out(record["body"]):
            case DueMessage() as due:
                tick.work_due(due, utc_now, remaining)
            case FanOutMessage() as message:
                fan_out.fan_out(message, lane, group_of(record), utc_now)

    return work_each(event.to_dict()["Records"], work)
