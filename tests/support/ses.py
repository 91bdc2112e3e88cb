"""A stand-in for Amazon SES at a loopback address: it answers as it is told, and keeps what it was sent."""

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Refusal:
    """An error of SES's."""

    status: int
    code: str
    message: str = ""


@dataclass(frozen=True)
class Silence:
    """No answer for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Break:
    """The connection ends instead of an answer."""


Answer = Refusal | Silence | Break


class ScriptedSes:
    """Takes SendEmail over HTTP; says yes unless `answers` has something else to say first."""

    def __init__(self) -> None:
        self.requests: list[Mapping[str, Any]] = []
        self.answers: list[Answer] = []
        self.connections = 0
        ses = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                ses.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/v2/email/outbound-emails"
                ses.requests.append(body)
                match ses.answers.pop(0) if ses.answers else None:
                    case Refusal(status, code, message):
                        self._say(status, {"message": message}, {"x-amzn-ErrorType": code})
                    case Silence(seconds):
                        ses.ended.wait(seconds)
                        self.close_connection = True
                    case Break():
                        self.close_connection = True
                    case _:
                        self._say(200, {"MessageId": f"id-{len(ses.requests)}"}, {})

            def _say(self, status: int, body: Mapping[str, str], headers: Mapping[str, str]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: a test's output is its own."""

        self.ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="scripted-ses")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def messages(self) -> list[bytes]:
        """The mails that it was sent, as they were written."""
        return [base64.b64decode(each["Content"]["Raw"]["Data"]) for each in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Be gone; done again it does nothing."""
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
