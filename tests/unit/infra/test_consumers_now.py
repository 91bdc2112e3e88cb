"""What is read of consumers and queues, and shown: against moto, and an emulator's page of our own."""

import io
import json
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs

import boto3
import pytest
from moto import mock_aws

from chalicelib.domain.lanes import Lane
from chalicelib.services.queue_depths import Depth
from infra import manage
from infra.consumers import Source, Trio
from infra.consumers_command import View, as_json, duration, table, view, wanted
from infra.consumers_now import Platform
from infra.stack import DeploymentError, Stack
from infra.template_parts import join_parts

MAXIMUM = 7
NOW = 1_800_000_000
QUEUES = [
    f"{kind}{lane}{dead}Queue"
    for lane in ("Express", "Regular")
    for kind in ("FanOut", "Delivery")
    for dead in ("", "Dead")
]


class StandIn:
    """A stack with functions and queues that moto has; CloudFormation's part is tested elsewhere."""

    name = "vestnik-dev"

    def __init__(self) -> None:
        self.functions: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self.changed: dict[str, str] = {}

    def resources(self, kind: str) -> dict[str, str]:
        assert kind == "AWS::Lambda::Function"
        return self.functions

    def outputs(self) -> dict[str, str]:
        return {f"{name}Url": url for name, url in self.urls.items()}

    def parameters(self) -> dict[str, str]:
        declared = join_parts()["Parameters"]
        defaults = {name: str(parameter["Default"]) for name, parameter in declared.items()}
        return {**defaults, **self.changed}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        stack = StandIn()
        _make_queues(stack)
        yield stack


def _make_queues(stack: StandIn) -> None:
    sqs = boto3.client("sqs")
    stack.urls = {name: sqs.create_queue(QueueName=f"vestnik-{name}")["QueueUrl"] for name in QUEUES}


def _make_functions(stack: StandIn) -> None:
    """Each with its queue, at most MAXIMUM at once."""
    role = boto3.client("iam").create_role(RoleName="worker", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as packed:
        packed.writestr("app.py", "")
    functions = boto3.client("lambda")
    for kind, queue in (("FanOut", "FanOut"), ("Deliver", "Delivery")):
        for lane in ("Express", "Regular"):
            name = stack.functions[f"{kind}{lane}"] = f"vestnik-{kind}{lane}"
            functions.create_function(
                FunctionName=name, Runtime="python3.11", Role=role, Handler="app.handle",
                Code={"ZipFile": code.getvalue()},
            )  # fmt: skip
            functions.create_event_source_mapping(
                FunctionName=name,
                EventSourceArn=f"arn:aws:sqs:eu-central-1:123456789012:vestnik-{queue}{lane}Queue",
                ScalingConfig={"MaximumConcurrency": MAXIMUM},
            )


def _put_metric(namespace: str, metric: str, dimension: str, value: str, *numbers: int) -> None:
    """One number a minute, the last a minute ago."""
    boto3.client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": dimension, "Value": value}],
                "Value": number,
                "Timestamp": datetime.now(UTC) - timedelta(minutes=minutes),
            }
            for minutes, number in enumerate(reversed(numbers), start=1)
        ],
    )


def _platform(stack: StandIn, endpoint_url: str | None = None) -> Platform:
    return Platform(cast(Stack, stack), endpoint_url)


def test_a_lane_has_what_its_two_mappings_say(stack: StandIn) -> None:
    _make_functions(stack)
    _put_metric("AWS/Lambda", "ConcurrentExecutions", "FunctionName", "vestnik-DeliverExpress", 6, 5, 3)
    sources = _platform(stack).sources()
    assert sources[Lane.EXPRESS] == [
        Source("fan out", "FanOutExpressQueue", "vestnik-FanOutExpress", MAXIMUM, "Enabled", None),
        Source("deliver", "DeliveryExpressQueue", "vestnik-DeliverExpress", MAXIMUM, "Enabled", 3),
    ]
    assert [(each.queue, each.running) for each in sources[Lane.REGULAR]] == [
        ("FanOutRegularQueue", None),
        ("DeliveryRegularQueue", None),
    ]


