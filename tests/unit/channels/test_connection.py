"""A connection to an HTTP server: certificates, and an end that is one."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.channels import connection
from chalicelib.channels.connection import Connection, NoAnswerError

LOOPBACK = "127.0.0.1"
SOON = 0.3
LONG = 20.0
BIG = b"x" * (64 << 20)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "cert.pem", folder / "key.pem"


class Server(ThreadingHTTPServer):
    """Answers 200 with the path; or nothing, to /silent."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Handler)
        self.asked: list[tuple[str, bytes, int]] = []
        self.ended = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off is what this is about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, body, self.client_address[1]))
        if self.path.endswith("/silent"):
            self.server.ended.wait(LONG)
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("X-Where", "here")
        self.send_header("Content-Length", str(len(self.path)))
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def running(certificate: tuple[Path, Path]) -> Iterator[Server]:
    """The server, by TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with Server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


def join_exchanges() -> None:
    for each in threading.enumerate():
        if each.name == "exchange":
            each.join(LONG)
            assert not each.is_alive()


@pytest.fixture
def server(certificate: tuple[Path, Path]) -> Iterator[Server]:
    with running(certificate) as server:
        yield server


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server's certificate be one that is vouched for."""
    context = ssl.create_default_context(cafile=str(certificate[0]))
    monkeypatch.setattr(connection, "tls_context", lambda: context)


def test_a_server_that_is_vouched_for_is_spoken_to(server: Server, trusted: None) -> None:
    kept = Connection(f"https://localhost:{server.server_address[1]}/base/")
    for path in ("/one", "/two"):
        answer = kept.post(path, {"X-Mine": "1"}, b"body", LONG)
        assert (answer.status, answer.body, answer.headers["x-where"]) == (
            200, f"/base{path}".encode(), "here",
        )  # fmt: skip
    kept.close()
    assert [each[:2] for each in server.asked] == [("/base/one", b"body"), ("/base/two", b"body")]
    assert len({port for _, _, port in server.asked}) == 1
    join_exchanges()


def test_to_one_that_nobody_vouches_for_nothing_is_said(server: Server) -> None:
    kept = Connection(f"https://localhost:{server.server_address[1]}")
    with pytest.raises(NoAnswerError, match="SSL"):
        kept.post("/one", {}, b"body", LONG)
    assert server.asked == []


def test_to_one_of_another_name_nothing_is_said(server: Server, trusted: None) -> None:
    kept = Connection(f"https://{LOOPBACK}:{server.server_address[1]}")
    with pytest.raises(NoAnswerError, match="SSL"):
        kept.post("/one", {}, b"body", LONG)
    assert server.asked == []


def test_tls_has_the_same_end(server: Server, trusted: None) -> None:
    kept = Connection(f"https://localhost:{server.server_address[1]}")
    with pytest.raises(NoAnswerError, match=f"no end after {SOON} s"):
        kept.post("/silent", {}, b"body", SOON)
    join_exchanges()
    assert kept.post("/one", {}, b"body", LONG).status == 200
    kept.close()


def test_nothing_more_is_sent_of_what_was_given_up() -> None:
    """A server that stops reading in the middle must not get the rest when it reads again."""
    given_up, received = threading.Event(), [0]
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            taken, _ = listener.accept()
            with taken:
                assert given_up.wait(LONG)
                with suppress(ConnectionResetError):
                    while block := taken.recv(1 << 20):
                        received[0] += len(block)

        thread = threading.Thread(target=serve)
        thread.start()
        kept = Connection(f"http://{LOOPBACK}:{listener.getsockname()[1]}")
        with pytest.raises(NoAnswerError, match="no end"):
            kept.post("/", {}, BIG, SOON)
        join_exchanges()
        given_up.set()
        thread.join(LONG)
        assert not thread.is_alive()
    assert received[0] < len(BIG)
