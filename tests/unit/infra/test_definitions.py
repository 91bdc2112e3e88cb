"""The template's tables and queues, made on moto."""

import json
import os

import boto3
import pytest
from moto import mock_aws

from infra.definitions import create_queues, create_tables, queue_definitions, table_definitions

TABLES = {
    "NOTIFICATIONS_TABLE": (
        ["id"],
        {"by_month": ["month", "id"], "by_author": ["author_month", "id"]},
        "expires_at",
    ),
    "AUDIENCES_TABLE": (
        ["part", "chunk"],
        {"by_author": ["author", "part"], "listed": ["listed", "part"]},
        "expires_at",
    ),
    "DISPATCHES_TABLE": (
        ["id"],
        {"by_notification": ["notification_id", "id"], "pending": ["pending", "due_at"]},
        "expires_at",
    ),
    "PROGRESS_TABLE": (["dispatch_id", "chunk"], {}, "expires_at"),
    "USERS_NOTIFICATIONS_TABLE": (
        ["user_id", "dispatch_id"],
        {"attention": ["attention", "attention_at"]},
        "expires_at",
    ),
    "FREQUENCIES_TABLE": (
        ["slug"],
        {"due": ["due", "next_run_at"], "by_author": ["author", "slug"], "listed": ["listed", "slug"]},
        None,
    ),
    "UNSUBSCRIBES_TABLE": (
        ["user_id"],
        {"listed": ["listed", "listed_as"], "erasing": ["erasing", "erase_at"]},
        None,
    ),
    "APPLICATIONS_TABLE": (["slug"], {"listed": ["listed", "slug"]}, None),
    "ADMINS_TABLE": (["login"], {"listed": ["listed", "login"]}, None),
    "CONTACTS_TABLE": (["user_id"], {"by_chat": ["chat_id"]}, None),
    "REQUESTS_TABLE": (["key"], {}, "expires_at"),
    "ACTIVITY_TABLE": (["minute", "shard"], {}, "expires_at"),
    "ATTEMPTS_TABLE": (["who"], {}, "expires_at"),
    "AUDIT_TABLE": (["month_shard", "id"], {}, "expires_at"),
    "PACES_TABLE": (["channel"], {}, None),
    "SUPPRESSIONS_TABLE": (["id"], {"listed": ["listed", "listed_as"]}, None),
}
NUMBERS = {"chunk", "shard"}


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@mock_aws
def test_tables_have_the_designed_keys_indexes_and_expiry() -> None:
    client = boto3.client("dynamodb")
    names = create_tables(client)
    assert names.keys() == TABLES.keys()
    for variable, (key, indexes, expiry) in TABLES.items():
        table = client.describe_table(TableName=names[variable])["Table"]
        assert [part["AttributeName"] for part in table["KeySchema"]] == key
        found = {
            index["IndexName"]: [part["AttributeName"] for part in index["KeySchema"]]
            for index in table.get("GlobalSecondaryIndexes", [])
        }
        assert found == indexes
        kinds = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
        assert kinds == {name: "N" if name in NUMBERS else "S" for name in kinds}
        ttl = client.describe_time_to_live(TableName=names[variable])["TimeToLiveDescription"]
        assert ttl.get("AttributeName") == expiry


@mock_aws
def test_queues_get_their_visibility_retention_and_dead_letter_queue() -> None:
    client = boto3.client("sqs")
    addresses = create_queues(client)
    assert addresses.keys() == queue_definitions().keys()
    url = addresses["DELIVERY_EXPRESS_QUEUE_URL"]
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "120"
    assert attributes["MessageRetentionPeriod"] == "1209600"
    dead = client.get_queue_attributes(
        QueueUrl=addresses["DELIVERY_EXPRESS_DEAD_QUEUE_URL"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    assert json.loads(attributes["RedrivePolicy"]) == {"deadLetterTargetArn": dead, "maxReceiveCount": 5}


def test_definitions_are_named_as_the_functions_know_them() -> None:
    assert table_definitions().keys() == TABLES.keys()
    assert len(queue_definitions()) == 10
