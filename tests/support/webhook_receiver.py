"""A real receiver of webhooks on loopback, over HTTP or HTTPS, whose answers are scripted.

    with WebhookReceiver() as receiver:
        receiver.answer(Status(503, (("Retry-After", "7"),)), times=1)
        ...
        (got,) = receiver.got("/hooks/anna")

It checks every signature as a receiver should, by the standard library and nothing of Vestnik's.
"""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.support.waiting import wait_until

LOOPBACK = "127.0.0.1"
DRIBBLE_SECONDS = 0.05
ANY = ""


@dataclass(frozen=True)
class Status:
    """Answer this status."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"{}"


@dataclass(frozen=True)
class Hold:
    """Take the request and say nothing until the end."""


@dataclass(frozen=True)
class Close:
    """Close the connection instead of answering."""


@dataclass(frozen=True)
class Dribble:
    """Begin an answer and never end it: a byte at a time, each in good time for a timeout per operation."""

    in_head: bool = True


@dataclass(frozen=True)
class Huge:
    """A success with a body that has no end."""


@dataclass(frozen=True)
class Nonsense:
    """Something that is not HTTP."""


Behaviour = Status | Hold | Close | Dribble | Huge | Nonsense


@dataclass(frozen=True)
class Got:
    """A request that came, and over which connection."""

    method: str
    target: str
    headers: dict[str, str]
    raw: bytes
    client_port: int

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed_by(self, secret: str) -> bool:
        """Whether one of its signatures is by this secret (whsec_…)."""
        assert secret.startswith("whsec_")
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        signed = b".".join([self.id.encode(), self.headers["webhook-timestamp"].encode(), self.raw])
        mine = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        given = [each.split(",") for each in self.headers["webhook-signature"].split(" ")]
        assert all(version == "v1" for version, _ in given)
        return any(hmac.compare_digest(each, mine) for _, each in given)


class WebhookReceiver:
    """See the module."""

    def __init__(self, tls: ssl.SSLContext | None = None, address: str = LOOPBACK, port: int = 0) -> None:
        self._scripts: dict[str, list[tuple[Behaviour, int | None]]] = {}
        self._lock = threading.Lock()
        self._got: list[Got] = []
        self.ended = threading.Event()
        self._server = _Server((address, port), _Handler)
        self._server.receiver = self
        self._server.tls = tls
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/hook", host: str = LOOPBACK) -> str:
        """Where it is posted to."""
        scheme = "https" if self._server.tls else "http"
        return f"{scheme}://{host}:{self.port}{path}"

    def answer(self, behaviour: Behaviour, to: str = ANY, times: int | None = None) -> None:
        """Answer so to what is posted to a path (to any other), so many times; then as was said before."""
        with self._lock:
            self._scripts.setdefault(to, []).insert(0, (behaviour, times))

    def got(self, target: str = ANY) -> list[Got]:
        """What came, in its order."""
        with self._lock:
            return [each for each in self._got if target in (ANY, each.target)]

    def wait_for(self, number: int, target: str = ANY, timeout: float = 30.0) -> list[Got]:
        """Wait until so much has come."""
        return wait_until(
            lambda: got if len(got := self.got(target)) >= number else None, timeout, f"{number} webhooks"
        ) or []  # fmt: skip

    def ids(self, target: str = ANY) -> Counter[str]:
        """How often each webhook-id came."""
        return Counter(each.id for each in self.got(target))

    def drop_connections(self) -> None:
        """End every connection, as a server does that is tired of idle ones; until that is done."""
        wait_until(self._server.dropped, 30.0, "no connection")

    def take(self, got: Got) -> Behaviour:
        """Keep a request; how to answer it."""
        with self._lock:
            self._got.append(got)
            for script in (self._scripts.get(got.target, []), self._scripts.get(ANY, [])):
                for index, (behaviour, times) in enumerate(script):
                    if times == 0:
                        continue
                    if times is not None:
                        script[index] = behaviour, times - 1
                    return behaviour
        return Status()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    receiver: WebhookReceiver
    tls: ssl.SSLContext | None

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        # In the connection's own thread: a client that does not shake hands holds nobody else up.
        with self.tls.wrap_socket(request.dup(), server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for each in list(self._open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its client was faster

    def dropped(self) -> bool:
        self.close_connections()
        return not self._open

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has given up is what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver = self.server.receiver
        match receiver.take(Got(self.command, self.path, headers, raw, self.client_address[1])):
            case Status(status, more, body):
                self._send(status, more, body)
            case Hold():
                self.close_connection = True
                receiver.ended.wait(60)
            case Close():
                self.close_connection = True
            case Dribble(in_head):
                self._dribble(in_head)
            case Huge():
                self._huge()
            case Nonsense():
                self.close_connection = True
                self.wfile.write(b"220 mail.example.com ESMTP\r\n")

    def do_GET(self) -> None:
        self.do_POST()  # what follows a redirect may come so

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _send(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _dribble(self, in_head: bool) -> None:
        self.close_connection = True
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\n" + (b"X-Long: " if in_head else b"Content-Length: 100000\r\n\r\n")
        )
        while not self.server.receiver.ended.wait(DRIBBLE_SECONDS):
            self.wfile.write(b" ")

    def _huge(self) -> None:
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while not self.server.receiver.ended.is_set():
            self.wfile.write(b"x" * 65536)
