"""The real package deployed to an emulator of its own, and what tests do with it from outside."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from infra.deploy import deploy, function_environment
from infra.package import PROJECT, PackagingError, package
from infra.stack import DeploymentError
from localstack.choice import chosen_for_tests
from localstack.emulator import CLIENT_ENVIRONMENT, Emulator
from localstack.ports import LocalError
from tests.support.queue_page import QueuedMessage, messages_in
from tests.support.smtp import LOOPBACK, ScriptedSmtp
from tests.support.waiting import POLL_SECONDS, wait_until

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import EventSourceMappingConfigurationTypeDef
    from mypy_boto3_sqs import SQSClient

STACK = "vestnik-dev"
APPLICATION = "e2e"
HTTP_SECONDS = 30
UNAVAILABLE = 503
PAGE = 100
CONSUMERS = "3"
"""A process each, per function: enough to meet each other, few enough for two cores."""

PARAMETERS = {
    "SmtpHost": LOOPBACK,
    "SmtpSecurity": "none",
    "SmtpTimeoutSeconds": "10",
    "ThrottleStepSeconds": "0",
    "ExpressNumberOfConsumers": CONSUMERS,
    "RegularNumberOfConsumers": CONSUMERS,
    # Tests ask again and again until something has come about.
    "RateLimitPerMinute": "0",
    # A deployment keeps what it is not told: whatever a test changes has to stand here.
    "Directory": "table",
    "UserAuth": "key",
    "TelegramApiUrl": "http://127.0.0.1:1",
    "ChannelRates": "",
    "WebhookNetworks": "",
}

NEW_PARAMETERS = {"MailBy": "smtp"}
"""The same, of what the version before does not know."""

API = "APIHandler"
WORKERS = (
    "FanOutExpress",
    "FanOutRegular",
    "DeliverExpress",
    "DeliverRegular",
    "Tick",
    "Sweep",
    "DeadLetters",
    "MailEvents",
)
"""The functions, by their ids in the template."""

COLD_SECONDS = 30.0
"""For what takes a second or two: functions that start first, on a machine that others use too."""


@dataclass(frozen=True)
class Person:
    """A user, and what the directory knows of them."""

    email: str
    name: str | None = None
    locale: str | None = None
    user_id: str = field(default_factory=lambda: str(uuid.uuid4()))


def people(number: int, prefix: str = "user") -> list[Person]:
    """So many users whom no other test knows."""
    mark = uuid.uuid4().hex[:8]
    return [
        Person(f"{prefix}-{count}.{mark}@example.com", f"{prefix} {count}".title()) for count in range(number)
    ]


@dataclass(frozen=True)
class Sent:
    """A notification that was accepted."""

    id: str
    dispatch_id: str
    recipients: int
    is_repeat: bool = False


@dataclass(frozen=True)
class Recipient:
    """A recipient as the API shows them."""

    user_id: str
    status: str
    reason: str | None
    attempts: int
    due_at: str | None
    shown: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Deployment:
    """One emulator with one stack; `deploy` changes its parameters."""

    def __init__(
        self,
        smtp: ScriptedSmtp,
        log_path: Path,
        state_dir: Path | None = None,
        emulator: type[Emulator] | None = None,
    ) -> None:
        self.smtp = smtp
        self._emulator = (emulator or chosen_for_tests())(log_path=log_path, state_dir=state_dir)
        self._parameters: dict[str, str] = {}
        self._patience_seconds = 0.0
        self.unavailable_answers = 0
        self._serialize, self._deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize

    # Its life.

    def start(self) -> Self:
        package()
        self._begin()
        self.deploy()
        self._authorization = self.register_application(APPLICATION)
        return self

    def start_from(self, tree: Path) -> None:
        """Have the stack that another version of these sources makes, by its own commands."""
        self._begin()
        self.deploy_from(tree)
        self._authorization = self.register_application(APPLICATION)

    def deploy_from(self, tree: Path) -> None:
        """Bring the stack to another version of these sources, by its own commands."""
        parts = sorted((tree / "infra" / "template").glob("*.yaml"))
        known = "".join(each.read_text("utf-8") for each in parts)
        given = {**PARAMETERS, "SmtpPort": str(self.smtp.port)}
        options = [
            word
            for name, value in given.items()
            if f"\n  {name}:\n" in known  # what is newer than that version it does not know
            for word in ("--parameter", f"{name}={value}")
        ]
        for words in (
            ["infra.package"],
            ["infra.deploy", "--endpoint-url", self.emulator.endpoint_url, *options],
        ):
            ran = subprocess.run(
                [sys.executable, "-m", *words], cwd=tree, env=self._command_environment(),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert ran.returncode == 0, ran.stdout + ran.stderr
        self._read_stack()

    def _begin(self) -> None:
        self._emulator.start()
        endpoint = self._emulator.endpoint_url
        session = boto3.Session(
            region_name=CLIENT_ENVIRONMENT["AWS_REGION"],
            aws_access_key_id=CLIENT_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CLIENT_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        )
        self.sqs: SQSClient = session.client("sqs", endpoint_url=endpoint)
        self.functions: LambdaClient = session.client("lambda", endpoint_url=endpoint)
        self.tables: DynamoDBClient = session.client("dynamodb", endpoint_url=endpoint)
        self._stacks: CloudFormationClient = session.client("cloudformation", endpoint_url=endpoint)
        self._logs: Any = session.client("logs", endpoint_url=endpoint)
        self._secrets: Any = session.client("secretsmanager", endpoint_url=endpoint)
        self._rules: Any = session.client("events", endpoint_url=endpoint)

    def stop(self) -> None:
        for client in (self.sqs, self.functions, self.tables, self._stacks, self._logs, self._rules):
            client.close()
        self._secrets.close()
        self._emulator.stop()

    @property
    def emulator(self) -> Emulator:
        """The emulator that all is deployed to."""
        return self._emulator

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._emulator.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def deploy(self, **parameters: str | int) -> None:
        """Have the stack with these parameters, and what is not named as PARAMETERS says."""
        wanted = {**PARAMETERS, **NEW_PARAMETERS, "SmtpPort": str(self.smtp.port)}
        wanted |= {name: str(value) for name, value in parameters.items()}
        if wanted == self._parameters:
            return
        deploy(endpoint_url=self._emulator.endpoint_url, parameters=wanted, tell=lambda line: None)
        self._read_stack()
        self._parameters = wanted

    def _read_stack(self) -> None:
        self._environment = function_environment(STACK, self._emulator.endpoint_url)
        resources = self._stacks.describe_stack_resources(StackName=STACK)["StackResources"]
        self._names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}

    def manage(self, *words: str, typed: str = "") -> str:
        """What an operator's command prints; `typed` is piped in."""
        ran = self._manage(words, typed)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def refused(self, *words: str, typed: str = "") -> str:
        """What an operator's command that is refused has to say."""
        ran = self._manage(words, typed)
        assert (ran.returncode, ran.stdout) == (1, ""), ran.stdout
        return ran.stderr

    def _manage(self, words: Sequence[str], typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "infra.manage", "--endpoint-url", self._emulator.endpoint_url,
             "--stack-name", STACK, *words],
            input=typed, cwd=PROJECT, env=self._command_environment(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def _command_environment(self) -> dict[str, str]:
        """As the README has it: without a region."""
        known = {name: value for name, value in self._emulator.environment.items() if "REGION" not in name}
        return {"PATH": os.environ["PATH"], **known}

    def register_application(self, slug: str, *scopes: str) -> str:
        """Register an application; its Authorization header."""
        named = [word for scope in scopes for word in ("--scope", scope)]
        return self.manage("register-application", slug, *named).splitlines()[0].partition(": ")[2]

    def secret(self, variable: str) -> dict[str, Any]:
        """The secret of that variable: 'LINK_SECRET_ARN', …"""
        found = self._secrets.get_secret_value(SecretId=self._environment[variable])
        return dict(json.loads(found["SecretString"]))

    def set_channel_secret(self, channel: str, secret: Mapping[str, Any]) -> None:
        """What a channel logs in with. Functions that have read another go on with that for five minutes."""
        secret_id = self._environment["CHANNELS_SECRET_ARN"]
        known = {**self.secret("CHANNELS_SECRET_ARN"), channel: dict(secret)}
        self._secrets.put_secret_value(SecretId=secret_id, SecretString=json.dumps(known))

    def create_administrator(self, login: str) -> str:
        """Make an administrator; their password."""
        return self.manage("create-administrator", login).splitlines()[1].partition(" ")[2]

    # What a client does.

    @property
    def authorization(self) -> str:
        """The Authorization header of the application that `send` posts for."""
        return self._authorization

    @property
    def api_url(self) -> str:
        return self._environment["PUBLIC_URL"]

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Repeat what is answered by 503 for so long, as a good client does; the answers are counted."""
        self._patience_seconds, self.unavailable_answers = seconds, 0
        try:
            yield
        finally:
            self._patience_seconds = 0.0

    def call(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A request to a path of the API, or to a whole address."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            answer = self._call_once(method, url, body, headers)
            if answer.status != UNAVAILABLE or time.monotonic() >= deadline:
                return answer
            self.unavailable_answers += 1
            time.sleep(POLL_SECONDS)

    def _call_once(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str] | None
    ) -> Answer:
        parts = urlsplit(url if url.startswith("http") else self.api_url + url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=HTTP_SECONDS)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """What the API shows to the application."""
        answer = self.call("GET", path, headers={"Authorization": self._authorization})
        assert answer.status == 200, answer
        return answer.json()

    def ask(self, method: str, path: str, body: Any = None, authorization: str | None = None) -> Any:
        """What the API answers to a right request with JSON, the application's or another's."""
        headers = {
            "Authorization": authorization or self._authorization,
            "Content-Type": "application/json",
        }
        answer = self.call(method, path, None if body is None else json.dumps(body).encode(), headers)
        assert answer.status in (200, 201, 204), answer
        return answer.json() if answer.body else None

    def send(
        self,
        users: Iterable[Person | str],
        *,
        channel: str = "mail",
        express: bool = False,
        title: str = "News",
        text: str = "There is something new.",
        content_id: str | None = None,
        key: str | None = None,
    ) -> Sent:
        """Post a notification for these users; `key` is its Idempotency-Key."""
        body = {
            "type": channel,
            "is_express": express,
            "title": title,
            "text": text,
            "content_id": content_id or str(uuid.uuid4()),
            "users": [each if isinstance(each, str) else each.user_id for each in users],
        }
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        answer = self.call("POST", "/api/v1/notifications/", json.dumps(body).encode(), headers)
        assert answer.status == 201, answer
        created = answer.json()
        return Sent(created["id"], created["dispatch_id"], created["recipients"], created["is_repeat"])

    def counts(self, sent: Sent) -> dict[str, int]:
        """How many recipients there are in each status."""
        counts: dict[str, int] = self.get(f"/api/v1/notifications/{sent.id}/")["counts"]
        return counts

    def wait_for(self, sent: Sent, /, timeout: float = COLD_SECONDS, **counts: int) -> None:
        """Wait until so many of its recipients are in these statuses."""
        wait_until(
            lambda: counts.items() <= self.counts(sent).items(), timeout,
            f"{counts} of {sent}; there are {self.counts(sent)}",
        )  # fmt: skip

    def recipients(self, sent: Sent) -> dict[str, Recipient]:
        """All recipients by user id, read page by page."""
        found: dict[str, Recipient] = {}
        cursor = ""
        while True:
            page = self.get(f"/api/v1/notifications/{sent.id}/recipients/?limit={PAGE}{cursor}")
            for each in page["results"]:
                assert each["user_id"] not in found, "a recipient stands on two pages"
                found[each["user_id"]] = Recipient(
                    each["user_id"], each["status"], each["reason"], each["attempts"], each["due_at"], each
                )
            if page["next"] is None:
                return found
            cursor = f"&cursor={quote(page['next'])}"

    def recipient(self, sent: Sent, person: Person) -> Recipient:
        """One recipient as the API shows them."""
        return self.recipients(sent)[person.user_id]

    # What an operator, or a fault, does.

    def add_people(self, persons: Sequence[Person]) -> list[Person]:
        """Put users into the directory: as they are, without anybody's checks."""
        rows = [
            {"user_id": each.user_id, "email": each.email or None, "name": each.name, "locale": each.locale}
            for each in persons
        ]
        self.put_all("CONTACTS_TABLE", rows)
        return list(persons)

    def put_all(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put rows into the table of that variable."""
        for start in range(0, len(rows), 25):
            puts: list[Any] = [{"PutRequest": {"Item": self._item(row)}} for row in rows[start : start + 25]]
            self.tables.batch_write_item(RequestItems={self._environment[table]: puts})

    def unsubscribe(self, person: Person, scope: str) -> None:
        self.put("UNSUBSCRIBES_TABLE", {"user_id": person.user_id, "scopes": {scope}})

    def put(self, table: str, row: Mapping[str, Any]) -> None:
        """Put a row into the table of that variable."""
        self.tables.put_item(TableName=self._environment[table], Item=self._item(row))

    def row(self, table: str, **key: Any) -> dict[str, Any] | None:
        """A row of the table of that variable."""
        found = self.tables.get_item(
            TableName=self._environment[table], Key=self._item(key), ConsistentRead=True
        ).get("Item")
        return {name: self._deserialize(value) for name, value in found.items()} if found else None

    def _item(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._serialize(value) for name, value in row.items() if value is not None}

    def table_name(self, table: str) -> str:
        """The name of the table of that variable."""
        return self._environment[table]

    def url_of(self, queue: str) -> str:
        """The address of a queue: 'DELIVERY_EXPRESS', 'FAN_OUT_REGULAR_DEAD', …"""
        return self._environment[f"{queue}_QUEUE_URL"]

    def queued(self, queue: str) -> list[QueuedMessage]:
        """What lies in a queue: visible, delayed or in flight."""
        return messages_in(self.url_of(queue), self._emulator)

    def empty_queues(self) -> None:
        """Drop every message there is, delayed ones too."""
        for name, url in self._environment.items():
            if name.endswith("_QUEUE_URL"):
                self.sqs.purge_queue(QueueUrl=url)

    def wait_for_queued(self, queue: str, number: int, timeout: float = COLD_SECONDS) -> None:
        """Wait until so many messages lie in a queue."""
        wait_until(lambda: len(self.queued(queue)) == number, timeout, f"{number} messages in {queue}")

    def put_into(self, queue: str, body: str, group: str = "somebody") -> str:
        """Put a message into a queue as it is; its id."""
        sent = self.sqs.send_message(QueueUrl=self.url_of(queue), MessageBody=body, MessageGroupId=group)
        return sent["MessageId"]

    def send_again(self, queue: str, message: QueuedMessage) -> None:
        """Put a copy of a message into its queue: SQS delivers at least once."""
        self.put_into(queue, json.dumps(message.body), message.group or "")

    def has_logged(self, function: str, marks: Iterable[str]) -> bool:
        """Whether all of these stand somewhere in a function's log."""
        configuration = self.functions.get_function_configuration(FunctionName=self.name_of(function))
        found = self._logs.filter_log_events(logGroupName=configuration["LoggingConfig"]["LogGroup"])
        said = "\n".join(event["message"] for event in found["events"])
        return all(mark in said for mark in marks)

    @contextmanager
    def paused(self, function: str) -> Iterator[None]:
        """Let a function take nothing from its queue until the block ends or `resume`: 'DeliverExpress', …"""
        self.pause(function)
        try:
            yield
        finally:
            self.resume(function)

    def pause(self, function: str) -> None:
        """Let a function take nothing from its queue."""
        self._enable(function, False)

    def resume(self, function: str) -> None:
        """Let a function take messages from its queue again."""
        self._enable(function, True)

    def _enable(self, function: str, enabled: bool) -> None:
        mapping = self._mapping_of(function)["UUID"]
        self.functions.update_event_source_mapping(UUID=mapping, Enabled=enabled)
        state = "Enabled" if enabled else "Disabled"
        wait_until(lambda: self._mapping_of(function)["State"] == state, COLD_SECONDS, f"{function} {state}")

    def _mapping_of(self, function: str) -> "EventSourceMappingConfigurationTypeDef":
        found = self.functions.list_event_source_mappings(FunctionName=self.name_of(function))
        (mapping,) = found["EventSourceMappings"]
        return mapping

    def consumers_of(self, function: str) -> int:
        """How many of a function may be at work on its queue at once: 'DeliverExpress', …"""
        return self._mapping_of(function)["ScalingConfig"]["MaximumConcurrency"]

    def stack_parameters(self) -> dict[str, str]:
        """The stack's parameters as CloudFormation has them."""
        (stack,) = self._stacks.describe_stacks(StackName=STACK)["Stacks"]
        return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}

    def name_of(self, function: str) -> str:
        """The name of a function by its id in the template: 'DeliverExpress', …"""
        return self._names[function]

    @contextmanager
    def with_environment(self, function: str, **changed: str) -> Iterator[None]:
        """Run a function in another environment meanwhile: with the address of a queue that is not there."""
        name = self.name_of(function)
        before = self.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        self._set_environment(name, {**before, **changed})
        try:
            yield
        finally:
            self._set_environment(name, before)

    def _set_environment(self, name: str, variables: Mapping[str, str]) -> None:
        self.functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        wait_until(
            lambda: (
                self.functions.get_function_configuration(FunctionName=name)["LastUpdateStatus"]
                == "Successful"
            ),
            COLD_SECONDS,
            f"{name} in its new environment",
        )

    @contextmanager
    def asking(self, endpoint_url: str, *functions: str) -> Iterator[None]:
        """Let these functions, and nobody else, speak to AWS at another address."""
        with ExitStack() as stack:
            for function in functions:
                stack.enter_context(self.with_environment(function, AWS_ENDPOINT_URL=endpoint_url))
            yield

    @contextmanager
    def failing_soon(self, queue: str, seconds: int = 1) -> Iterator[None]:
        """Let a queue's messages come again after so many seconds, not minutes: what fails is soon seen."""
        url = self.url_of(queue)
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
        before = found["Attributes"]["VisibilityTimeout"]
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})
        try:
            yield
        finally:
            self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": before})

    @contextmanager
    def without_rules(self) -> Iterator[None]:
        """Let no rule fire meanwhile: the test itself is the minute that passes."""
        names = [rule["Name"] for rule in self._rules.list_rules()["Rules"]]
        assert names, "there is no rule to stop"
        for name in names:
            self._rules.disable_rule(Name=name)
        try:
            yield
        finally:
            for name in names:
                self._rules.enable_rule(Name=name)

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Run a function once and wait for its answer."""
        answer = self.functions.invoke(FunctionName=self.name_of(function), Payload=json.dumps(event))
        result = json.loads(answer["Payload"].read())
        assert not answer.get("FunctionError"), result
        return result

    def sweep(self) -> dict[str, int]:
        """Run the sweep, as the rule does each minute."""
        return self._by_rule("Sweep")

    def tick(self) -> dict[str, int]:
        """Run the tick, as the rule does each minute."""
        return self._by_rule("Tick")

    def _by_rule(self, function: str) -> dict[str, int]:
        event = {
            "version": "0", "id": str(uuid.uuid4()), "source": "aws.events", "account": "000000000000",
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "region": "eu-central-1",
            "detail-type": "Scheduled Event", "detail": {}, "resources": [],
        }  # fmt: skip
        counts: dict[str, int] = self.invoke(function, event)
        return counts


@contextmanager
def deployed(deployment: Deployment) -> Iterator[Deployment]:
    """Start a deployment for tests. Without it nothing is proven, so it is a failure, not a skip."""
    try:
        deployment.__enter__()
    except (LocalError, PackagingError, DeploymentError) as error:
        pytest.fail(f"the package cannot be deployed to the emulator: {error}", pytrace=False)
    try:
        yield deployment
    finally:
        deployment.stop()


class Watch:
    """Looks again and again, in another thread, while a test goes on; what a look raises ends the test.

    with Watch(look) as watch:
        ...
    assert watch.looks > 10
    """

    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._failure: BaseException | None = None
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            try:
                self._look()
            except BaseException as failure:
                self._failure = failure
                return
            self.looks += 1
