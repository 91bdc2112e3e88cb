"""Webhooks: a notification is posted to an address of the recipient's, signed as Standard Webhooks has it.

The worked example of docs/channels.md, which tells how a channel is added.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from chalicelib.channels.base import Channel, ContactField, Letter, Limits, Session
from chalicelib.channels.sandbox import DOMAIN
from chalicelib.domain.results import Accepted, Permanent, RateLimited, Retryable, SendResult, no_time_left
from chalicelib.domain.times import iso, utc_now
from chalicelib.domain.webhook_signatures import keys_of, signature
from chalicelib.security import read_secret
from chalicelib.settings import Settings, current

if TYPE_CHECKING:
    from chalicelib.channels.bounded_http import Answer, Host, Networks

SEND_SECONDS = 5.0
"""The name's resolution, connection, TLS and the whole answer."""
LEAST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 3.0, 3600.0
"""Between these a receiver's Retry-After is heeded."""
MAX_URL_LENGTH = 500

GONE = 410
_WAIT = frozenset({429, 503})
_LATER = frozenset({408, 425})

_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f-\x9f\\\u2028\u2029]")
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SAFE = "/:?#[]@!$&'()*+,;=-._~%"


@dataclass(frozen=True)
class _Url:
    """A URL that may be posted to."""

    host: "Host"
    target: str

    def __str__(self) -> str:
        return f"{'https' if self.host.is_tls else 'http'}://{self.host.authority}{self.target}"


class WebhookChannel(Channel):
    """Posts a notification as JSON."""

    name = "webhook"
    contact = ContactField(
        name="webhook_url",
        must="must be an https URL of a public host, without a user, a password and a fragment",
        description="Where notifications are posted to: an https URL",
        example="https://example.com/hooks/vestnik",
        max_length=MAX_URL_LENGTH,
    )
    limits = Limits(title=200, text=50_000)

    def address_of(self, contact: str | None) -> str | None:
        """The URL in its normal form, or None when it is none that may be posted to; nobody is asked."""
        url = _parsed((contact or "").strip(), current().channels.webhook_networks)
        return str(url) if url else None

    def longest_send_seconds(self) -> float:
        """See SEND_SECONDS."""
        return SEND_SECONDS

    def sandbox(self, address: str) -> str | None:
        """`https://NAME.sandbox.vestnik.example/...`."""
        host = urlsplit(address).hostname or ""
        return host.removesuffix(DOMAIN).rstrip(".") if f".{host}".endswith(f".{DOMAIN}") else None

    def prepare(self) -> None:
        """Load the system's certificate authorities."""
        from chalicelib.channels.bounded_http import tls

        tls()

    def session(self) -> AbstractContextManager[Session]:
        """A session that keeps connections over a batch."""
        self.prepare()  # not within the first send's time
        return _session(current())


def _parsed(text: str, networks: "Networks") -> _Url | None:
    # What only a sending or the check of an address needs is loaded then.
    from chalicelib.channels.bounded_http import Host

    if len(text) > MAX_URL_LENGTH or _NOT_IN_A_URL.search(text):
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
        path, query = (quote(each, safe=_SAFE) for each in (parts.path or "/", parts.query))
    except ValueError:
        return None
    if "@" in parts.netloc or "#" in text or parts.scheme not in ("http", "https") or port == 0:
        return None
    is_tls = parts.scheme == "https"
    name = _host_name(parts.hostname or "", is_tls, networks)
    if name is None:
        return None
    host = Host(name, port or (443 if is_tls else 80), is_tls)
    url = _Url(host, path + (f"?{query}" if query else ""))
    return url if len(str(url)) <= MAX_URL_LENGTH else None


def _host_name(host: str, is_tls: bool, networks: "Networks") -> str | None:
    """The host in ASCII, or None: of addresses only those that may be posted to are one."""
    from chalicelib.channels.bounded_http import is_public

    try:
        address = ip_address(host)
    except ValueError:
        return _ascii(host) if is_tls else None
    is_own = any(address.version == each.version and address in each for each in networks)
    return str(address) if is_own or (is_tls and is_public(address)) else None


