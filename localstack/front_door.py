"""Stands in for the API's custom domain: http://localhost:8004/… goes to the emulator's API Gateway.

What API Gateway and Lambda refuse is refused here too, since the emulator takes it: a body over 6 MB.
"""

import functools
import http.client
import re
import string
from email.message import Message
from urllib.parse import quote

from localstack.ports import LOOPBACK
from localstack.web import Handler, LoopbackServer

MAX_BODY_BYTES = 6 * 1024 * 1024  # the largest synchronous request to a function
UPSTREAM_TIMEOUT_SECONDS = 29.0  # API Gateway's own limit
# A client that is still sending a refused body would meet a reset instead of the answer.
MAX_DRAINED_BYTES = 64 * 1024 * 1024
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
NOT_FORWARDED = HOP_BY_HOP | {"host", "content-length", "expect"}


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class _Upstream:
    """Where the API is; a deployment can change its id while the door stands open."""

    def __init__(self, port: int, api_id: str, timeout: float) -> None:
        self.port, self.api_id, self.timeout = port, api_id, timeout

    def path(self, path: str) -> str:
        """The emulator's own path of an API path, final slash and query as they came."""
        return f"/_aws/execute-api/{self.api_id}/api{path}"


class _Door(Handler):
    def __init__(self, *args: object, upstream: _Upstream) -> None:
        self.upstream = upstream
        super().__init__(*args)  # type: ignore[arg-type]

    def handle_expect_100(self) -> bool:
        """Let answer() decide: a body that will be refused need not be sent."""
        return True

    def answer(self) -> None:
        """Hand the request on, and the answer back."""
        try:
            path = self._api_path()
            body = self._read_body()
        except _RefusedError as refusal:
            self.send_error(refusal.status, refusal.detail)
            return
        try:
            response, content = self._forward(path, body)
        except TimeoutError:
            self.send_problem(504, f"The API did not answer within {self.upstream.timeout:g} s.")
        except (http.client.HTTPException, OSError):
            self.send_problem(502, "The emulator behind this address does not answer.")
        else:
            self._send_back(response, content)

    def _api_path(self) -> str:
        # "GET http://localhost:8004/x" is allowed as well, and OPTIONS may ask for "*".
        path = self.path if self.path.startswith("/") else re.sub(r"^https?://[^/?]*", "", self.path)
        if not path.startswith("/"):
            raise _RefusedError(400, "The request's path must begin with a slash.")
        # Bytes that no URL may hold arrive as latin-1: send them on in their escaped form.
        return quote(path, safe=string.punctuation, encoding="latin-1")

    def _read_body(self) -> bytes:
        lengths = {value.strip() for value in self.headers.get_all("Content-Length", [])}
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        if len(lengths) > 1 or (chunked and lengths) or not all(x.isascii() and x.isdigit() for x in lengths):
            raise _RefusedError(400, "The request's length is not clear.")
        length = int(lengths.pop()) if lengths else 0
        if length > MAX_BODY_BYTES:
            self._drain(length)
            raise _too_large()
        if self.headers.get("Expect", "").lower() == "100-continue" and (length or chunked):
            self.send_response_only(100)
            self.end_headers()
        body = self._read_chunks() if chunked else self.rfile.read(length)
        if not chunked and len(body) < length:
            raise _RefusedError(400, "The body ended before its declared length.")
        return body

    def _drain(self, length: int) -> None:
        left = 0 if self.headers.get("Expect") else min(length, MAX_DRAINED_BYTES)
        while left > 0 and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := self._chunk_size():
            if len(body) + size > MAX_BODY_BYTES:
                raise _too_large()
            body += self.rfile.read(size)
            self.rfile.readline(3)
        while self.rfile.readline(65537).strip():
            continue  # trailers
        return bytes(body)

    def _chunk_size(self) -> int:
        try:
            return int(self.rfile.readline(1025).split(b";")[0], 16)
        except ValueError:
            raise _RefusedError(400, "The chunks of the body cannot be read.") from None

    def _forward(self, path: str, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        # A connection of its own for each request: one that is kept can be found closed after a POST was
        # sent on it, and then nobody knows whether to send it again.
        connection = http.client.HTTPConnection(LOOPBACK, self.upstream.port, timeout=self.upstream.timeout)
        try:
            connection.putrequest(
                self.command, self.upstream.path(path), skip_host=True, skip_accept_encoding=True
            )
            for name, value in self._request_headers(len(body)):
                connection.putheader(name, value)
            connection.endheaders(body or None)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def _request_headers(self, length: int) -> list[tuple[str, str]]:
        named = {name.strip().lower() for name in self.headers.get("Connection", "").split(",")}
        headers = [
            (name, value)
            for name, value in self.headers.items()
            if name.lower() not in NOT_FORWARDED | named | {"x-forwarded-for", "x-forwarded-proto"}
        ]
        # Never the client's own Host: by such a name the emulator would answer as another service.
        headers.append(("Host", f"localhost:{self.server.server_port}"))  # type: ignore[attr-defined]
        headers.append(("X-Forwarded-For", self._forwarded_for()))
        headers.append(("X-Forwarded-Proto", "http"))
        if length or self.command in {"POST", "PUT", "PATCH"}:
            headers.append(("Content-Length", str(length)))
        return [*headers, ("Connection", "close")]

    def _forwarded_for(self) -> str:
        before = self.headers.get_all("X-Forwarded-For", [])
        return ", ".join([*before, str(self.client_address[0])])

    def _send_back(self, response: http.client.HTTPResponse, content: bytes) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in _response_headers(response.headers):
            self.send_header(name, value)
        if response.status not in {204, 304}:
            length = response.headers["Content-Length"] if self.command == "HEAD" else len(content)
            self.send_header("Content-Length", str(length or 0))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)


def _response_headers(headers: Message) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in NOT_FORWARDED]


def _too_large() -> _RefusedError:
    return _RefusedError(413, f"The body is larger than {MAX_BODY_BYTES // 1024 // 1024} MB.")


class FrontDoor(LoopbackServer):
    """The API under the address clients know."""

    def __init__(
        self, port: int, emulator_port: int, api_id: str, timeout: float = UPSTREAM_TIMEOUT_SECONDS
    ) -> None:
        self._upstream = _Upstream(emulator_port, api_id, timeout)
        super().__init__(port, functools.partial(_Door, upstream=self._upstream))
