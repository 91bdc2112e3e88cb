"""The SMTP session against a real server that misbehaves: a result each time, and always in time."""

import gc
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.channels import smtp
from chalicelib.channels.base import Session
from chalicelib.channels.smtp import smtp_session
from chalicelib.domain.results import Accepted, Permanent, Retryable, SendResult, no_time_left
from chalicelib.settings import Settings, load
from tests.support.factories import ENVIRONMENT, letter
from tests.support.smtp import Behaviour, Dribble, Hold, Refuse, ScriptedSmtp, Slow, Step, Vanish

LIMIT_SECONDS = 1


def in_time() -> float:
    """More time than any send takes."""
    return 60.0


@pytest.fixture
def server() -> Iterator[ScriptedSmtp]:
    with ScriptedSmtp() as scripted:
        yield scripted


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    known: dict[str, str] = {}
    monkeypatch.setattr(smtp, "read_secret", lambda secret_id: known)
    return known


pytestmark = pytest.mark.usefixtures("credentials")


def settings(port: int, **changes: Any) -> Settings:
    changes = {"smtp_timeout_seconds": LIMIT_SECONDS, "smtp_port": port, **changes}
    return replace(load(ENVIRONMENT), **changes)


@contextmanager
def session(port: int, **changes: Any) -> Iterator[Session]:
    with smtp_session(settings(port, **changes)) as opened:
        yield opened


def send(port: int, **changes: Any) -> SendResult:
    """Send one letter; whatever happens, in time."""
    started = time.monotonic()
    with session(port, **changes) as opened:
        result = opened.send(letter(), in_time)
    assert time.monotonic() - started < LIMIT_SECONDS + 1
    return result


def test_a_mail_is_accepted_with_what_the_server_said(server: ScriptedSmtp) -> None:
    assert send(server.port) == Accepted("2.0.0 Taken")
    mail = server.mail("anna@example.com")
    assert mail.message["Subject"] == "A new film"
    assert "It is out today." in mail.part("plain")


def test_a_batch_goes_over_one_connection(server: ScriptedSmtp) -> None:
    with session(server.port) as opened:
        results = [opened.send(letter(address=f"{number}@example.com"), in_time) for number in range(5)]
    assert results == [Accepted("2.0.0 Taken")] * 5
    assert (server.connections, len(server.mails())) == (1, 5)


def test_nothing_is_sent_by_who_was_held_up_until_the_time_was_over(server: ScriptedSmtp) -> None:
    with session(server.port) as opened:
        assert opened.send(letter(), lambda: 0.0) == no_time_left()
    assert (server.connections, server.mails()) == (0, [])


def test_a_send_ends_with_the_time_that_is_left(server: ScriptedSmtp) -> None:
    server.script(Hold())
    started = time.monotonic()
    with session(server.port, smtp_timeout_seconds=10) as opened:
        assert opened.send(letter(), lambda: 0.5) == Retryable("smtp: no end after 0.5 s")
    assert time.monotonic() - started < 5


def test_nothing_is_connected_until_something_is_sent(server: ScriptedSmtp) -> None:
    with session(server.port):
        pass
    assert server.connections == 0


@pytest.mark.parametrize("step", [Step.RCPT, Step.END])
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("450 4.2.0 Greylisted", Retryable),
        ("421 4.3.2 Going down", Retryable),
        ("550 5.1.1 No such user", Permanent),
        ("552 5.2.2 Mailbox full", Permanent),
    ],
)
def test_a_refusal_of_this_mail_says_whether_to_try_again(
    server: ScriptedSmtp, step: Step, reply: str, kind: type[Retryable] | type[Permanent]
) -> None:
    server.script(Refuse(reply, at=step))
    assert send(server.port) == kind(f"smtp {reply[:3]}: {reply[4:]}")


@pytest.mark.parametrize("step", [Step.CONNECT, Step.MAIL])
@pytest.mark.parametrize("reply", ["421 4.3.2 Going down", "451 4.3.0 Later", "554 5.7.1 Not from you"])
def test_a_refusal_of_us_is_never_the_recipients_fault(server: ScriptedSmtp, step: Step, reply: str) -> None:
    server.script(Refuse(reply, at=step))
    assert isinstance(send(server.port), Retryable)


def test_after_a_refusal_the_next_mail_goes_out(server: ScriptedSmtp) -> None:
    server.script(Refuse("550 5.1.1 No", at=Step.RCPT), to="bad@example.com")
    with session(server.port) as opened:
        results = [
            opened.send(letter(address=f"{name}@example.com"), in_time) for name in ("good", "bad", "fine")
        ]
    assert [type(result) for result in results] == [Accepted, Permanent, Accepted]
    assert [mail.recipient for mail in server.mails()] == ["good@example.com", "fine@example.com"]


