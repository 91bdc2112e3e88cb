"""One CloudFormation stack: changed by change sets, watched by its events."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypedDict

from botocore.exceptions import ClientError

from infra.changes import Change, change_of

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.literals import CapabilityType
    from mypy_boto3_cloudformation.type_defs import (
        ParameterTypeDef,
        ResourceToImportTypeDef,
        StackEventTypeDef,
        StackResourceSummaryTypeDef,
        StackTypeDef,
    )

_DEADLINE_SECONDS = 30 * 60
_NOTHING_TO_CHANGE = ("didn't contain changes", "No updates are to be performed")
_CAPABILITIES: "list[CapabilityType]" = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
_CREATION_FAILED = "ROLLBACK_COMPLETE"
_NOTHING_THERE = ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS", _CREATION_FAILED)
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE")
_WORDS = {"CREATE": "created", "UPDATE": "updated", "DELETE": "deleted", "IMPORT": "adopted"}
_THEN = {
    "ROLLBACK_COMPLETE": "\nWhat had been made is gone again; the next deployment begins anew.",
    "UPDATE_ROLLBACK_COMPLETE": "\nEverything is as it was before.",
    "UPDATE_ROLLBACK_FAILED": "\nIt could not be brought back: mend the reason, then "
    "`aws cloudformation continue-update-rollback --stack-name …`, and deploy again.",
}
"""What a failure means for who reads of it."""
_CANCELLED = "cancelled"  # the resources that were under way when another failed


class DeploymentError(Exception):
    """The stack could not be brought to what was asked; the message says why."""


Review = Callable[[list[Change]], bool]
"""Looks at what a change set would do; whether it is to be done. It may raise instead."""


def unseen(changes: list[Change]) -> bool:  # noqa: ARG001 - a review that wants whatever it is
    """Have it done without anybody looking."""
    return True


class NotDoneError(Exception):
    """Somebody has looked at what would be done, and did not want it."""


class _Template(TypedDict, total=False):
    """Where a change's template is: somewhere, or as it was."""

    TemplateURL: str
    UsePreviousTemplate: bool