def test_before_the_first_deployment_there_is_nothing(stack: StandIn) -> None:
    assert _platform(stack).sources() == {Lane.EXPRESS: [], Lane.REGULAR: []}
    stack.functions = {"FanOutExpress": "a-function-that-is-gone"}
    assert _platform(stack).sources([Lane.EXPRESS]) == {Lane.EXPRESS: []}


def test_each_queue_shows_its_depth_and_receives_nothing(stack: StandIn) -> None:
    sqs = boto3.client("sqs")
    url = stack.urls["DeliveryRegularQueue"]
    for delay in (0, 0, 0, 900):
        sqs.send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=delay)
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
    _put_metric(
        "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "vestnik-DeliveryRegularQueue", 10, 70
    )
    dead = stack.urls["FanOutExpressDeadQueue"]
    sqs.send_message(QueueUrl=dead, MessageBody="{}")
    platform = _platform(stack)
    depths = {depth.queue: depth for depth in platform.depths()}
    assert list(depths) == QUEUES
    assert depths["DeliveryRegularQueue"] == Depth("DeliveryRegularQueue", 2, 1, 1, 70)
    assert depths["FanOutExpressDeadQueue"] == Depth("FanOutExpressDeadQueue", 1, 0, 0, None)  # nobody tells
    assert depths["DeliveryExpressQueue"] == Depth("DeliveryExpressQueue", 0, 0, 0, 0)
    received = sqs.receive_message(QueueUrl=dead, MessageSystemAttributeNames=["ApproximateReceiveCount"])[
        "Messages"
    ]
    assert received[0]["Attributes"] == {"ApproximateReceiveCount": "1"}
    assert platform.notes == []


