"""Takes a stack away: `python -m infra.destroy --stage dev`; its tables and secrets stay unless asked for."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.adoption import write_kept
from infra.changes import KEPT, QUEUE, SECRET, TABLE
from infra.clients import CLIENT_CONFIG, add_target, session
from infra.stack import DeploymentError, NotDoneError, Stack

SECRETS_RECOVERABLE_DAYS = 7
"""So long a secret that was deleted can be restored: what AWS takes at least."""

Ask = Callable[[str, str], bool]
"""Puts a question and compares what is answered with what has to be."""


class Destruction:
    """One stack, and how it is taken away."""

    def __init__(self, stack_name: str, endpoint_url: str | None, tell: Callable[[str], None]) -> None:
        self._endpoint_url = endpoint_url
        self._stack = Stack(self._client("cloudformation"), stack_name, tell)
        self._tell = tell

    def run(self, ask: Ask, kept_file: Path, *, with_data: bool = False) -> None:
        """Show what goes and what stays, ask, and do it; NotDoneError when the answer is another.

        What stays is written down in a file, by which a new stack can adopt it.
        """
        name = self._stack.name
        if self._stack.describe() is None:
            raise DeploymentError(f"there is no stack {name}")
        stage = self._stack.parameters().get("Stage", name)
        kept = {kind: self._stack.resources(kind) for kind in KEPT}
        self._tell_what_goes(with_data)
        if not ask(f"Delete {name}? Then type the stage's name: ", stage):
            raise NotDoneError(f"{name} is left as it is")
        if with_data and not ask(f"Delete all data of {name}, for good? Then type the stack's name: ", name):
            raise NotDoneError(f"{name} is left as it is")
        self._stack.delete()
        self._tell(f"{name} is deleted")
        if with_data:
            self._delete_tables(kept[TABLE])
            self._delete_secrets(kept[SECRET])
        else:
            write_kept(kept, kept_file)
            self._tell_what_stays(kept)
            self._tell(f"a new stack has it by `infra.deploy --adopt {kept_file}`")

    def _client(self, service: Any) -> Any:
        return session(self._endpoint_url).client(
            service, endpoint_url=self._endpoint_url, config=CLIENT_CONFIG
        )

    def _tell_what_goes(self, with_data: bool) -> None:
        for kind, number in sorted(self._stack.kinds().items()):
            stays = kind in KEPT and not with_data
            self._tell(f"  {'stays' if stays else 'goes ':5} {number:3} {kind}")
        if waiting := sum(self._messages()):
            self._tell(f"  about {waiting} messages lie in its queues: who they are for will not get them")

    def _messages(self) -> Iterator[int]:
        client = self._client("sqs")
        for url in self._stack.resources(QUEUE).values():
            found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            for name in ("", "NotVisible", "Delayed"):
                yield int(found.get(f"ApproximateNumberOfMessages{name}", 0))

    def _tell_what_stays(self, kept: Mapping[str, Mapping[str, str]]) -> None:
        self._tell("what stays, and is paid for:")
        for resources in kept.values():
            for logical_id, name in sorted(resources.items()):
                self._tell(f"  {logical_id} = {name}")

    def _delete_tables(self, tables: Mapping[str, str]) -> None:
        client = self._client("dynamodb")
        for name in tables.values():
            if client.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled"):
                client.update_table(TableName=name, DeletionProtectionEnabled=False)
                client.get_waiter("table_exists").wait(TableName=name)
            client.delete_table(TableName=name)
            self._tell(f"  deleted {name}")

    def _delete_secrets(self, secrets: Mapping[str, str]) -> None:
        client = self._client("secretsmanager")
        for arn in secrets.values():
            client.delete_secret(SecretId=arn, RecoveryWindowInDays=SECRETS_RECOVERABLE_DAYS)
            self._tell(f"  deleted {arn}, which can be restored for {SECRETS_RECOVERABLE_DAYS} days")


def _agree(question: str, expected: str) -> bool:  # noqa: ARG001 - nobody is asked
    return True


def _ask(question: str, expected: str) -> bool:
    return input(question).strip() == expected


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.destroy", description=__doc__)
    add_target(parser)
    parser.add_argument("--data", action="store_true", help="delete its tables and secrets, too")
    parser.add_argument(
        "--kept",
        type=Path,
        metavar="FILE",
        help="where what stays is written down; kept-<stack>.json by default",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser.parse_args()


def main() -> None:
    """Destroy from the command line."""
    arguments = _arguments()
    name = arguments.stack_name or f"vestnik-{arguments.stage}"
    ask: Ask = _agree if arguments.yes else _ask
    try:
        kept_file = arguments.kept or Path(f"kept-{name}.json")
        Destruction(name, arguments.endpoint_url, print).run(ask, kept_file, with_data=arguments.data)
    except NotDoneError as refusal:
        sys.exit(str(refusal))
    except EOFError:
        sys.exit("Not destroyed: nobody is there to answer; --yes does it without a question")
    except (DeploymentError, BotoCoreError, ClientError) as failure:
        sys.exit(f"Not destroyed: {failure}")


if __name__ == "__main__":
    main()
