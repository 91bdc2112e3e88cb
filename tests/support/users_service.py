"""The outside users service: a real threaded HTTP server on loopback that speaks the original's protocol.

    with UsersService() as service:
        service.add(user_id, email="anna@example.com", login="anna")
        service.misbehave("contacts", Status(503), times=2)
        ...

It pages what is posted to it, as the original does, and answers 400 to what the original would not have sent.
"""

import json
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from tests.support.aws import World

LOOPBACK = "127.0.0.1"
DRIBBLE_SECONDS = 0.05


@dataclass(frozen=True)
class Status:
    """Answer this status, with a body of JSON."""

    status: int
    body: str = '{"detail": "no"}'
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Raw:
    """Answer 200 with these bytes."""

    body: bytes


@dataclass(frozen=True)
class Hold:
    """Take the request and say nothing until the end."""


@dataclass(frozen=True)
class Close:
    """Close the connection instead of answering."""


@dataclass(frozen=True)
class Dribble:
    """Begin an answer and never end it: a byte at a time, each in good time for a timeout per operation."""

    in_head: bool = False


@dataclass(frozen=True)
class BreakOff:
    """Promise more of a body than comes, and close."""


Behaviour = Status | Raw | Hold | Close | Dribble | BreakOff


@dataclass(frozen=True)
class Asked:
    """A request that came, and over which connection."""

    what: str
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    client_port: int


@dataclass
class Known:
    """What the service knows of a user."""

    email: str | None = None
    chat_id: int | str | None = None
    login: str | None = None


@dataclass
class _Misbehaviour:
    behaviour: Behaviour
    times: int | None


@dataclass
class UsersService:
    """See the module."""

    page_size: int = 100
    ids_as: str = "dashed"
    """How ids come back: dashed, hex, upper."""
    asked: list[Asked] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    """Whose each token is."""
    published_keys: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._misbehaviours: dict[str, _Misbehaviour] = {}
        self._ended = threading.Event()
        self._server = _Server((LOOPBACK, 0), _Handler)
        self._server.service = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Be out of reach: connections are refused, and those that there are end."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    @property
    def settings(self) -> dict[str, str]:
        """What a deployment is told of it, by environment variable."""
        return {
            "GET_USERS_INFO_HOST": f"{self.url}/users/info/?page={{page}}&field={{field}}",
            "GET_USER_INFO_HOST": f"{self.url}/users/{{user_id}}/info/",
            "AUTH_HOST": f"{self.url}/auth/me/",
            "AUTH_JWKS_URL": f"{self.url}/auth/keys/",
            "PAGE_SIZE_FOR_NUMBERS_INFO_HOST": str(self.page_size),
        }

    def add(self, user_id: str, **known: Any) -> None:
        """Know a user."""
        self._known[str(UUID(user_id))] = Known(**known)

    def add_all(self, user_ids: Iterable[str], domain: str = "example.com") -> None:
        """Know users, each with a mail address and a login."""
        for user_id in user_ids:
            number = UUID(user_id).int
            self.add(user_id, email=f"user-{number}@{domain}", login=f"login-{number}")

    def misbehave(self, what: str, behaviour: Behaviour, times: int | None = None) -> None:
        """Answer like this whatever of a kind is asked: contacts, name, token or keys."""
        self._misbehaviours[what] = _Misbehaviour(behaviour, times)

    def behave(self) -> None:
        self._misbehaviours.clear()

    def count(self, what: str) -> int:
        """How often that was asked."""
        return sum(each.what == what for each in self.asked)

    # The protocol.

    def answer(self, what: str, asked: Asked) -> tuple[int, Any]:
        """A status, and what is said in JSON."""
        if what == "contacts":
            return self._contacts(asked)
        if what == "name":
            known = self._known.get(_dashed(asked.path.split("/")[2]))
            return (200, {"login": known.login}) if known else (404, {"detail": "Not found."})
        if what == "keys":
            return 200, {"keys": self.published_keys}
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            return 401, {"detail": "Invalid token."}
        return 200, {"id": self.tokens[token]}

    def _contacts(self, asked: Asked) -> tuple[int, Any]:
        query = parse_qs(urlsplit(asked.path).query)
        page, field_name = query.get("page", [""])[0], query.get("field", [""])[0]
        ids = asked.body.get("ids") if isinstance(asked.body, dict) else None
        if not page.isdigit() or page == "0" or field_name not in ("email", "chat_id"):
            return 400, {"detail": "page and field are needed"}
        if asked.headers.get("content-type") != "application/json" or not isinstance(ids, list) or not ids:
            return 400, {"detail": "ids are needed, as JSON"}
        start = (int(page) - 1) * self.page_size
        found = {}
        for user_id in ids[start : start + self.page_size]:
            known = self._known.get(_dashed(user_id))
            if known is not None:
                contact = getattr(known, field_name)
                found[self._written(user_id)] = "None" if contact is None else contact
        return 200, found

    def _written(self, user_id: str) -> str:
        if self.ids_as == "hex":
            return user_id.replace("-", "")
        return user_id.upper() if self.ids_as == "upper" else user_id

    def take_behaviour(self, what: str) -> Behaviour | None:
        """How to answer, if not as the protocol has it."""
        found = self._misbehaviours.get(what)
        if found is None or found.times == 0:
            return None
        if found.times is not None:
            found.times -= 1
        return found.behaviour

    def wait_until_the_end(self, seconds: float) -> bool:
        return self._ended.wait(seconds)


def _dashed(user_id: str) -> str:
    try:
        return str(UUID(user_id))
    except ValueError:
        return user_id


def _kind(path: str) -> str:
    route = urlsplit(path).path
    if route == "/users/info/":
        return "contacts"
    if route.startswith("/users/"):
        return "name"
    return {"/auth/me/": "token", "/auth/keys/": "keys"}.get(route, "elsewhere")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    service: UsersService

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        service = self.server.service
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        what = _kind(self.path)
        asked = Asked(what, self.command, self.path, headers, body, self.client_address[1])
        service.asked.append(asked)
        match service.take_behaviour(what):
            case Status(status, text, more):
                self._send(status, text.encode(), more)
            case Raw(content):
                self._send(200, content)
            case Hold():
                service.wait_until_the_end(60)
                self.close_connection = True
            case Close():
                self.close_connection = True
            case Dribble(in_head):
                self._dribble(in_head)
            case BreakOff():
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
                self.close_connection = True
            case None:
                status, said = service.answer(what, asked)
                self._send(status, json.dumps(said).encode())

    def _send(self, status: int, body: bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _dribble(self, in_head: bool) -> None:
        head = b"HTTP/1.1 200 OK\r\n" + (b"X-Long: " if in_head else b"Content-Length: 100000\r\n\r\n")
        self.wfile.write(head)
        self.close_connection = True
        while not self.server.service.wait_until_the_end(DRIBBLE_SECONDS):
            self.wfile.write(b" ")


def check_tokens_by(world: World, service: UsersService, way: str) -> None:
    """Have users' tokens checked by the service, by a key, or by the keys that it publishes."""
    for name, value in {**service.settings, "USER_AUTH": way}.items():
        world.configure(name, value)
