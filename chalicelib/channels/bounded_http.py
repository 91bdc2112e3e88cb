"""HTTP with one deadline over everything: the name's resolution, connection, TLS, every byte of the answer.

For hosts that strangers name, only to public addresses, each checked and then connected to itself. Redirects
are not followed, and the environment's proxies are not asked. No message holds a path or a query: there may
be a key in it.
"""

import http.client
import io
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, cast

MAX_ADDRESSES = 4
"""Of a name so many are tried, one after the other, until one can be connected to."""
MAX_ANSWER_BYTES = 64 * 1024
KEPT_CONNECTIONS = 8
_AT_ONCE = struct.pack("ii", 1, 0)
"""Of SO_LINGER: on, no seconds."""

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

ANYWHERE: Networks = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
"""For a host that an operator has named."""

_UNICAST = IPv6Network("2000::/3")
"""All that is handed out of IPv6. Mapped addresses, NAT64, link-local, multicast and the rest are outside."""
_NOT_PUBLIC = (
    IPv4Network("192.0.0.0/24"),  # protocols of the IETF, DS-Lite among them
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv6Network("2001::/23"),  # Teredo and others, which lead elsewhere
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4: an address of IPv4, a private one perhaps, is within
    IPv6Network("3fff::/20"),
)
"""What `is_global` lets through, or may in some version, and is not somebody's public server."""


class ForbiddenHostError(Exception):
    """None of a host's addresses is public; says why."""


class NoAnswerError(Exception):
    """Nobody answered in time: no address, no connection, no TLS, or no whole answer; says what."""


@dataclass(frozen=True)
class Host:
    """Who is asked."""

    name: str
    port: int
    is_tls: bool

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers are in lower case. No body: it did not come whole, or is too long."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None = None


def is_public(address: Address, networks: Networks = ()) -> bool:
    """Whether somebody's public server may be there, or it is in a network that is allowed all the same."""
    if any(address.version == each.version and address in each for each in networks):
        return True
    if address.is_multicast or any(
        address.version == each.version and address in each for each in _NOT_PUBLIC
    ):
        return False
    return address.is_global and (address.version == 4 or address in _UNICAST)


