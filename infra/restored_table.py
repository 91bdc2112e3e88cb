"""A copy of a table as it was: made from point-in-time recovery or from a backup, waited for, and removed."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from chalicelib.domain.times import iso
from infra.definitions import table_definitions
from infra.stack import DeploymentError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LATEST = "latest"
"""In the place of a moment: the latest one that there is, on AWS some five minutes ago."""

TOLD_EVERY_SECONDS = 30.0
PAUSE_SECONDS = 2.0

Tell = Callable[[str], None]


def copy_name(table: str, now: datetime) -> str:
    """What a copy that is made now is called."""
    return f"{table}-restored-{now:%Y%m%d%H%M%S}"


def check_copy(table: str, copy: str) -> None:
    """Refuse what is no copy of this table: it is removed in the end."""
    if not copy.startswith(f"{table}-restored-"):
        raise DeploymentError(f"{copy} is no copy that this command has made of {table}")


def is_there(client: "DynamoDBClient", table: str) -> bool:
    """Whether there is a table of that name."""
    return _status(client, table) is not None


def restore_to_moment(client: "DynamoDBClient", table: str, copy: str, at: datetime | str) -> None:
    """Begin a copy of a table as it was at a moment. Its indexes are left out: nobody queries it."""
    check_restorable(client, table, at)
    moment = {"UseLatestRestorableTime": True} if isinstance(at, str) else {"RestoreDateTime": at}
    client.restore_table_to_point_in_time(
        SourceTableName=table,
        TargetTableName=copy,
        BillingModeOverride="PAY_PER_REQUEST",
        GlobalSecondaryIndexOverride=[],
        **moment,
    )


def check_restorable(client: "DynamoDBClient", table: str, at: datetime | str) -> None:
    """Refuse a moment that point-in-time recovery does not reach."""
    if not is_there(client, table):
        raise DeploymentError(
            f"{table} is gone, and its recovery with it. AWS keeps a last backup for 35 days: "
            f"aws dynamodb list-backups --backup-type SYSTEM --table-name {table}; then --backup ARN"
        )
    told = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = told.get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        raise DeploymentError(f"{table} has no point-in-time recovery")
    if isinstance(at, str):
        return
    earliest, latest = recovery["EarliestRestorableDateTime"], recovery["LatestRestorableDateTime"]
    if not earliest <= at <= latest:
        raise DeploymentError(
            f"{table} can be restored as it was from {iso(earliest)} to {iso(latest)}, not at {iso(at)}"
        )


def restore_backup(client: "DynamoDBClient", backup_arn: str, copy: str, table: str) -> None:
    """Begin a copy of a table as it is in a backup."""
    described = client.describe_backup(BackupArn=backup_arn)["BackupDescription"]
    source = described["SourceTableDetails"]["TableName"]
    if source != table:
        raise DeploymentError(f"this is a backup of {source}, not of {table}")
    client.restore_table_from_backup(
        TargetTableName=copy,
        BackupArn=backup_arn,
        BillingModeOverride="PAY_PER_REQUEST",
        GlobalSecondaryIndexOverride=[],
    )


def back_up(client: "DynamoDBClient", table: str, name: str) -> str:
    """Make a backup of a table, which is kept until somebody deletes it; its ARN."""
    return client.create_backup(TableName=table, BackupName=name)["BackupDetails"]["BackupArn"]


def make_anew(client: "DynamoDBClient", variable: str, table: str, tell: Tell) -> None:
    """Make a table of the stack that is gone, empty, under the name that the functions know."""
    tell(f"{table} is gone: it is made anew, empty")
    definition = table_definitions()[variable]
    indexes = definition.get("GlobalSecondaryIndexes")
    client.create_table(
        TableName=table,
        BillingMode=definition["BillingMode"],
        AttributeDefinitions=definition["AttributeDefinitions"],
        KeySchema=definition["KeySchema"],
        SSESpecification={"Enabled": definition["SSESpecification"]["SSEEnabled"]},
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )
    wait_until_there(client, table, tell)
    if expiry := definition.get("TimeToLiveSpecification"):
        client.update_time_to_live(TableName=table, TimeToLiveSpecification=expiry)
    client.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification=definition["PointInTimeRecoverySpecification"]
    )


def wait_until_there(client: "DynamoDBClient", table: str, tell: Tell) -> None:
    """Wait until a table can be read; a big one takes hours, and nothing is lost by breaking off."""
    started = told = time.monotonic()
    while (status := _status(client, table)) != "ACTIVE":
        if status is None:
            raise DeploymentError(f"{table} is gone")
        if (now := time.monotonic()) - told >= TOLD_EVERY_SECONDS:
            told = now
            tell(f"{table} is {status} for {round(now - started)} s ...")
        time.sleep(PAUSE_SECONDS)


def remove(client: "DynamoDBClient", copy: str) -> None:
    """Remove a copy."""
    client.delete_table(TableName=copy)


def _status(client: "DynamoDBClient", table: str) -> str | None:
    try:
        return client.describe_table(TableName=table)["Table"]["TableStatus"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
