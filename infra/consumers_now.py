"""What the platform tells about a stack's consumers and queues.

Lambda and SQS tell what is configured and how much lies there, CloudWatch what is running and for how long it
lies, or an emulator's own page. No message is received for it: that would count towards the dead-letter
queue. What nobody tells is None; when it was refused, the notes say why.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.lanes import Lane
from infra.clients import CLIENT_CONFIG, session
from infra.consumers import Account, Source
from infra.queue_pages import sent_moments
from infra.stack import Stack

STAGES = {"fan out": ("FanOut", "FanOut"), "deliver": ("Deliver", "Delivery")}
"""How a stage's functions and queues begin in the template."""

_METRICS_SINCE = timedelta(minutes=10)
"""CloudWatch has a metric a minute or two late; SQS's, of a queue that has just woken up, later still."""


@dataclass(frozen=True)
class Depth:
    """What lies in a queue: how much, and for how long the oldest of it."""

    queue: str
    visible: int
    in_flight: int
    delayed: int
    oldest_seconds: int | None
    """None: nobody tells. An empty queue has 0."""

    @property
    def is_empty(self) -> bool:
        return not (self.visible or self.in_flight or self.delayed)


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
            [("AWS/Lambda", "ConcurrentExecutions", "FunctionName", source.function)
             for sources in found.values() for source in sources]
        )  # fmt: skip
        return {
            lane: [replace(source, running=running.get(source.function)) for source in sources]
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
        ages = self._newest(
            [("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", _queue_name(url))
             for url in urls.values()]
        )  # fmt: skip
        return [self._depth(name, url, ages.get(_queue_name(url))) for name, url in urls.items()]

    def _depth(self, name: str, url: str, age: int | None) -> Depth:
        told = self._queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        depth = Depth(
            queue=name,
            visible=int(told["ApproximateNumberOfMessages"]),
            in_flight=int(told["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(told["ApproximateNumberOfMessagesDelayed"]),
            oldest_seconds=age,
        )
        if age is not None:
            return depth
        return replace(depth, oldest_seconds=0 if depth.is_empty else self._oldest_on_a_page(url))

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

    def _newest(self, wanted: Sequence[tuple[str, str, str, str]]) -> dict[str, int]:
        """The newest value of each metric (namespace, name, dimension, value), where there is one."""
        if not wanted:
            return {}
        queries: list[dict[str, Any]] = [
            {
                "Id": f"m{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": namespace,
                        "MetricName": metric,
                        "Dimensions": [{"Name": dimension, "Value": value}],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }
            for number, (namespace, metric, dimension, value) in enumerate(wanted)
        ]
        now = datetime.fromtimestamp(self._clock(), UTC)
        try:
            answer = self._metrics.get_metric_data(
                MetricDataQueries=queries,
                StartTime=now - _METRICS_SINCE,
                EndTime=now,
                ScanBy="TimestampDescending",
            )
        except ClientError as error:
            self._note(f"CloudWatch's {wanted[0][1]}", error)
            return {}
        return {
            wanted[int(result["Id"][1:])][3]: int(result["Values"][0])
            for result in answer["MetricDataResults"]
            if result.get("Values")
        }

    def _note(self, what: str, error: ClientError) -> None:
        self.notes.append(f"{what} is not told: {error}")


def _queue_name(url: str) -> str:
    return url.rpartition("/")[2]
