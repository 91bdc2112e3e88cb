"""Which rows of a copy go back into their table, and how: only what is missing there, unless all is wanted.

A row is left out that must not come back: it has expired, or its user was erased, or it says that a recipient
is still to be sent to, who has been meanwhile.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from chalicelib.domain.retention import is_kept
from chalicelib.domain.statuses import Status, status_of_letter
from chalicelib.domain.times import Clock, iso
from chalicelib.tables.base import MAX_KEYS, Item, in_parallel
from chalicelib.tables.progress import letters_of_chunk
from chalicelib.tables.unsubscribes import ERASING, read_unsubscribes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OVERWRITABLE = ("ADMINS_TABLE", "APPLICATIONS_TABLE", "CONTACTS_TABLE", "NOTIFICATIONS_TABLE")
"""What can be put back over what stands there. In the other tables an older state would do harm: send what
was sent, count anew, or forget that somebody has unsubscribed."""

EXPIRED = "expired"
ERASED = "of erased users"
ENDED = "of recipients who have come to their end since"

TOLD_EVERY = 1_000
PAUSE_SECONDS = 0.5


@dataclass
class Report:
    """What has become of the rows of a copy."""

    read: int = 0
    put: int = 0
    overwritten: int = 0
    there: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        left_out = "".join(f", {number} {why} left out" for why, number in sorted(self.left_out.items()))
        overwritten = f", {self.overwritten} put over others" if self.overwritten else ""
        put = f"{self.put} put back{overwritten}"
        return f"{self.read} rows in the copy: {put}, {self.there} were there{left_out}"


@dataclass(frozen=True)
class Restoring:
    """Puts the rows of a copy into the table that it was made of. Done again, it goes on."""

    client: "DynamoDBClient"
    variable: str
    table: str
    copy: str
    overwrite: bool
    clock: Clock

    def run(self, tell: Callable[[str], None]) -> Report:
        """Put back what is to be put back; `tell` is told how far it is, now and then."""
        report = Report()
        keys = self._key_names()
        for page in self._pages():
            before = report.read // TOLD_EVERY
            self._put_page(page, keys, report)
            if report.read // TOLD_EVERY > before:
                tell(f"{report} ...")
        return report

    def _key_names(self) -> list[str]:
        schema = self.client.describe_table(TableName=self.table)["Table"]["KeySchema"]
        return [each["AttributeName"] for each in schema]

    def _pages(self) -> Iterator[list[Item]]:
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.copy, PaginationConfig={"PageSize": MAX_KEYS}
        )
        for page in pages:
            yield cast(list[Item], page["Items"])

    def _put_page(self, items: Sequence[Item], keys: Sequence[str], report: Report) -> None:
        report.read += len(items)
        standing = self._standing(items, keys)
        wanted = []
        for item, why_not in zip(items, self._left_out(items), strict=True):
            found = standing.get(_key(item, keys))
            if found and not (self.overwrite and found != item):
                report.there += 1
            elif why_not:
                report.left_out[why_not] += 1
            else:
                wanted.append(item)
        for item, is_put in zip(wanted, in_parallel(lambda each: self._put(each, keys), wanted), strict=True):
            if not is_put:
                report.there += 1  # another has made it meanwhile, or it is the echo of our own write
            elif _key(item, keys) in standing:
                report.overwritten += 1
            else:
                report.put += 1

    def _put(self, item: Item, keys: Sequence[str]) -> bool:
        condition: dict[str, Any] = {
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": keys[0]},
        }
        try:
            self.client.put_item(
                TableName=self.table,
                Item=self._as_restored(item),
                **({} if self.overwrite else condition),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _as_restored(self, item: Item) -> Item:
        """A tombstone that comes back has the sweep erase once more: what it forbids may be back already."""
        if self.variable != "UNSUBSCRIBES_TABLE" or "erased_at" not in item:
            return item
        return {**item, "erasing": {"S": ERASING}, "erase_at": {"S": iso(self.clock())}}

    def _standing(self, items: Sequence[Item], keys: Sequence[str]) -> dict[tuple[str, ...], Item]:
        """What stands in the table under the keys of these, by key; whole if it may be overwritten."""
        found: dict[tuple[str, ...], Item] = {}
        names = {f"#{number}": name for number, name in enumerate(keys)}
        only_keys: dict[str, Any] = {
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
        }
        request: dict[str, Any] = {
            self.table: {
                "Keys": [{name: item[name] for name in keys} for item in items],
                "ConsistentRead": True,
                **({} if self.overwrite else only_keys),
            }
        }
        while request and items:
            answer = cast(dict[str, Any], self.client.batch_get_item(RequestItems=request))
            found |= {_key(each, keys): each for each in answer["Responses"].get(self.table, [])}
            if request := answer.get("UnprocessedKeys", {}):
                time.sleep(PAUSE_SECONDS)
        return found

    def _left_out(self, items: Sequence[Item]) -> list[str | None]:
        """For each item why it must not come back; None if it may."""
        now = self.clock()
        reasons: list[str | None] = [None if _is_kept(item, now) else EXPIRED for item in items]
        if self.variable not in ("CONTACTS_TABLE", "USERS_NOTIFICATIONS_TABLE"):
            return reasons
        unsubscribes = read_unsubscribes({item["user_id"]["S"] for item in items}, consistent=True)
        for number, item in enumerate(items):
            row = unsubscribes.get(item["user_id"]["S"])
            # A contact does not tell whether it is from before the erasure of a user who came back.
            if row and (
                row.erases(item["dispatch_id"]["S"])
                if "dispatch_id" in item
                else row.is_tombstone or row.erased_before
            ):
                reasons[number] = ERASED
        if self.variable == "USERS_NOTIFICATIONS_TABLE":
            for number in _ended(items):
                reasons[number] = reasons[number] or ENDED
        return reasons


def _is_kept(item: Item, now: datetime) -> bool:
    expires_at = item.get("expires_at", {}).get("N")
    return is_kept(float(expires_at) if expires_at else None, now)


def _ended(items: Sequence[Item]) -> list[int]:
    """Which of these rows are still to be sent to, while the counts know by now what became of them."""
    ended: list[int] = []
    letters: dict[tuple[str, int], dict[int, str]] = {}
    for number, item in enumerate(items):
        if Status(item["status"]["S"]).is_terminal:
            continue
        chunk = (item["dispatch_id"]["S"], int(item["chunk"]["N"]))
        if chunk not in letters:
            letters[chunk] = letters_of_chunk(*chunk)
        if status_of_letter(letters[chunk].get(int(item["position"]["N"]))).is_terminal:
            ended.append(number)
    return ended


def _key(item: Item, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(next(iter(item[name].values())) for name in keys)
