"""The operator's policy: it allows what the commands call, and nothing else of rows, secrets and queues."""

import io
import sys
from pathlib import Path

import pytest

from chalicelib.domain.results import Permanent
from chalicelib.services import send_again
from infra import manage
from tests.support.aws import World
from tests.support.calls import CallRecorder
from tests.support.driving import ANNA, BORIS, CARL
from tests.support.policy_scan import actions

LOOKED_AT = {"sqs:GetQueueAttributes"}
"""What `infra.manage consumers` looks at; the emulator's tests run it."""


def test_an_operator_may_what_their_commands_call_and_no_more_than_that(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(manage, "use_stack", lambda stack_name, endpoint_url: None)
    recorder = CallRecorder(world, monkeypatch)
    world.knows([BORIS])
    world.channel.by_default = Permanent("no")
    notification = world.submit([BORIS]).notification_id
    world.settle()
    contacts = tmp_path / "contacts.csv"
    contacts.write_text(f"user_id,email\n{CARL},carl@example.com\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("password\n"))
    monkeypatch.setattr(send_again, "SETTLED_AFTER_SECONDS", 0)
    for command in (
        "create-administrator anna",
        "set-password anna",
        "token anna",
        "register-application shop",
        f"user-token {ANNA}",
        f"add-contact {ANNA} --email anna@example.com",
        f"import-contacts {contacts}",
        "set-smtp-login vestnik",
        "rotate-password shop",
        "failures --look 5",
        "rotate-key token",
        f"show {notification} --recipients 5",
        f"send-again {notification}",
        f"export-user {BORIS}",
        f"erase {BORIS}",
    ):
        monkeypatch.setattr(sys, "argv", ["manage", *command.split()])
        with recorder.acting("operator"):
            manage.main()
    called = {action for action, _ in recorder.used["operator"]}
    allowed = {
        each for each in actions("operator") if each.split(":")[0] in ("dynamodb", "secretsmanager", "sqs")
    }
    assert called | LOOKED_AT == allowed
