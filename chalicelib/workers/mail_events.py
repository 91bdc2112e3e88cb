"""The mail events function: what Amazon SES tells of mails that it has taken, by SNS and a queue."""

import os
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.domain.mail_events import MailEvent, UnknownEventError, read_notification
from chalicelib.domain.times import utc_now
from chalicelib.observability import comes_again, logger
from chalicelib.services import mail_events as service
from chalicelib.workers.records import report

blueprint = Blueprint(__name__)


@blueprint.on_sqs_message(queue="${MailEventsQueue.QueueName}", batch_size=10)
def mail_events(event: SQSEvent) -> dict[str, Any]:
    records = event.to_dict()["Records"]
    events: list[MailEvent] = []
    for record in records:
        try:
            events.append(read_notification(record["body"], os.environ["MAIL_EVENTS_TOPIC_ARN"]))
        except UnknownEventError as error:
            # To come again would change nothing. What it says is not logged: it may name people.
            logger.warning("unknown mail event", extra={"id": record["messageId"], "why": str(error)})
    try:
        service.work(events, utc_now)
    except Exception:
        for record in records:
            comes_again(record["messageId"])
        return report(record["messageId"] for record in records)
    return report([])
