"""How much lies in queues, and for how long the oldest of it: for the panel and for the operator's commands.

SQS tells how much there is; how old it is only CloudWatch tells, a minute or two late, and an emulator's
knows nothing of queues. No message is received for it: that would count towards the dead-letter queue.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

METRICS_SINCE = timedelta(minutes=10)
"""CloudWatch has a metric a minute or two late; SQS's, of a queue that has just woken up, later still."""


Attributes = Mapping[str, str]


@dataclass(frozen=True)
class MetricName:
    """A metric of AWS's own, of one queue or function."""

    namespace: str
    name: str
    dimension: str
    value: str


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


def age_of(url: str) -> MetricName:
    """Under what CloudWatch has the age of a queue's oldest message."""
    return MetricName("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue_name(url))


def queue_name(url: str) -> str:
    """The name in a queue's address."""
    return url.rpartition("/")[2]


def attributes_of(client: "SQSClient", url: str) -> Attributes:
    """What SQS tells of a queue."""
    told = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {str(name): value for name, value in told.items()}


def dead_url(url: str, told: Attributes) -> str | None:
    """The address of a queue's dead-letter queue, which is beside it; None if it has none."""
    if "RedrivePolicy" not in told:
        return None
    arn = str(json.loads(told["RedrivePolicy"])["deadLetterTargetArn"])
    return f"{url.rpartition('/')[0]}/{arn.rpartition(':')[2]}"


def told_depth(queue: str, url: str, told: Attributes, ages: Mapping[MetricName, int]) -> Depth:
    """What lies in a queue, by what SQS has told; how old it is, by what CloudWatch has."""
    visible, in_flight, delayed = (
        int(told[f"ApproximateNumberOfMessages{each}"]) for each in ("", "NotVisible", "Delayed")
    )
    nothing = None if visible or in_flight or delayed else 0
    return Depth(queue, visible, in_flight, delayed, ages.get(age_of(url), nothing))


def newest(client: Any, wanted: Sequence[MetricName], now: datetime) -> dict[MetricName, int]:
    """The newest value of each metric that CloudWatch has one of: one request."""
    if not wanted:
        return {}
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": each.namespace,
                    "MetricName": each.name,
                    "Dimensions": [{"Name": each.dimension, "Value": each.value}],
                },
                "Period": 60,
                "Stat": "Maximum",
            },
        }
        for number, each in enumerate(wanted)
    ]
    answer = client.get_metric_data(
        MetricDataQueries=queries, StartTime=now - METRICS_SINCE, EndTime=now, ScanBy="TimestampDescending"
    )
    return {
        wanted[int(result["Id"][1:])]: int(result["Values"][0])
        for result in answer["MetricDataResults"]
        if result.get("Values")
    }
