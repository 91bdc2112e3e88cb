"""Sending webhooks in a test: a session as a function has it, names that resolve as the test says, TLS."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.channels import bounded_http, webhook
from chalicelib.channels.base import Session
from chalicelib.channels.webhook import WebhookChannel
from chalicelib.domain.results import SendResult
from chalicelib.settings import load
from tests.support.factories import ENVIRONMENT, letter
from tests.support.webhook_receiver import WebhookReceiver

SECRET = {"kid": "2", "key": "present", "previous": [{"kid": "1", "key": "before"}]}
LOCAL = "127.0.0.0/8"
HOST = "hooks.example.com"
KEY = "key-of-the-receiver"
"""What stands in a URL's path, and nowhere else."""


@contextmanager
def session(monkeypatch: pytest.MonkeyPatch, networks: str = LOCAL) -> Iterator[Session]:
    """A session of a deployment that may post to these networks."""
    settings = load({**ENVIRONMENT, "WEBHOOK_NETWORKS": networks})
    monkeypatch.setattr(webhook, "read_secret", {"link": SECRET}.__getitem__)
    monkeypatch.setattr(webhook, "current", lambda: settings)
    with WebhookChannel().session() as opened:
        yield opened


def send(sender: Session, url: str, **changes: Any) -> SendResult:
    """Post to a URL, with more time than any send takes."""
    return sender.send(letter(address=url, **changes), lambda: 60.0)


class Resolver:
    """Answers with one list of addresses after the other, as a name does whose owner means ill."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, port: int, *answers: list[str]) -> None:
        self.asked = 0
        self._answers = list(answers)
        self._port = port
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, *_: Any, **__: Any) -> Any:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [
            (
                socket.AF_INET6 if ":" in each else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (each, self._port),
            )
            for each in answer
        ]


@contextmanager
def secure_receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookReceiver]:
    """A receiver by HTTPS at 127.0.0.1, with a certificate for HOST that is trusted."""
    context, authority = certificate_for(tmp_path, HOST)
    trusted = ssl.create_default_context(cafile=str(authority))
    monkeypatch.setattr(bounded_http, "tls", lambda: trusted)
    with WebhookReceiver(context) as started:
        yield started


def certificate_for(folder: Path, *hosts: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS with a certificate for these hosts, and the file of who vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    authority = folder / "authority.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    chain = folder / "server.pem"
    chain.write_bytes(
        authority.read_bytes()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context, authority
