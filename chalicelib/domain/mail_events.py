"""What Amazon SES tells of a mail after it has taken it, in either of its two formats.

Event publishing (`eventType`) brings back the tags of the mail; the notifications of an identity
(`notificationType`) have none. https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from enum import StrEnum
from typing import Any

from chalicelib.domain.times import iso, parse

MAX_REASON_LENGTH = 60
"""In bytes: a row with all that can happen stays near 1,000."""


class EventKind(StrEnum):
    """What has happened to a mail."""

    DELIVERED = "delivered"
    DELAYED = "delayed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REJECTED = "rejected"


TELLING = (EventKind.COMPLAINED, EventKind.BOUNCED, EventKind.REJECTED, EventKind.DELAYED)
"""Which of several is the reason that is shown, the first first. A delay is none once it is delivered."""


class UnknownEventError(ValueError):
    """It is not what SES says by our topic, or nothing that concerns us; says what it is."""


@dataclass(frozen=True)
class MailEvent:
    """Something that has happened to a mail."""

    kind: EventKind
    at: datetime
    reason: str | None
    addresses: tuple[str, ...]
    """The addresses that are wrong, or whose owners do not want us."""
    key: tuple[str, str] | None
    """User and dispatch; None where SES tells no tags."""

    @property
    def note(self) -> str:
        """How it stands in the row: time and reason. The lesser of two was first, whichever came first."""
        return f"{iso(self.at)} {self.reason or ''}".rstrip()

    @property
    def said(self) -> str:
        """The event in words."""
        return f"{self.kind}: {self.reason}" if self.reason else str(self.kind)


@dataclass(frozen=True)
class Happened:
    """An event as a row has it."""

    kind: EventKind
    at: str
    reason: str | None


def happened(kind: EventKind, note: str) -> Happened:
    """What `MailEvent.note` wrote."""
    at, _, reason = note.partition(" ")
    return Happened(kind, at, reason or None)


def telling_reason(notes: Mapping[EventKind, str]) -> str | None:
    """The reason that a recipient's events give, as `bounced: 550 5.1.1 user unknown`."""
    for kind in TELLING:
        if kind in notes and not (kind is EventKind.DELAYED and EventKind.DELIVERED in notes):
            reason = happened(kind, notes[kind]).reason
            return f"{kind}: {reason}" if reason else str(kind)
    return None


def read_notification(body: str, topic_arn: str) -> MailEvent:
    """The event in a message of the queue; UnknownEventError for whatever is not one of our topic's."""
    envelope = _object(body)
    if envelope.get("Type") != "Notification":
        raise UnknownEventError(f"not a notification of SNS but {str(envelope.get('Type'))[:40]!r}")
    if not topic_arn or envelope.get("TopicArn") != topic_arn:
        raise UnknownEventError("not of our topic")
    return read_event(_object(envelope.get("Message")))


def read_event(event: Mapping[str, Any]) -> MailEvent:
    """An event of SES's; UnknownEventError when it is another kind, or not as SES writes it."""
    name = event.get("eventType") or event.get("notificationType")
    try:
        mail = event["mail"]
        kind, at, reason, addresses = _told(str(name), event, mail)
        tags = mail.get("tags") or {}
        key = (
            (str(tags["user"][0]), str(tags["dispatch"][0])) if {"user", "dispatch"} <= tags.keys() else None
        )
        return MailEvent(
            kind,
            parse(at),
            _brief(reason),
            tuple(parseaddr(each["emailAddress"])[1] for each in addresses),
            key,
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, UnknownEventError):
            raise
        raise UnknownEventError(
            f"{str(name)[:40]} is not as SES writes it: {type(error).__name__}"
        ) from error


def _told(
    name: str, event: Mapping[str, Any], mail: Mapping[str, Any]
) -> tuple[EventKind, str, str | None, list[Mapping[str, str]]]:
    """The kind, the time, the reason, and whom nothing may be sent to any more."""
    match name:
        case "Delivery":
            return EventKind.DELIVERED, event["delivery"]["timestamp"], None, []
        case "Bounce":
            bounce = event["bounce"]
            named = bounce["bouncedRecipients"]
            is_hard = bounce["bounceType"] == "Permanent"
            reason = _diagnosis(named) or bounce.get("bounceSubType") or bounce["bounceType"]
            return EventKind.BOUNCED, bounce["timestamp"], reason, named if is_hard else []
        case "Complaint":
            complaint = event["complaint"]
            reason = complaint.get("complaintFeedbackType") or complaint.get("complaintSubType")
            # Who says that it is no spam does not complain.
            named = complaint["complainedRecipients"] if reason != "not-spam" else []
            return EventKind.COMPLAINED, complaint["timestamp"], reason, named
        case "DeliveryDelay":
            delay = event["deliveryDelay"]
            reason = _diagnosis(delay.get("delayedRecipients") or []) or delay.get("delayType")
            return EventKind.DELAYED, delay["timestamp"], reason, []
        case "Reject":
            return EventKind.REJECTED, mail["timestamp"], event["reject"].get("reason"), []
    raise UnknownEventError(f"nothing that concerns us: {name[:40]!r}")


def _diagnosis(recipients: list[Mapping[str, str]]) -> str | None:
    """What the other server said, without the word before it: `smtp; 550 5.1.1 user unknown`."""
    said = next((each.get("diagnosticCode") or each.get("status") for each in recipients), None)
    return said.partition("; ")[2] if said and said.lower().startswith("smtp; ") else said


def _brief(reason: str | None) -> str | None:
    if reason is None:
        return None
    words = " ".join(str(reason).encode(errors="replace").decode().split())
    return words.encode()[:MAX_REASON_LENGTH].decode(errors="ignore").strip() or None


def _object(text: object) -> dict[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnknownEventError("not a JSON object")
    return found
