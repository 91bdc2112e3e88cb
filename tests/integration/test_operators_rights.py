"""The operator's policy: it allows what the commands call, and nothing else of rows, secrets and queues."""

import io
import os
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from chalicelib.domain.results import Permanent
from chalicelib.services import send_again
from chalicelib.tables.contacts import Contact
from chalicelib.tables.users_notifications import UsersNotification
from infra import manage
from tests.support.aws import World
from tests.support.calls import CallRecorder
from tests.support.driving import ANNA, BORIS, CARL
from tests.support.factories import delivery
from tests.support.policy_scan import actions
from tests.support.telegram import TelegramServer

LOOKED_AT = {"sqs:GetQueueAttributes"}
"""What `infra.manage consumers` looks at; the emulator's tests run it."""


def test_an_operator_may_what_their_commands_call_and_no_more_than_that(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, telegram: TelegramServer
) -> None:
    world.configure("TELEGRAM_API_URL", telegram.url)
    monkeypatch.setattr(manage, "use_stack", lambda stack_name, endpoint_url: None)
    recorder = CallRecorder(world, monkeypatch)
    world.knows([BORIS])
    world.channel.by_default = Permanent("no")
    notification = world.submit([BORIS]).notification_id
    world.settle()
    contacts = tmp_path / "contacts.csv"
    contacts.write_text(f"user_id,email\n{CARL},carl@example.com\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"password\n{telegram.token}\n"))
    monkeypatch.setattr(send_again, "SETTLED_AFTER_SECONDS", 0)
    for command in (
        "create-administrator anna",
        "list-administrators",
        "change-administrator anna --role manager",
        "set-password anna",
        "token anna",
        "register-application shop",
        f"user-token {ANNA}",
        f"add-contact {ANNA} --email anna@example.com",
        f"import-contacts {contacts}",
        "set-smtp-login vestnik",
        "set-telegram",
        "rotate-password shop",
        "failures --look 5",
        "rotate-key token",
        f"show {notification} --recipients 5",
        f"send-again {notification}",
        f"export-user {BORIS}",
        f"erase {BORIS}",
        "audit",
    ):
        monkeypatch.setattr(sys, "argv", ["manage", *command.split()])
        with recorder.acting("operator"):
            manage.main()
    called = {action for action, _ in recorder.used["operator"]}
    allowed = {
        each for each in actions("operator") if each.split(":")[0] in ("dynamodb", "secretsmanager", "sqs")
    }
    assert called | LOOKED_AT == allowed


ASKED_BY_AWS = {
    f"dynamodb:{each}"
    for each in (
        "BatchWriteItem",
        "DeleteItem",
        "Query",
        "UpdateItem",
        "RestoreTableToPointInTime",
        "DescribeContinuousBackups",
    )
}
"""Of who restores a table, on the copy; and what an emulator does not do as AWS does."""
OF_A_TABLE_THAT_IS_GONE = {
    f"dynamodb:{each}" for each in ("CreateTable", "UpdateContinuousBackups", "UpdateTimeToLive")
}


def test_who_recovers_may_what_the_commands_of_the_runbook_call_and_no_more_than_that(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(manage, "use_stack", lambda stack_name, endpoint_url: None)
    world.checks = False
    world.knows([BORIS])
    world.queues.down.add(world.queues.url("DELIVERY_REGULAR_QUEUE_URL"))
    dispatch = world.submit([BORIS])
    world.fan_out()  # and is unsent: whether that is so still is looked up
    world.queues.down.clear()

    called: set[str] = set()
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def note(client: Any, operation: str, params: Any) -> Any:
        service = client.meta.service_model.service_name
        called.add(f"{service}:{operation.removesuffix('Batch') if service == 'sqs' else operation}")
        return original(client, operation, params)

    def run(command: str) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["manage", *command.split()])
        with monkeypatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", note)
            manage.main()
        return capsys.readouterr().out.strip()

    queue = os.environ["DELIVERY_REGULAR_DEAD_QUEUE_URL"]
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=delivery(dispatch.id, BORIS).dump())
    run("dead-letters delivery-regular --limit 5")
    run("move-back delivery-regular")
    for table, lost in (
        ("users_notifications", UsersNotification(BORIS, dispatch.id)),
        ("contacts", Contact(BORIS)),
    ):
        backup = run(f"backup {table}")
        lost.delete()
        run(f"restore {table} --backup {backup}")
    allowed = {each for each in actions("recovery") if each.split(":")[0] in ("dynamodb", "sqs")}
    assert allowed - called <= ASKED_BY_AWS | OF_A_TABLE_THAT_IS_GONE
    assert called <= allowed
