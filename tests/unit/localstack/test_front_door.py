"""The front door against a real server in the emulator's place."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message

import pytest

from localstack.front_door import MAX_BODY_BYTES, FrontDoor
from localstack.ports import LOOPBACK, free_port
from localstack.web import Handler, LoopbackServer

ANSWER = b'{"hello": "\xd0\xbc\xd0\xb8\xd1\x80"}'


@dataclass
class Seen:
    """One request as the stand-in for the emulator got it."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass
class Emulated:
    """The stand-in: what it was asked, and what it answers."""

    requests: list[Seen] = field(default_factory=list)
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = ANSWER
    may_answer: threading.Event = field(default_factory=threading.Event)

    def handler(self) -> type[Handler]:
        """A request handler that notes and answers."""
        emulated = self

        class Noting(Handler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                emulated.requests.append(Seen(self.command, self.path, self.headers, body))
                emulated.may_answer.wait(10)
                self.send_response_only(emulated.status)
                for name, value in emulated.headers:
                    self.send_header(name, value)
                if emulated.status != 204:
                    self.send_header("Content-Length", str(len(emulated.body)))
                self.end_headers()
                if self.command != "HEAD" and emulated.status != 204:
                    self.wfile.write(emulated.body)

        return Noting


@dataclass
class Door:
    """An open front door with its stand-in emulator."""

    port: int
    emulated: Emulated

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """A client's connection."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        try:
            yield connection
        finally:
            connection.close()

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request; the response and its body."""
        with self.connection() as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response, response.read()

    def ask_raw(self, request: bytes) -> bytes:
        """Bytes as they are; everything that comes back until the end."""
        with socket.create_connection((LOOPBACK, self.port), timeout=10) as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))

    @property
    def last(self) -> Seen:
        """What reached the emulator last."""
        return self.emulated.requests[-1]


@pytest.fixture
def door() -> Iterator[Door]:
    emulated = Emulated()
    emulated.may_answer.set()
    with LoopbackServer(0, emulated.handler()) as server, FrontDoor(0, server.port, "abc123") as front:
        yield Door(front.port, emulated)


def assert_problem(response: http.client.HTTPResponse, body: bytes, status: int) -> None:
    assert response.status == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1/notifications",
        "/api/v1/notifications/",
        "/api/v1/x?page=2&page=3&q=a%20b%2Bc+d&empty=",
        "/api/v1/x/?a=1",
        "/a%2Fb/%D1%8F",
        "/../../_ministack/reset",
    ],
)
def test_path_and_query_arrive_as_they_were_sent(door: Door, path: str) -> None:
    door.ask("GET", path)

    assert door.last.path == f"/_aws/execute-api/abc123/api{path}"


def test_an_absolute_address_is_a_path_too(door: Door) -> None:
    door.ask("GET", "http://localhost:8004/api/v1/x/?a=1")

    assert door.last.path == "/_aws/execute-api/abc123/api/api/v1/x/?a=1"


