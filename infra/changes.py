"""What a change set would do: each change in words, and which of them would lose data."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ResourceChangeTypeDef

TABLE, SECRET, QUEUE = "AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::SQS::Queue"
KEPT = (TABLE, SECRET)
"""What outlives its stack. Taken out of it, the functions see an empty one, or none, in its place."""

_LOSES = {TABLE: "its rows", SECRET: "its keys", QUEUE: "its messages"}

_MARKS = {"Add": "+", "Modify": "~", "Remove": "-", "Import": "<"}


@dataclass(frozen=True)
class Change:
    """One resource and what happens to it."""

    action: str
    logical_id: str
    kind: str
    replacement: str = ""

    @property
    def loses(self) -> str | None:
        """What the service would be without afterwards, if anything: what the stack has made is not lost."""
        if self.action == "Remove" or self.replacement in ("True", "Conditional"):
            return _LOSES.get(self.kind)
        return None

    def __str__(self) -> str:
        words = {"True": "replaced", "Conditional": "perhaps replaced"}
        what = f"{_MARKS.get(self.action, '?')} {self.action.lower():6} {self.logical_id} ({self.kind})"
        return f"  {what}{f', {words[self.replacement]}' if self.replacement in words else ''}"


def change_of(told: "ResourceChangeTypeDef") -> Change:
    """A change as CloudFormation describes it."""
    return Change(
        told["Action"], told["LogicalResourceId"], told["ResourceType"], told.get("Replacement", "")
    )


def losses(changes: Iterable[Change]) -> list[str]:
    """What would be lost, a line for each resource."""
    return [f"  {each.logical_id} with {each.loses}" for each in changes if each.loses]
