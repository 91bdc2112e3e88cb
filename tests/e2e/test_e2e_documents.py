"""Documents whose commands are run: they work, from first to last, on an account with nothing in it."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from infra.package import PROJECT
from localstack.capabilities import Capability
from localstack.choice import chosen_for_tests
from tests.support.commands_in import AWS_ONLY, RUN, blocks, documents, run_document, wrong_aws_commands

pytestmark = [pytest.mark.e2e, pytest.mark.needs(Capability.OPERATION)]

DOCUMENTS = documents()
CERTIFICATE = "arn:aws:acm:eu-central-1:000000000000:certificate/0e5c1b2a"
LOOPBACK, PASSWORD = "127.0.0.1", "the password of the mail server"


class MailServer:
    """Takes mails of who has logged in, and remembers who they were for."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind((LOOPBACK, 0))
            self.port = int(free.getsockname()[1])
        self.recipients: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if not session.authenticated:
            return "530 Log in first"
        self.recipients += envelope.rcpt_tos
        return "250 Ok"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    controller = Controller(
        server, hostname=LOOPBACK, port=server.port, authenticator=server.authenticate,
        auth_require_tls=False,
    )  # fmt: skip
    controller.start()
    yield server
    controller.stop()


def test_the_way_to_an_account_is_among_them() -> None:
    assert "deploy.md" in [each.name for each in DOCUMENTS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_every_command_of_a_document_is_run_or_needs_aws(document: Path) -> None:
    for block in blocks(document):
        assert block.kind in (RUN, AWS_ONLY), f"{document.name}:{block.line}"
        assert list(wrong_aws_commands(block)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_the_commands_of_a_document_work(document: Path, mail_server: MailServer, tmp_path: Path) -> None:
    examples = {
        "smtp.example.org": LOOPBACK,
        "SmtpPort=587": f"SmtpPort={mail_server.port}",
        "SmtpSecurity=starttls": "SmtpSecurity=none",
        "CERTIFICATE_ARN": CERTIFICATE,
    }
    kept = set(PROJECT.glob("kept-*.json"))
    with chosen_for_tests()(log_path=tmp_path / "emulator.log") as emulator:
        environment = {**emulator.environment, "SMTP_PASSWORD": PASSWORD}
        try:
            assert run_document(document, environment, examples)
        finally:
            for path in set(PROJECT.glob("kept-*.json")) - kept:
                path.unlink()
    if document.name == "deploy.md":
        assert mail_server.recipients == ["anna@example.org"]
