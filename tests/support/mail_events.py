"""What Amazon SES tells of mails, as it writes it, in SNS's envelope."""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.mail_events import EventKind
from chalicelib.domain.times import iso
from tests.support.aws import MAIL_EVENTS_TOPIC
from tests.support.factories import START

UNKNOWN_USER = "smtp; 550 5.1.1 user unknown"


def detail(kind: EventKind, address: str, at: str, **changes: Any) -> dict[str, Any]:
    """What is told about an event beside the mail."""
    told: dict[str, Any]
    recipients: list[dict[str, str]]
    match kind:
        case EventKind.DELIVERED:
            told = {"timestamp": at, "recipients": [address], "smtpResponse": "250 2.6.0 Taken"}
            return {"delivery": {**told, **changes}}
        case EventKind.DELAYED:
            recipients = [
                {"emailAddress": address, "status": "4.2.2", "diagnosticCode": "smtp; 452 4.2.2 full"}
            ]
            told = {"timestamp": at, "delayType": "MailboxFull", "delayedRecipients": recipients}
            return {"deliveryDelay": {**told, **changes}}
        case EventKind.BOUNCED:
            recipients = [{"emailAddress": address, "action": "failed", "status": "5.1.1"}]
            recipients[0]["diagnosticCode"] = changes.pop("diagnostic", UNKNOWN_USER)
            told = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": recipients}
            return {"bounce": {**told, "timestamp": at, "feedbackId": "x", **changes}}
        case EventKind.COMPLAINED:
            told = {"complainedRecipients": [{"emailAddress": address}], "complaintFeedbackType": "abuse"}
            return {"complaint": {**told, "timestamp": at, "feedbackId": "x", **changes}}
        case EventKind.REJECTED:
            return {"reject": {"reason": "Bad content", **changes}}


NAMES: Mapping[EventKind, str] = {
    EventKind.DELIVERED: "Delivery",
    EventKind.DELAYED: "DeliveryDelay",
    EventKind.BOUNCED: "Bounce",
    EventKind.COMPLAINED: "Complaint",
    EventKind.REJECTED: "Reject",
}


def event(
    kind: EventKind,
    address: str,
    key: tuple[str, str] | None,
    at: datetime = START,
    **changes: Any,
) -> dict[str, Any]:
    """An event of event publishing; without a key (user and dispatch) a notification of an identity."""
    mail: dict[str, Any] = {
        "timestamp": iso(at),
        "messageId": "0100017",
        "source": "news@vestnik.example",
        "destination": [address],
    }
    name = "notificationType"
    if key:
        name = "eventType"
        user, dispatch = key
        mail["tags"] = {"user": [user], "dispatch": [dispatch], "ses:configuration-set": ["vestnik"]}
    return {name: NAMES[kind], "mail": mail, **detail(kind, address, iso(at), **changes)}


def envelope(message: object, topic: str = MAIL_EVENTS_TOPIC, **changes: Any) -> str:
    """A message of the queue."""
    text = message if isinstance(message, str) else json.dumps(message)
    told = {"Type": "Notification", "MessageId": str(uuid.uuid4()), "TopicArn": topic, "Message": text}
    return json.dumps({**told, "Subject": "Amazon SES Email Event Notification", **changes})