@contextmanager
def _emulators_page(path: str, status: int, content_type: str, body: bytes) -> Iterator[str]:
    """An emulator that has nothing but this page; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked, _, query = self.path.partition("?")
            self.send_response(status if asked == path else 404)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(body if asked == path and parse_qs(query)["QueueUrl"] == [A_QUEUE] else b"{}")

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


A_QUEUE = "http://sqs/000000000000/a queue"
MINISTACK, LOCALSTACK = "/_ministack/sqs/messages", "/_aws/sqs/messages"
MESSAGES = {"messages": {"000000000000": {"eu-central-1": {"queue": [
    {"SentTimestamp": NOW - 5}, {"SentTimestamp": NOW - 95}, {"SentTimestamp": NOW - 50}]}}}}  # fmt: skip


def _of_localstack(*ages: int) -> bytes:
    """Its page: one message is no list, and none is nothing."""
    found: list[Any] = [
        {"Attribute": [{"Name": "SentTimestamp", "Value": str(int(NOW - age) * 1000)}]} for age in ages
    ]
    result = {"Message": found if len(found) > 1 else found[0]} if found else None
    return json.dumps({"ReceiveMessageResponse": {"ReceiveMessageResult": result}}).encode()


@pytest.mark.parametrize(
    ("path", "status", "content_type", "body", "age"),
    [
        (MINISTACK, 200, "application/json", json.dumps(MESSAGES).encode(), 95),
        (MINISTACK, 200, "application/json", b'{"messages": {}}', 0),  # just taken
        (LOCALSTACK, 200, "application/json", _of_localstack(5, 95, 50), 95),
        (LOCALSTACK, 200, "application/json", _of_localstack(50), 50),
        (LOCALSTACK, 200, "application/json", _of_localstack(), 0),
        (MINISTACK, 404, "application/json", b"{}", None),
        (MINISTACK, 200, "text/html", b"<p>another emulator</p>", None),
    ],
)
def test_an_emulators_page_tells_the_age(
    stack: StandIn, path: str, status: int, content_type: str, body: bytes, age: int | None
) -> None:
    with _emulators_page(path, status, content_type, body) as address:
        platform = Platform(cast(Stack, stack), address, lambda: NOW)
        assert platform._oldest_on_a_page(A_QUEUE) == age


def test_what_is_not_told_is_named_and_the_rest_is_shown(stack: StandIn) -> None:
    _make_functions(stack)
    found = view(cast(Stack, stack), _platform(stack))
    assert found.account is None
    account, *drifts = found.notes
    assert account.startswith("the account's concurrency is not told: ")  # moto does not know it
    assert len(drifts) == 4
    assert "fan out of express was changed past the stack, where ExpressNumberOfConsumers is 10" in drifts[0]
    lines = table(found).splitlines()
    assert lines[1].split() == [
        "express",
        "fan",
        "out",
        "10",
        "(2",
        "to",
        "20)",
        "7",
        "Enabled",
        "not",
        "told",
    ]
    assert lines[-1] == "the account's concurrency: not told"


def test_a_trio_that_somebody_made_wrong_is_shown_and_said(stack: StandIn) -> None:
    stack.changed = {"RegularMinNumberOfConsumers": "200"}
    found = view(cast(Stack, stack), _platform(stack))
    assert found.numbers[Lane.REGULAR] == (10, 200, 100)
    assert any("do not agree: RegularMinNumberOfConsumers is 200, more than" in note for note in found.notes)


def test_programs_get_the_same_as_json(stack: StandIn) -> None:
    _make_functions(stack)
    found = view(cast(Stack, stack), _platform(stack))
    shown = json.loads(json.dumps(as_json("vestnik-dev", found, None, ["done"])))
    assert shown["lanes"]["regular"]["number"] == 10
    assert shown["lanes"]["regular"]["sources"][1]["configured"] == MAXIMUM
    assert [queue["queue"] for queue in shown["queues"]] == QUEUES
    assert (shown["account"], shown["plan"]) == (None, None)
    assert shown["notes"] == ["done", *found.notes]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_an_age_is_said_in_one_unit(seconds: int, said: str) -> None:
    assert duration(seconds) == said


def test_what_nobody_bounds_or_tells_has_a_word() -> None:
    source = Source("deliver", "DeliveryExpressQueue", "deliver", None, "Disabled", 4)
    depth = Depth("DeliveryExpressQueue", 3, 0, 0, None)
    found = View({Lane.EXPRESS: (10, 2, 20)}, {Lane.EXPRESS: [source]}, [depth], None, 20, [])
    consumers, queue = table(found).splitlines()[1], table(found).splitlines()[4]
    assert consumers.split() == ["express", "deliver", "10", "(2", "to", "20)", "unbounded", "Disabled", "4"]
    assert queue.split() == ["DeliveryExpressQueue", "3", "0", "0", "not", "told"]


def test_what_is_not_given_is_as_it_was() -> None:
    stack = StandIn()
    assert wanted(stack.parameters(), Lane.EXPRESS, 12, None, None) == (Trio(Lane.EXPRESS, 12, 2, 20), [])
    assert wanted(stack.parameters(), Lane.REGULAR, None, 4, 200) == (Trio(Lane.REGULAR, 10, 4, 200), [])
    # The number comes within bounds that are narrower now, and that is said.
    trio, (note,) = wanted(stack.parameters(), Lane.REGULAR, None, None, 8)
    assert trio == Trio(Lane.REGULAR, 8, 2, 8)
    assert note == "RegularNumberOfConsumers: 10 is more than RegularMaxNumberOfConsumers: 8 is taken"


def test_no_more_than_is_reserved() -> None:
    with pytest.raises(DeploymentError, match="ExpressReservedConcurrency is 20, less than ExpressNumber"):
        wanted(StandIn().parameters(), Lane.EXPRESS, 30, None, 40)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--number", "4"], "error: a change is one lane's: give --lane express or --lane regular"),
        (["--lane", "express", "--apply"], "error: there is nothing to apply: give --number, --min or --max"),
    ],
)
def test_half_a_command_is_refused(
    stack: StandIn, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.setattr(manage, "use_stack", lambda stack_name, endpoint_url: None)
    monkeypatch.setattr(sys, "argv", ["manage", "consumers", *words])
    with pytest.raises(SystemExit) as ended:
        manage.main()
    assert ended.value.code == said
