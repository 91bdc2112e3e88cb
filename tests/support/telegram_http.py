"""HTTP for a Bot API that runs on loopback."""

import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from tests.support.telegram_answers import Behaviour, BreakOff, Close, Dribble, Hold, Raw, Refuse

DRIBBLE_SECONDS = 0.05


class Api(Protocol):
    """What answers the requests."""

    token: str

    def answer(self, method: str, body: Any, client_port: int) -> tuple[Behaviour | None, Any]:
        """How to behave, and the result if that is as Telegram does."""
        ...

    def wait_until_the_end(self, seconds: float) -> bool:
        """Whether it has ended within this time."""
        ...


class TelegramHttp(ThreadingHTTPServer):
    """A server whose connections end with it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    telegram: Api

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for each in list(self._open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has given up is what many tests are about."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: TelegramHttp

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the path has the token."""

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        behaviour, result = self._behaviour(raw)
        match behaviour:
            case Refuse(code, description, parameters):
                said = {"ok": False, "error_code": code, "description": description}
                self._send(code, json.dumps(said | ({"parameters": parameters} if parameters else {})))
            case Raw(body, status, headers):
                self._send(status, body, headers)
            case Hold():
                self.server.telegram.wait_until_the_end(60)
                self.close_connection = True
            case Close():
                self.close_connection = True
            case BreakOff():
                self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"ok": true')
                self.close_connection = True
            case Dribble():
                self._dribble()
            case None:
                self._send(200, json.dumps({"ok": True, "result": result}))

    def _behaviour(self, raw: bytes) -> tuple[Behaviour | None, Any]:
        telegram = self.server.telegram
        bot, _, method = self.path.removeprefix("/").partition("/")
        if not bot.startswith("bot") or ":" not in bot or not method:
            return Refuse(404, "Not Found"), None
        if bot != f"bot{telegram.token}":
            return Refuse(401, "Unauthorized"), None
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = None
        if not isinstance(body, dict) or (raw and self.headers.get("Content-Type") != "application/json"):
            return Refuse(400, "Bad Request: can't parse the request: JSON is needed"), None
        return telegram.answer(method, body, self.client_address[1])

    def _send(self, status: int, body: str | bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _dribble(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        self.close_connection = True
        while not self.server.telegram.wait_until_the_end(DRIBBLE_SECONDS):
            self.wfile.write(b" ")