class Stack:
    """A stack by its name; progress is told line by line."""

    def __init__(self, client: "CloudFormationClient", name: str, tell: Callable[[str], None]) -> None:
        self._client = client
        self.name = name
        self._tell = tell
        # An emulator is done in seconds, AWS limits how often it is asked.
        self._pause = 2.0 if ".amazonaws.com" in client.meta.endpoint_url else 0.1

    def describe(self) -> "StackTypeDef | None":
        """What CloudFormation knows of the stack; None when there is none."""
        try:
            return self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name."""
        stack = self.describe()
        outputs = stack.get("Outputs", []) if stack else []
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def parameters(self) -> dict[str, str]:
        """The parameters the stack has now."""
        stack = self.describe()
        parameters = stack.get("Parameters", []) if stack else []
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in parameters}

    def resources(self, kind: str) -> dict[str, str]:
        """The physical names of what the stack has of a type, by their names in the template."""
        if self.describe() is None:
            return {}
        return {
            each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
            for each in self._resources()
            if each["ResourceType"] == kind
        }

    def kinds(self) -> Counter[str]:
        """How many resources of each type the stack has."""
        return Counter(each["ResourceType"] for each in self._resources())

    def _resources(self) -> "Iterator[StackResourceSummaryTypeDef]":
        for page in self._client.get_paginator("list_stack_resources").paginate(StackName=self.name):
            for each in page["StackResourceSummaries"]:
                if each["ResourceStatus"] != "DELETE_COMPLETE":
                    yield each

    def apply(
        self,
        template_url: str,
        declared: Iterable[str],
        given: dict[str, str],
        review: Review = unseen,
    ) -> bool:
        """Create or update the stack; False when it already is as asked.

        A parameter that is not given keeps the value it has. NotDoneError when the review does not want it.
        """
        kind = self._kind_of_change()
        known = self.parameters() if kind == "UPDATE" else {}
        parameters = list(_parameters(declared, known, given))
        return self._change(kind, parameters, given, {"TemplateURL": template_url}, review)

    def adopt(
        self, template_url: str, given: dict[str, str], resources: "list[ResourceToImportTypeDef]"
    ) -> None:
        """Make a stack of resources that are there, and of nothing else."""
        if self._kind_of_change() != "CREATE":
            raise DeploymentError(
                f"{self.name} is there already: only a new stack adopts what is left of another"
            )
        change_set = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"adopt-{uuid.uuid4().hex}",
            ChangeSetType="IMPORT",
            ResourcesToImport=resources,
            Parameters=list(_parameters(given, {}, given)),
            TemplateURL=template_url,
        )["Id"]
        with self._forgotten_unless_done("CREATE", change_set):
            self._is_a_change(change_set)
        # A failure must not take what was there before: without what a deployment asks for beside.
        self._watch(
            lambda: self._client.execute_change_set(ChangeSetName=change_set, StackName=self.name),
            {each["LogicalResourceId"] for each in resources},
        )

    def change_parameters(self, given: dict[str, str]) -> bool:
        """Give a stack that is there other parameters and leave all else; False when it already has them."""
        stack = self.describe()
        if stack is None or stack["StackStatus"] in _NOTHING_THERE:
            raise DeploymentError(f"there is no stack {self.name}: deploy it first")
        kind, known = self._kind_of_change(), self.parameters()
        if unknown := given.keys() - known.keys():
            raise DeploymentError(f"{self.name} has no parameter {', '.join(sorted(unknown))}")
        parameters = list(_parameters(known, known, given))
        return self._change(kind, parameters, given, {"UsePreviousTemplate": True})

    def _change(
        self,
        kind: Literal["CREATE", "UPDATE"],
        parameters: "list[ParameterTypeDef]",
        given: dict[str, str],
        template: "_Template",
        review: Review = unseen,
    ) -> bool:
        change_set = self._create_change_set(kind, parameters, template)
        if self._is_a_change(change_set):
            changes = self._changes(change_set)
            with self._forgotten_unless_done(kind, change_set):
                if not review(changes):
                    raise NotDoneError("nothing is changed")
            self._execute(change_set, {each.logical_id for each in changes})
            return True
        self._client.delete_change_set(ChangeSetName=change_set, StackName=self.name)
        if given.items() <= self.parameters().items():
            return False
        if not review([]):
            raise NotDoneError("nothing is changed")
        self._update(parameters, template)
        return True

    @contextmanager
    def _forgotten_unless_done(self, kind: str, change_set: str) -> Iterator[None]:
        """Leave nothing behind of a change set that is not to be executed."""
        try:
            yield
        except BaseException:
            self._client.delete_change_set(ChangeSetName=change_set, StackName=self.name)
            if kind == "CREATE":  # of a stack that is not there it has made an empty one
                self._client.delete_stack(StackName=self.name)
            raise

    def delete(self) -> None:
        """Delete the stack, and wait until it is gone; what is to outlive it stays."""
        stack = self.describe()
        assert stack is not None, f"there is no {self.name}"
        name, self.name = self.name, stack["StackId"]  # by its name nothing is told of it when it is gone
        resources = {each["LogicalResourceId"] for each in self._resources()}
        try:
            self._watch(lambda: self._client.delete_stack(StackName=stack["StackId"]), resources)
        finally:
            self.name = name

    def _kind_of_change(self) -> Literal["CREATE", "UPDATE"]:
        stack = self.describe()
        status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
        if status == _CREATION_FAILED:
            # A first creation failed: nothing is left in the stack, and it can only be deleted.
            self._tell(f"removing what is left of the failed creation of {self.name}")
            self._client.delete_stack(StackName=self.name)
            self._client.get_waiter("stack_delete_complete").wait(StackName=self.name)
            return "CREATE"
        if status in _NOTHING_THERE:
            return "CREATE"
        if status.endswith("_IN_PROGRESS"):
            raise DeploymentError(f"{self.name} is {status}: another deployment is under way")
        return "UPDATE"

    def _create_change_set(
        self,
        kind: Literal["CREATE", "UPDATE"],
        parameters: "list[ParameterTypeDef]",
        template: "_Template",
    ) -> str:
        return self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{uuid.uuid4().hex}",
            ChangeSetType=kind,
            Parameters=parameters,
            Capabilities=_CAPABILITIES,
            **template,
        )["Id"]

    def _is_a_change(self, change_set: str) -> bool:
        for _ in self._until_deadline():
            answer = self._client.describe_change_set(ChangeSetName=change_set, StackName=self.name)
            if answer["Status"] == "CREATE_COMPLETE":
                return True
            if answer["Status"] == "FAILED":
                break
        reason = answer.get("StatusReason", "no reason given")
        if any(words in reason for words in _NOTHING_TO_CHANGE):
            return False
        raise DeploymentError(f"CloudFormation refuses the change of {self.name}: {reason}")

    def _changes(self, change_set: str) -> list[Change]:
        pages = self._client.get_paginator("describe_change_set").paginate(
            ChangeSetName=change_set, StackName=self.name
        )
        return [change_of(change["ResourceChange"]) for page in pages for change in page["Changes"]]

    def _execute(self, change_set: str, resources: set[str]) -> None:
        # The tables' Retain is for their data: what a failed deployment has just made would be left over.
        self._watch(
            lambda: self._client.execute_change_set(
                ChangeSetName=change_set, StackName=self.name, RetainExceptOnCreate=True
            ),
            resources,
        )

    def _update(self, parameters: "list[ParameterTypeDef]", template: "_Template") -> None:
        """Without a change set: an emulator finds no change in parameters that only outputs use."""
        self._watch(
            lambda: self._client.update_stack(
                StackName=self.name, Parameters=parameters, Capabilities=_CAPABILITIES, **template
            ),
            set(),
        )

    def _watch(self, start: Callable[[], object], resources: set[str]) -> None:
        """Start a change and tell of these resources until it has ended."""
        seen = {event["EventId"] for event in self._events()}
        start()
        failures: list[str] = []
        for event in self._events_until_settled(seen):
            if event.get("PhysicalResourceId") == event["StackId"]:
                status = event["ResourceStatus"]
            elif event["LogicalResourceId"] in resources:  # an emulator reports the others too
                failures += self._tell_event(event)
        if status not in _DONE:
            reasons = "\n".join(failures) or "  CloudFormation gives no reason"
            raise DeploymentError(f"{self.name} is {status}, because of:\n{reasons}{_THEN.get(status, '')}")

    def _events_until_settled(self, seen: set[str]) -> "Iterator[StackEventTypeDef]":
        for _ in self._until_deadline():
            for event in reversed([event for event in self._events() if event["EventId"] not in seen]):
                seen.add(event["EventId"])
                yield event
                is_of_stack = event.get("PhysicalResourceId") == event["StackId"]
                if is_of_stack and not event["ResourceStatus"].endswith("_IN_PROGRESS"):
                    return

    def _tell_event(self, event: "StackEventTypeDef") -> list[str]:
        """Tell of a resource that is done; what went wrong with it, if anything did."""
        action, _, state = event["ResourceStatus"].partition("_")
        what = f"{event['LogicalResourceId']} ({event['ResourceType']})"
        reason = event.get("ResourceStatusReason", "")
        if state == "COMPLETE":
            self._tell(f"  {_WORDS.get(action, action.lower())} {what}")
        if state == "SKIPPED":
            self._tell(f"  kept {what}")
        if state == "FAILED" and _CANCELLED not in reason:
            self._tell(f"  FAILED {what}")
            return [f"  {what}: {reason}"]
        return []

    def _events(self) -> "list[StackEventTypeDef]":
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self.name)
        return [event for page in pages for event in page["StackEvents"]]

    def _until_deadline(self) -> Iterator[None]:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while time.monotonic() < deadline:
            yield
            time.sleep(self._pause)
        raise DeploymentError(f"{self.name} was not ready within {_DEADLINE_SECONDS // 60} minutes")


def _parameters(
    declared: Iterable[str], known: dict[str, str], given: dict[str, str]
) -> "Iterator[ParameterTypeDef]":
    for name in declared:
        if name in given:
            yield {"ParameterKey": name, "ParameterValue": given[name]}
        elif name in known:
            yield {"ParameterKey": name, "UsePreviousValue": True}