def test_bytes_no_address_may_hold_are_escaped(door: Door) -> None:
    door.ask_raw("GET /я HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    assert door.last.path == "/_aws/execute-api/abc123/api/%D1%8F"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_goes_through(door: Door, method: str) -> None:
    response, body = door.ask(method, "/x")

    assert (door.last.method, response.status, body) == (method, 200, ANSWER)


def test_head_tells_the_length_and_sends_nothing(door: Door) -> None:
    response, body = door.ask("HEAD", "/x")

    assert (response.headers["Content-Length"], body) == (str(len(ANSWER)), b"")


def test_headers_go_through_but_for_those_of_the_connection(door: Door) -> None:
    sent = {
        "Authorization": "demo secret",
        "X-Own": "1",
        "Connection": "X-Private",
        "X-Private": "2",
        "TE": "gzip",
    }
    door.ask("GET", "/x", headers=sent)

    assert door.last.headers["Authorization"] == "demo secret"
    assert door.last.headers["X-Own"] == "1"
    assert door.last.headers["X-Private"] is None
    assert door.last.headers["TE"] is None
    assert door.last.headers["X-Forwarded-For"] == LOOPBACK
    assert door.last.headers["X-Forwarded-Proto"] == "http"


def test_the_emulator_never_sees_a_host_of_the_clients_choice(door: Door) -> None:
    door.ask("GET", "/x", headers={"Host": "bucket.s3.localhost"})

    assert door.last.headers["Host"] == f"localhost:{door.port}"


def test_status_and_repeated_headers_come_back(door: Door) -> None:
    door.emulated.status = 422
    door.emulated.headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Retry-After", "3")]

    response, body = door.ask("POST", "/x", b"{}")

    assert (response.status, body) == (422, ANSWER)
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert response.headers["Retry-After"] == "3"


def test_an_answer_without_body_has_none(door: Door) -> None:
    door.emulated.status = 204

    response, body = door.ask("DELETE", "/x")

    assert (response.status, body, response.headers["Content-Length"]) == (204, b"", None)


@pytest.mark.parametrize("size", [0, 1, 4_400_000, MAX_BODY_BYTES])
def test_a_binary_body_of_any_allowed_size_goes_through(door: Door, size: int) -> None:
    sent = bytes(range(256)) * (size // 256) + bytes(size % 256)

    response, _ = door.ask("POST", "/x", sent)

    assert response.status == 200
    assert door.last.body == sent


def test_a_chunked_body_goes_through_whole(door: Door) -> None:
    with door.connection() as connection:
        connection.request("POST", "/x", iter([b"one ", b"two ", b"three"]), encode_chunked=True)
        response = connection.getresponse()

    assert response.status == 200
    assert door.last.body == b"one two three"


def test_a_body_over_the_limit_is_refused_and_the_client_reads_why(door: Door) -> None:
    response, body = door.ask("POST", "/x", bytes(MAX_BODY_BYTES + 1))

    assert_problem(response, body, 413)
    assert door.emulated.requests == []


def test_a_chunked_body_over_the_limit_is_refused(door: Door) -> None:
    size = MAX_BODY_BYTES + 1
    request = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % size

    assert door.ask_raw(request).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_asks_first_need_not_send_a_refused_body(door: Door) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"

    assert door.ask_raw(head % 90_000_000).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_asks_first_is_told_to_go_on(door: Door) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"

    assert door.ask_raw(head + b"Connection: close\r\n\r\n{}").startswith(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"
    )


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"Content-Length: -2\r\n\r\n{}",
        b"Content-Length: 20\r\n\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
)
def test_a_body_of_unclear_length_is_refused(door: Door, head: bytes) -> None:
    assert door.ask_raw(b"POST /x HTTP/1.1\r\nHost: x\r\n" + head).startswith(b"HTTP/1.1 400 ")
    assert door.emulated.requests == []


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"OPTIONS * HTTP/1.1", 400), (b"nonsense", 400), (b"GET /" + b"x" * 70_000 + b" HTTP/1.1", 414)],
)
def test_an_unreadable_request_gets_problem_details(door: Door, request_line: bytes, status: int) -> None:
    answer = door.ask_raw(request_line + b"\r\nHost: x\r\n\r\n")

    assert b"%d" % status in answer.splitlines()[0] or json.loads(answer)["status"] == status


def test_a_connection_serves_many_requests(door: Door) -> None:
    with door.connection() as connection:
        for number in range(20):
            connection.request("POST", f"/{number}", b"{}")
            connection.getresponse().read()
            if number == 0:
                first = connection.sock
        assert connection.sock is first

    assert len(door.emulated.requests) == 20


def test_requests_are_answered_side_by_side(door: Door) -> None:
    door.emulated.may_answer.clear()
    slow = threading.Thread(target=door.ask, args=("GET", "/slow"))
    slow.start()
    second = threading.Thread(target=door.ask, args=("GET", "/second"))
    second.start()
    # Only when both have arrived may either be answered.
    while len(door.emulated.requests) < 2:
        slow.join(0.01)
    door.emulated.may_answer.set()
    slow.join(10)
    second.join(10)

    assert {seen.path[-5:] for seen in door.emulated.requests} == {"/slow", "econd"}


def test_an_emulator_that_is_down_is_a_bad_gateway() -> None:
    with FrontDoor(0, free_port(), "abc123") as front:
        response, body = Door(front.port, Emulated()).ask("POST", "/x", b"{}")

    assert_problem(response, body, 502)


def test_an_emulator_that_hangs_up_is_a_bad_gateway() -> None:
    class HangingUp(Handler):
        def answer(self) -> None:
            self.close_connection = True

    with LoopbackServer(0, HangingUp) as server, FrontDoor(0, server.port, "abc123") as front:
        response, body = Door(front.port, Emulated()).ask("GET", "/x")

    assert_problem(response, body, 502)


def test_an_emulator_that_does_not_answer_is_a_gateway_timeout() -> None:
    emulated = Emulated()
    with (
        LoopbackServer(0, emulated.handler()) as server,
        FrontDoor(0, server.port, "abc123", timeout=0.05) as front,
    ):
        response, body = Door(front.port, emulated).ask("GET", "/x")
        emulated.may_answer.set()

    assert_problem(response, body, 504)


def test_localhost_may_also_mean_ipv6(door: Door) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        connection = http.client.HTTPConnection("::1", door.port, timeout=10)
        connection.request("GET", "/x")
    except OSError:
        pytest.skip("no IPv6 here")

    assert connection.getresponse().status == 200
    connection.close()
