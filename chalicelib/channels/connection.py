"""A connection to an HTTP server with a hard end to every exchange: after it nothing is sent any more.

A socket's timeout is for each operation: a server that dribbles, and a name service that is silent, outlive
it. So an exchange runs in a thread of its own, which is left alone when its time is over, and its socket cut.
No message holds the address: there may be a key in it.
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

MAX_ANSWER_BYTES = 64 * 1024

_AT_ONCE = struct.pack("ii", 1, 0)
"""Of SO_LINGER: on, no seconds."""


class NoAnswerError(Exception):
    """There is no whole answer, and nobody knows whether the request was worked; says why."""


@dataclass(frozen=True)
class Answer:
    """A whole answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@cache
def tls_context() -> ssl.SSLContext:
    """What certificates are checked by; reading them takes a moment, once."""
    return ssl.create_default_context()


class Connection:
    """One connection, opened when needed and reused until it breaks. For one thread."""

    def __init__(self, url: str) -> None:
        """`url` is an http or https one; its path stands before that of each request."""
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._base = parts.path.rstrip("/")
        self._kept: HTTPConnection | None = None
        if self._is_tls:
            tls_context()  # now, and not within the first exchange's time

    def post(self, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Answer:
        """The answer, within so many seconds; NoAnswerError when there is none. No redirect is followed."""
        kept, self._kept = self._kept, None
        exchange = _Exchange(kept or self._new(), seconds)
        thread = threading.Thread(
            target=exchange.run, args=(self._base + path, headers, body), name="exchange", daemon=True
        )
        thread.start()
        thread.join(seconds)
        if not exchange.cut():
            raise NoAnswerError(f"no end after {seconds:g} s")
        if exchange.answer is None:
            raise NoAnswerError(exchange.failure)
        self._kept = exchange.connection
        return exchange.answer

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _new(self) -> HTTPConnection:
        if self._is_tls:
            return HTTPSConnection(self._host, self._port, ssl_context=tls_context())
        return HTTPConnection(self._host, self._port)


class _Exchange:
    """One request and its answer, in a thread that may be given up."""

    def __init__(self, connection: HTTPConnection, seconds: float) -> None:
        self.connection = connection
        self.answer: Answer | None = None
        self.failure = "broken off"
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._turn = threading.Lock()
        self._is_cut = self._has_ended = False
        self._socket: socket.socket | None = None

    def run(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """The thread. Whatever it raises is a failure of the exchange."""
        try:
            answer = self._answered(path, headers, body)
        except (OSError, HTTPError, HTTPException, ValueError) as error:
            self._close()
            self.failure = type(error).__name__
        except _TooLongError:
            self._close()
            self.failure = f"an answer of more than {MAX_ANSWER_BYTES} bytes"
        else:
            self.answer = answer
        with self._turn:
            self._has_ended = True
            is_too_late = self._is_cut
        if is_too_late:
            self._close()

    def cut(self) -> bool:
        """Whether it has ended; if not, nothing is sent from now on, and what is open is broken off."""
        with self._turn:
            if self._has_ended:
                return True
            self._is_cut = True
            if self._socket is not None:
                try:
                    # Closed then by the thread, it drops what it has not sent yet.
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                    # Not that of a TLS socket, which the thread may just be using.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:
                    self.failure = "closed by itself"  # which is what was wanted
            return False

    def _answered(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        connection = self.connection
        # Where it was closed meanwhile nothing has been sent on it: a new one is safe.
        if connection.is_connected:
            connection.timeout = self._seconds
            connection.sock.settimeout(self._seconds)
        else:
            connection.close()
            connection.timeout = self._seconds
            connection.connect()
        self._may_send(connection.sock)
        connection.request(
            "POST",
            path,
            body,
            headers,
            preload_content=False,
            decode_content=False,
            enforce_content_length=True,
        )
        response = connection.getresponse()
        try:
            content = b""
            while part := response.read(MAX_ANSWER_BYTES):  # less than was promised is an error at the last
                content += part
                if len(content) > MAX_ANSWER_BYTES:
                    raise _TooLongError
        except BaseException:
            response.close()
            raise
        return Answer(
            response.status, {name.lower(): value for name, value in response.headers.items()}, content
        )

    def _may_send(self, opened: socket.socket) -> None:
        """To connect may have taken all the time: then nobody waits any more, and nothing may be sent."""
        with self._turn:
            if self._is_cut or time.monotonic() >= self._end:
                raise TimeoutError
            self._socket = opened

    def _close(self) -> None:
        try:
            self.connection.close()
        except (OSError, ValueError):
            self.failure = "broken"  # it was broken before


class _TooLongError(Exception):
    """Nobody reads so much."""
