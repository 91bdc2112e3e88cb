"""A small threaded HTTP server on loopback, for the front door and the mailbox's page."""

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from localstack.ports import LOOPBACK

HandlerFactory = Callable[..., BaseHTTPRequestHandler]


class Handler(BaseHTTPRequestHandler):
    """Keep-alive, quiet, and with problem details instead of HTML pages for errors."""

    protocol_version = "HTTP/1.1"
    timeout = 75  # seconds an idle connection is kept
    disable_nagle_algorithm = True  # head and body are two writes: together they would wait 40 ms

    def answer(self) -> None:
        """Answer the request that was read, whatever its method is."""
        raise NotImplementedError

    def handle_one_request(self) -> None:
        """Read one request and answer it."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif len(self.raw_requestline) > 65536:
            self.requestline, self.request_version, self.command = "", "", ""
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif self.parse_request():
            self.answer()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the emulator's log has every request."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer problem details (RFC 9457) and close, since the request was not read to its end."""
        self.close_connection = True
        self.send_problem(code, message or explain or HTTPStatus(code).phrase)

    def send_problem(self, status: int, detail: str) -> None:
        """Answer problem details (RFC 9457)."""
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
        }
        self.send_body(status, "application/problem+json", json.dumps(problem).encode())

    def send_body(
        self, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        """Answer with a whole body."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    address = LOOPBACK
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's full name, which can take seconds."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if self.allow_reuse_address:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Let a client go quietly when it hangs up; anything else is a fault worth its traceback."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Server6(_Server):
    address = "::1"
    address_family = socket.AF_INET6


class LoopbackServer:
    """Serves a handler on 127.0.0.1, and on ::1 where there is one, in threads of its own."""

    def __init__(self, port: int, handler: HandlerFactory) -> None:
        self._servers: list[_Server] = [_Server((_Server.address, port), handler)]
        self.port = self._servers[0].server_port
        # "localhost" may mean ::1 first; a machine without IPv6 simply has no second server.
        with contextlib.suppress(OSError):
            self._servers.append(_Server6((_Server6.address, self.port), handler))

    def start(self) -> Self:
        """Begin to answer."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the ports; connections still open end with the process."""
        for server in self._servers:
            stopping = threading.Thread(target=server.shutdown)
            stopping.start()
            # Its loop looks for the end twice a second, or when somebody knocks.
            with contextlib.suppress(OSError):
                socket.create_connection((server.address, self.port), timeout=1).close()
            stopping.join()
            server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