def _ascii(host: str) -> str | None:
    if not host.isascii():
        import idna

        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            return None
    host = host.removesuffix(".").lower()
    if len(host) > 253 or not _HOST_NAME.fullmatch(host) or _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None  # a number, in whichever way it is written, would be taken for an address
    return host


@contextmanager
def _session(settings: Settings) -> Iterator[Session]:
    """SecretUnavailableError when the key cannot be read: now, so that a send waits for the receiver only."""
    from chalicelib.channels.bounded_http import Connections

    networks = settings.channels.webhook_networks
    secret = read_secret(settings.link_secret)
    connections = Connections(networks)
    try:
        yield _WebhookSession(secret, connections, networks)
    finally:
        connections.close()


class _WebhookSession:
    def __init__(self, secret: Mapping[str, Any], connections: Any, networks: "Networks") -> None:
        self._secret, self._connections, self._networks = secret, connections, networks

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        """See `Session.send`."""
        from chalicelib.channels.bounded_http import ForbiddenHostError, NoAnswerError

        url = _parsed(letter.address, self._networks)
        if url is None:
            return Permanent("not a URL that may be posted to")
        now = utc_now()
        body = _body(letter, now)
        headers = _headers(keys_of(self._secret, str(url)), letter.id, now, body)
        # Asked at the very last: this process may have stood still since somebody looked at the time.
        limit = min(SEND_SECONDS, seconds_left())
        if limit <= 0:
            return no_time_left()
        try:
            answer = self._connections.post(url.host, url.target, headers, body, limit)
        except ForbiddenHostError as error:
            return Permanent(f"{url.host.name}: {error}")
        except NoAnswerError as error:
            return Retryable(f"{url.host.name}: {error}")
        return _result(answer, url.host.name, now)


def _body(letter: Letter, now: datetime) -> bytes:
    data = {
        "id": letter.id,
        "notification_id": letter.notification_id,
        "user_id": letter.user_id,
        "title": letter.title,
        "text": letter.text,
        "content_id": letter.content_id,
        "locale": letter.locale,
        "unsubscribe_url": letter.unsubscribe_url,
    }
    said = {"type": "notification", "timestamp": iso(now), "data": data}
    return json.dumps(said, separators=(",", ":")).encode()


def _headers(keys: list[bytes], letter_id: str, now: datetime, body: bytes) -> dict[str, str]:
    timestamp = int(now.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": "Vestnik",
        "webhook-id": letter_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(keys, letter_id, timestamp, body),
    }


def _result(answer: "Answer", host: str, now: datetime) -> SendResult:
    reason = f"{host}: status {answer.status}"
    wait = _wait_of(answer.headers.get("retry-after"), now) if answer.status in _WAIT else None
    match answer.status:
        case status if 200 <= status < 300:
            return Accepted(str(status))
        case status if 300 <= status < 400:
            return Permanent(f"{reason}: redirects are not followed")
        case status if wait is not None:
            return RateLimited(reason, wait)
        case status if status == GONE:
            return Permanent(reason, is_wrong_contact=True)
        case status if 400 <= status < 500 and status not in _WAIT | _LATER:
            return Permanent(reason)
    return Retryable(reason)


def _wait_of(text: str | None, now: datetime) -> float | None:
    """The seconds of a Retry-After, bounded; None where there is none that can be read."""
    try:
        if text is None:
            return None
        seconds = (
            float(text)
            if re.fullmatch(r"[0-9]{1,10}", text)
            else (parsedate_to_datetime(text) - now).total_seconds()
        )
    except (ValueError, TypeError, OverflowError):  # a date without a zone has no difference
        return None
    return min(max(seconds, LEAST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)
