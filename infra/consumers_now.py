"""What the platform tells about a stack's consumers and queues.

Lambda and SQS tell what is configured and how much lies there, CloudWatch what is running and for how long it
lies, or an emulator's own page. No message is received for it: that would count towards the dead-letter
queue. What nobody tells is None; when it was refused, the notes say why.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from chalicelib.domain.lanes import Lane
from chalicelib.services.queue_depths import (
    Depth,
    MetricName,
    age_of,
    attributes_of,
    newest,
    told_depth,
)
from infra.clients import CLIENT_CONFIG, session
from infra.consumers import Account, Source
from infra.queue_pages import sent_moments
from infra.stack import Stack

STAGES = {"fan out": ("FanOut", "FanOut"), "deliver": ("Deliver", "Delivery")}
"""How a stage's functions and queues begin in the template."""


class Platform:
    """Asks about one stack."""

    def __init__(
        self, stack: Stack, endpoint_url: str | None, clock: Callable[[], float] = time.time
    ) -> None:
        clients = session(endpoint_url)
        self._stack = stack
        self._endpoint_url = endpoint_url
        self._clock = clock
        self._functions = clients.client("lambda", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
        self._queues = clients.client("sqs", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
        self._metrics = clients.client("cloudwatch", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
        self.notes: list[str] = []

    def sources(self, lanes: Sequence[Lane] = tuple(Lane)) -> dict[Lane, list[Source]]:
        """Each lane's mappings; none before the first deployment."""
        names = self._stack.resources("AWS::Lambda::Function")
        found = {
            lane: [
                source
                for stage, (function, queue) in STAGES.items()
                if (name := names.get(f"{function}{lane.title()}"))
                for source in self._mappings(stage, f"{queue}{lane.title()}Queue", name)
            ]
            for lane in lanes
        }
        running = self._newest(
            [_running(source.function) for sources in found.values() for source in sources]
        )
        return {
            lane: [replace(source, running=running.get(_running(source.function))) for source in sources]
            for lane, sources in found.items()
        }

    def _mappings(self, stage: str, queue: str, function: str) -> list[Source]:
        try:
            found = self._functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        except self._functions.exceptions.ResourceNotFoundException:  # what a failed creation has left
            return []
        return [
            Source(
                stage=stage,
                queue=queue,
                function=function,
                configured=mapping.get("ScalingConfig", {}).get("MaximumConcurrency"),
                state=mapping["State"],
            )
            for mapping in found
        ]

    def depths(self) -> list[Depth]:
        """Every queue of the stack, and each one's dead-letter queue after it."""
        outputs = self._stack.outputs()
        names = [
            f"{queue}{lane.title()}{dead}Queue"
            for lane in Lane
            for _, queue in STAGES.values()
            for dead in ("", "Dead")
        ]
        urls = {name: outputs[f"{name}Url"] for name in names}
        ages = self._newest([age_of(url) for url in urls.values()])
        return [self._depth(name, url, ages) for name, url in urls.items()]

    def _depth(self, name: str, url: str, ages: Mapping[MetricName, int]) -> Depth:
        depth = told_depth(name, url, attributes_of(self._queues, url), ages)
        if depth.oldest_seconds is not None:
            return depth
        return replace(depth, oldest_seconds=self._oldest_on_a_page(url))

    def _oldest_on_a_page(self, url: str) -> int | None:
        """By an emulator's own page: its CloudWatch knows nothing of queues."""
        if self._endpoint_url is None:
            return None
        sent = sent_moments(self._endpoint_url, url)
        if sent is None:
            return None
        return max(0, int(self._clock() - min(sent))) if sent else 0

    def account(self) -> Account | None:
        """The account's concurrency, where the platform tells it."""
        try:
            limit = self._functions.get_account_settings()["AccountLimit"]
        except ClientError as error:
            self._note("the account's concurrency", error)
            return None
        return Account(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"])

    def _newest(self, wanted: Sequence[MetricName]) -> dict[MetricName, int]:
        """The newest value of each metric, where there is one."""
        try:
            return newest(self._metrics, wanted, datetime.fromtimestamp(self._clock(), UTC))
        except ClientError as error:
            self._note(f"CloudWatch's {wanted[0].name}", error)
            return {}

    def _note(self, what: str, error: ClientError) -> None:
        self.notes.append(f"{what} is not told: {error}")


def _running(function: str) -> MetricName:
    return MetricName("AWS/Lambda", "ConcurrentExecutions", "FunctionName", function)