class Connections:
    """Connections that are kept for a batch, at most KEPT_CONNECTIONS; the oldest goes first."""

    def __init__(self, networks: Networks = ()) -> None:
        self._networks = networks
        self._kept: dict[Host, _Connection] = {}

    def post(
        self, host: Host, target: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Answer:
        """The answer to a POST; ForbiddenHostError or NoAnswerError."""
        deadline = time.monotonic() + seconds
        connection = self._kept.pop(host, None)
        try:
            if connection is None or connection.is_gone():
                connection = self._anew(connection, host, deadline)
            answer, may_be_kept = connection.ask(target, {**headers, "Host": host.authority}, body, deadline)
        except BaseException as error:
            if connection is not None:
                connection.abort()
            if isinstance(error, OSError | http.client.HTTPException):
                raise NoAnswerError(_reason(error, seconds)) from error
            raise
        if may_be_kept:
            self._kept[host] = connection
            if len(self._kept) > KEPT_CONNECTIONS:
                self._kept.pop(next(iter(self._kept))).close()
        else:
            connection.close()
        return answer

    def _anew(self, before: "_Connection | None", host: Host, deadline: float) -> "_Connection":
        if before is not None:
            before.close()
        return _Connection(host, _connect(host, self._networks, deadline))

    def close(self) -> None:
        """Close what is kept."""
        while self._kept:
            self._kept.popitem()[1].close()


class _Connection:
    """A connection that one request after the other goes over."""

    def __init__(self, host: Host, raw: socket.socket) -> None:
        self._raw = raw
        self._socket = _TimedSocket(raw)
        self._http = http.client.HTTPConnection(host.name, host.port)
        self._http.auto_open = 0  # it would resolve the name itself
        self._http.sock = cast(Any, self._socket)

    def is_gone(self) -> bool:
        """Whether the server has closed it meanwhile, or said something that nobody asked for."""
        self._raw.settimeout(0)
        try:
            self._raw.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        return True

    def ask(
        self, target: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> tuple[Answer, bool]:
        """The answer, and whether its body came whole, so that the connection can be used again."""
        self._socket.deadline = deadline
        self._http.request("POST", target, body, dict(headers))
        response = self._http.getresponse()
        said = {name.lower(): value for name, value in response.getheaders()}
        content = None
        # The status is an answer, whatever becomes of the body.
        with suppress(OSError, http.client.HTTPException):
            read = response.read(MAX_ANSWER_BYTES)
            is_whole = not response.length and (response.isclosed() or not response.read(1))
            content = read if is_whole else None
        response.close()
        return Answer(response.status, said, content), content is not None and not response.will_close

    def close(self) -> None:
        self._http.close()
        self._raw.close()

    def abort(self) -> None:
        """Close it, and drop what is not sent yet: of a request that was given up nothing more goes out."""
        with suppress(OSError):  # it is closed by the other side already
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.close()


@cache
def tls() -> ssl.SSLContext:
    """How servers are checked: the system's authorities, which take a while to load."""
    return ssl.create_default_context()


def _reason(error: Exception, seconds: float) -> str:
    # What a server says in the place of HTTP is not repeated.
    match error:
        case TimeoutError():
            return f"no answer within {seconds:.1f} s"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS: {error.reason or 'broken off'}"
        case OSError(strerror=str(said)):
            return f"no connection: {said}"
    return f"no answer: {type(error).__name__}"


def _connect(host: Host, networks: Networks, deadline: float) -> socket.socket:
    """A connection to an address of the host that was checked: its name is not resolved a second time."""
    found = resolve(host.name, host.port, deadline)
    allowed = [each for each in found if is_public(each, networks)][:MAX_ADDRESSES]
    if not allowed:
        raise ForbiddenHostError("its address is not a public one")
    raw = _first_connected(allowed, host.port, deadline)
    try:
        if host.is_tls:
            raw.settimeout(_left(deadline))  # of the whole handshake
            raw = tls().wrap_socket(raw, server_hostname=host.name)
    except BaseException:
        raw.close()
        raise
    return raw


def _first_connected(addresses: Sequence[Address], port: int, deadline: float) -> socket.socket:
    failure: OSError | None = None
    for count, address in enumerate(addresses):
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        raw = socket.socket(family, socket.SOCK_STREAM)
        try:
            raw.settimeout(_left(deadline) / (len(addresses) - count))
            raw.connect((str(address), port))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raw.close()
            failure = error
        except BaseException:
            raw.close()
            raise
        else:
            return raw
    raise failure or OSError("no address")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time left")
    return left


def resolve(name: str, port: int, deadline: float) -> list[Address]:
    """The addresses of a name; TimeoutError at the deadline, NoAnswerError when it has none."""
    with suppress(ValueError):
        return [ip_address(name)]
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    # The system's resolver knows no time limit. What hangs there ends in its own time, and does nothing then.
    thread = threading.Thread(target=ask, name="resolver", daemon=True)
    thread.start()
    thread.join(_left(deadline))
    match found:
        case []:
            raise TimeoutError("the name was not resolved in time")
        case [Exception() as error]:
            raise NoAnswerError("its name cannot be resolved") from error
    addresses: list[Address] = [ip_address(each[4][0]) for each in found[0]]
    return list(dict.fromkeys(addresses))


class _TimedSocket:
    """What http.client needs of a socket; each operation ends at the deadline at the latest."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self.deadline = 0.0

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._raw.settimeout(_left(self.deadline))
            rest = rest[self._raw.send(rest) :]

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self.recv_into))

    def recv_into(self, buffer: Any) -> int:
        self._raw.settimeout(_left(self.deadline))
        return self._raw.recv_into(buffer)

    def close(self) -> None:
        """Left open: http.client closes it when the answer has only begun."""


class _Reader(io.RawIOBase):
    """The reading side of a socket."""

    def __init__(self, recv_into: Callable[[Any], int]) -> None:
        self._recv_into = recv_into

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._recv_into(buffer)
