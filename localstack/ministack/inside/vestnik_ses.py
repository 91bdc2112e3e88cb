"""MiniStack's SES, mended: what becomes of a mail is told to the topics of its configuration set.

By itself MiniStack tells it to the topics of the sender's identity only, takes any configuration set, and
keeps of a raw message its parts alone.
"""

import json
import logging
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import parseaddr
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ses, ses_v2, sns

_send = ses_v2.handle_request
_logger = logging.getLogger("ministack")

SEND_PATH = "/v2/email/outbound-emails"

RAW_PATH = "/v2/email/raw-messages"
"""Our own: the mails as SES was given them, in base64. What MiniStack shows it has made of their parts."""


def mend() -> None:
    """Put ours in the place of what is there."""
    ses_v2.handle_request = handle_request


async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
    """Answer as before; of a mail that was taken, tell what becomes of it."""
    if method == "GET" and path == RAW_PATH:
        return 200, {"Content-Type": "application/json"}, json.dumps({"messages": _raw_messages()}).encode()
    if method != "POST" or path.rstrip("/") != SEND_PATH:
        return await _send(method, path, headers, body, query_params)
    asked = json.loads(body)
    name = asked.get("ConfigurationSetName")
    if name and name not in ses_v2._config_sets:
        return ses_v2._json_err("NotFoundException", f"Configuration set <{name}> does not exist.", 404)
    answer = await _send(method, path, headers, body, query_params)
    if answer[0] == 200:
        message_id = json.loads(answer[2])["MessageId"]
        raw = asked.get("Content", {}).get("Raw", {}).get("Data", "")
        for record in ses._sent_emails_list():
            if record["MessageId"] == message_id:
                record["RawData"] = raw
        if name:
            _tell(name, asked, message_id, raw)
    return answer


def _raw_messages() -> list[dict[str, Any]]:
    kept = ses._sent_emails_list()
    return [{"To": each["To"], "RawData": each["RawData"]} for each in kept if "RawData" in each]


def _tell(name: str, asked: Mapping[str, Any], message_id: str, raw: str) -> None:
    """Publish each event to the topics that ask for it."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    destinations = (ses_v2._config_sets[name].get("EventDestinations") or {}).values()
    mail = _mail(name, asked, message_id, raw, at)
    for address in mail["destination"]:
        for kind, subtype in _outcomes(address):
            detail = {"send": {}} if kind == "Send" else ses._notification_detail(kind, address, at, subtype)
            event = json.dumps({"eventType": kind, "mail": mail, **detail})
            for each in destinations:
                topic = each.get("SnsDestination", {}).get("TopicArn")
                if not topic or not each["Enabled"] or kind.upper() not in each["MatchingEventTypes"]:
                    continue
                if sns.publish_internal(topic, event, "Amazon SES Email Event Notification") is None:
                    _logger.warning("SES: there is no topic %s", topic)


def _outcomes(address: str) -> Iterator[tuple[str, str | None]]:
    local, _, domain = address.lower().partition("@")
    yield "Send", None
    if domain == ses._SIMULATOR_DOMAIN:
        yield from ses._SIMULATOR_OUTCOMES.get(local.split("+")[0], (("Delivery", None),))
    else:
        yield "Delivery", None


def _mail(name: str, asked: Mapping[str, Any], message_id: str, raw: str, at: str) -> dict[str, Any]:
    source = asked["FromEmailAddress"]
    message = message_from_bytes(b64decode(raw), policy=policy.compat32)
    headers = [{"name": each, "value": str(value)} for each, value in message.items()]
    return {
        "timestamp": at,
        "source": source,
        "sourceArn": f"arn:aws:ses:{get_region()}:{get_account_id()}:identity/{parseaddr(source)[1]}",
        "sendingAccountId": get_account_id(),
        "messageId": message_id,
        "destination": [parseaddr(each)[1] for each in asked["Destination"]["ToAddresses"]],
        "headersTruncated": False,
        "headers": headers,
        "commonHeaders": {"messageId": message_id, "subject": message["Subject"]},
        "tags": {
            "ses:configuration-set": [name],
            **{each["Name"]: [each["Value"]] for each in asked.get("EmailTags", [])},
        },
    }
