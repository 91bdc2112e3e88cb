"""The operator's commands `backup` and `restore`: a table as it was, and what is missing of it put back."""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from infra import restored_table
from infra.clients import CLIENT_CONFIG, session
from infra.restored_table import LATEST
from infra.stack import DeploymentError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def add_commands(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the commands known to a parser."""
    backup = command("backup", run_backup, "make a backup of a table, which is kept until it is deleted")
    backup.add_argument("table", help="contacts, unsubscribes, …")
    parser = command("restore", run_restore, "put back what is missing of a table, from a copy as it was")
    parser.add_argument("table", help="contacts, unsubscribes, …")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--at",
        metavar="TIME",
        help=f"as it was then: 2026-11-29T10:00:00Z, or {LATEST!r} for the latest there is",
    )
    source.add_argument("--backup", metavar="ARN", help="as it is in a backup")
    source.add_argument("--copy", metavar="NAME", help="as it is in a copy that an earlier run has left")
    parser.add_argument(
        "--overwrite", action="store_true", help="put back what differs, too, over what stands there"
    )
    parser.add_argument("--keep-copy", action="store_true", help="do not remove the restored copy at the end")


def run_backup(options: argparse.Namespace) -> str:
    """Make it, and say its ARN."""
    from chalicelib.domain.times import utc_now
    from chalicelib.services import audit

    _, table = own_table(options.table)
    arn = restored_table.back_up(_client(options), table, f"{options.table}-{utc_now():%Y%m%d%H%M%S}")
    audit.record("backed up", "table", options.table, after={"backup": arn})
    return arn


def run_restore(options: argparse.Namespace) -> str:
    """Make the copy, wait for it, put back what is missing, and remove it."""
    from chalicelib.domain.times import utc_now
    from chalicelib.services import audit
    from infra.restored_rows import OVERWRITABLE, Restoring

    variable, table = own_table(options.table)
    if options.overwrite and variable not in OVERWRITABLE:
        raise DeploymentError(
            f"what stands in {options.table} is newer, and an older state would do harm: "
            "only what is missing there can be put back"
        )
    client = _client(options)
    copy = _copy(options, client, table, utc_now())
    _tell(f"the copy is {copy}; if this breaks off, go on with --copy {copy}")
    restored_table.wait_until_there(client, copy, _tell)
    if not restored_table.is_there(client, table):
        restored_table.make_anew(client, variable, table, _tell)
    report = Restoring(client, variable, table, copy, options.overwrite, utc_now).run(_tell)
    audit.record("restored", "table", options.table, after={"from": copy, "report": str(report)})
    if options.keep_copy:
        return f"{options.table}: {report}\nthe copy is kept: {copy}"
    restored_table.remove(client, copy)
    return f"{options.table}: {report}\nthe copy is removed"


def own_table(name: str) -> tuple[str, str]:
    """The variable that names a table of the stack, and its name."""
    variable = f"{name.upper()}_TABLE"
    if variable not in os.environ:
        known = sorted(each.removesuffix("_TABLE").lower() for each in os.environ if each.endswith("_TABLE"))
        raise DeploymentError(f"there is no table {name!r}, but: {', '.join(known)}")
    return variable, os.environ[variable]


def _copy(options: argparse.Namespace, client: "DynamoDBClient", table: str, now: datetime) -> str:
    """The name of the copy, whose making has been begun."""
    if options.copy:
        restored_table.check_copy(table, options.copy)
        return str(options.copy)
    copy = restored_table.copy_name(table, now)
    if options.backup:
        restored_table.restore_backup(client, options.backup, copy, table)
    else:
        at = options.at if options.at == LATEST else _moment(options.at)
        restored_table.restore_to_moment(client, table, copy, at)
    return copy


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise DeploymentError(f"--at is a moment as 2026-11-29T10:00:00Z, not {text!r}") from error
    if at.tzinfo is None:
        raise DeploymentError(f"--at needs a time zone, as in {text}Z")
    return at


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _client(options: argparse.Namespace) -> "DynamoDBClient":
    return session(options.endpoint_url).client(
        "dynamodb", endpoint_url=options.endpoint_url, config=CLIENT_CONFIG
    )