@pytest.mark.parametrize("behaviour", [Vanish(Step.MAIL, times=1), Refuse("421 Idle", at=Step.MAIL, times=1)])
def test_a_connection_that_was_closed_meanwhile_is_opened_again(
    server: ScriptedSmtp, behaviour: Behaviour
) -> None:
    with session(server.port) as opened:
        assert isinstance(opened.send(letter(), in_time), Accepted)
        server.script(behaviour)
        assert isinstance(opened.send(letter(), in_time), Accepted)
    assert (server.connections, len(server.mails())) == (2, 2)


def test_nobody_there(server: ScriptedSmtp) -> None:
    server.refuse_connections()
    result = send(server.port)
    assert isinstance(result, Retryable)
    assert result.reason.startswith("smtp: ")


@pytest.mark.parametrize(
    "behaviour",
    [
        Slow(60),
        Hold(),
        *(Dribble(at=step) for step in Step),
    ],
    ids=str,
)
def test_a_server_that_never_ends_does_not_outlive_the_limit(
    server: ScriptedSmtp, behaviour: Behaviour
) -> None:
    server.script(behaviour)
    result = send(server.port)
    assert isinstance(result, Retryable)
    assert "no end after 1 s" in result.reason or "imed out" in result.reason


@pytest.mark.parametrize("step", Step)
def test_a_server_that_goes_away_leaves_it_open(server: ScriptedSmtp, step: Step) -> None:
    server.script(Vanish(at=step))
    assert isinstance(send(server.port), Retryable)
    # After the last byte nobody knows: the mail may have been taken, and the next one has the same id.
    assert len(server.mails()) == (step is Step.END)


# With a certificate, and with a log-in.


SCRIPT_FOR_A_SLOW_READER = (b"220 hello", b"250 hello", b"250 sender", b"250 recipient", b"354 go on")


def test_nothing_more_is_sent_of_a_mail_that_was_put_off() -> None:
    """A server that stops reading in the middle of a mail must not get the rest when it reads again."""
    given_up = threading.Event()
    received: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            for reply in SCRIPT_FOR_A_SLOW_READER:
                connection.sendall(reply + b"\r\n")
                if reply != SCRIPT_FOR_A_SLOW_READER[-1]:
                    connection.recv(1024)
            assert given_up.wait(30)
            with suppress(ConnectionResetError):
                while block := connection.recv(1 << 20):
                    received.append(block)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with session(listener.getsockname()[1]) as opened:
            assert isinstance(opened.send(letter(text="слово " * 200_000), in_time), Retryable)
            given_up.set()
            assert isinstance(
                opened.send(letter(address="anna@example.com"), in_time), Retryable
            )  # the loop goes on
        thread.join(30)
    assert not b"".join(received).endswith(b"\r\n.\r\n")


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


class Taker:
    """Takes every mail."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        return f"250 as {session.auth_data}"


@contextmanager
def tls_server(certificate: tuple[Path, Path], security: str) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        known = (data.login, data.password) == (b"vestnik", b"secret")
        return AuthResult(success=known, handled=False, auth_data=data.login.decode())

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(
        Taker(),
        hostname="127.0.0.1",
        port=port,
        authenticator=authenticate,
        ssl_context=context if security == "tls" else None,
        tls_context=context if security == "starttls" else None,
        require_starttls=security == "starttls",
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield port
    finally:
        controller.stop()
        gc.collect()


# The libraries on both sides leave sockets of TLS to the garbage collector, which may come in another test.
LEFT_OPEN = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SECURITIES = pytest.mark.parametrize(
    "security", [pytest.param("starttls", marks=LEFT_OPEN), pytest.param("tls", marks=LEFT_OPEN)]
)


@SECURITIES
def test_a_trusted_certificate_and_the_right_password(
    certificate: tuple[Path, Path],
    security: str,
    credentials: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    credentials.update(username="vestnik", password="secret")
    with tls_server(certificate, security) as port:
        result = send(port, smtp_host="localhost", smtp_security=security)
    assert result == Accepted("as vestnik")


@SECURITIES
def test_a_wrong_password_is_no_recipients_fault(
    certificate: tuple[Path, Path],
    security: str,
    credentials: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    credentials.update(username="vestnik", password="wrong")
    with tls_server(certificate, security) as port:
        result = send(port, smtp_host="localhost", smtp_security=security)
    assert isinstance(result, Retryable)
    assert "535" in result.reason or "uthentication" in result.reason


@SECURITIES
def test_a_certificate_that_nobody_vouches_for_gets_no_mail(
    certificate: tuple[Path, Path], security: str
) -> None:
    with tls_server(certificate, security) as port:
        result = send(port, smtp_host="localhost", smtp_security=security)
    assert isinstance(result, Retryable)
    assert "CERTIFICATE_VERIFY_FAILED" in result.reason or "certificate" in result.reason.lower()


def test_a_server_without_starttls_gets_no_mail(server: ScriptedSmtp) -> None:
    assert isinstance(send(server.port, smtp_security="starttls"), Retryable)
    assert not server.mails()
