"""Documents whose commands are run: they work, from first to last, on an account with nothing in it."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from infra.package import PROJECT
from localstack.capabilities import Capability
from localstack.choice import chosen_for_tests
from localstack.emulator import CLIENT_ENVIRONMENT
from localstack.options import PORTS, port_variable
from localstack.ports import free_port
from tests.support.commands_in import (
    AWS_ONLY,
    RUN,
    RUN_BY,
    blocks,
    documents,
    made,
    run_document,
    wrong_aws_commands,
)

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.needs(Capability.ADOPTS)]

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


@contextmanager
def an_account_with_nothing_in_it(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What the environment is of who has one."""
    with chosen_for_tests()(log_path=tmp_path / "emulator.log") as emulator:
        yield dict(emulator.environment)


@contextmanager
def a_machine_on_which_nothing_runs(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The same, when an emulator is started by the document itself."""
    ports = {port_variable(name): str(free_port()) for name, _, _ in PORTS}
    yield {
        **CLIENT_ENVIRONMENT,
        **ports,
        "HOME": str(tmp_path),
        "VESTNIK_DATA": str(tmp_path / "local"),
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{ports[port_variable('emulator')]}",
    }


def test_the_readme_the_way_to_an_account_and_the_runbook_are_among_them() -> None:
    assert {"README.md", "deploy.md", "runbook.md"} <= {each.name for each in DOCUMENTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_every_command_of_a_document_is_run_or_needs_aws(document: Path) -> None:
    for block in blocks(document):
        where = f"{document.name}:{block.line}"
        if block.kind.startswith(RUN_BY):
            script = (PROJECT / block.kind.removeprefix(RUN_BY)).read_text("utf-8")
            commands = [line.partition("#")[0].strip() for line in block.text.splitlines()]
            assert "def test_" in script or set(commands) <= set(script.splitlines()), where
        else:
            assert block.kind in (RUN, AWS_ONLY), where
            assert list(wrong_aws_commands(block)) == [], where


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_what_a_document_has_made_is_there_to_be_made(document: Path) -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    for target, variables in made(document):
        assert target in targets
        assert [each for each in variables if f"$({each})" not in makefile] == [], target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_the_commands_of_a_document_work(document: Path, mail_server: MailServer, tmp_path: Path) -> None:
    examples = {
        "smtp.example.org": LOOPBACK,
        "SmtpPort=587": f"SmtpPort={mail_server.port}",
        "SmtpSecurity=starttls": "SmtpSecurity=none",
        "CERTIFICATE_ARN": CERTIFICATE,
        "USERNAME": "vestnik",
        "OLD": "HEAD~1",
        "$M top": "$M top --once",  # it would go on
    }
    starts_itself = "make run" in blocks(document)[0].text
    kept = set(PROJECT.glob("kept-*.json"))
    started = a_machine_on_which_nothing_runs if starts_itself else an_account_with_nothing_in_it
    with started(tmp_path) as environment:
        if starts_itself:
            examples |= {str(default): environment[port_variable(name)] for name, default, _ in PORTS}
            examples[".local"] = environment["VESTNIK_DATA"]
        try:
            assert run_document(document, {**environment, "SMTP_PASSWORD": PASSWORD}, examples)
        finally:
            for path in set(PROJECT.glob("kept-*.json")) - kept:
                path.unlink()
    if document.name == "deploy.md":
        assert mail_server.recipients == ["anna@example.org"]
