"""What LocalStack loads of ours, with stand-ins for what LocalStack has: it lives in another environment."""

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty as EmptyQueue
from queue import PriorityQueue
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.unit.localstack.test_emulator import until
from tests.unit.localstack.test_on_host import HANDLERS

OURS = "localstack.on_host.vestnik_plugins"
SERVICES = "localstack.services"
MAPPINGS = f"{SERVICES}.lambda_.event_source_mapping"
INVOCATION = f"{SERVICES}.lambda_.invocation"


class EmptyError(Exception):
    """LocalStack's word for a queue in which there is nothing."""


class Scheduler:
    """Jobs by number; one that was cancelled is gone."""

    def __init__(self) -> None:
        self.jobs: dict[int, Callable[..., None]] = {}

    def add_job(self, job: Callable[..., None], schedule: str) -> int:
        number = len(self.jobs) + 1
        self.jobs[number] = job
        return number

    def cancel_job(self, number: int) -> None:
        del self.jobs[number]

    def fire(self) -> None:
        for job in self.jobs.values():
            job()


class EsmWorker:
    """A mapping's worker: notes the states that it writes."""

    def __init__(self, consumers: int | None, poller: Any) -> None:
        self.uuid = "a-mapping"
        self.esm_config = {"ScalingConfig": {"MaximumConcurrency": consumers}} if consumers else {}
        self.poller = poller
        self.states: list[str] = []
        self._shutdown_event = threading.Event()

    def start(self) -> None:
        self.states.append("started")

    def update_esm_state_in_store(self, state: str) -> None:
        self.states.append(state)


class SqsPoller:
    """Takes a batch, when there is one, and works it until it is let go."""

    def __init__(self, batches: int) -> None:
        self.left = batches
        self.maximum_batching_window = 0
        self.let_go = threading.Event()
        self._lock = threading.Lock()

    def poll_events(self) -> None:
        with self._lock:
            if not self.left:
                raise EmptyError
            self.left -= 1
        self.handle_messages([])

    def handle_messages(self, messages: list[Any]) -> None:
        assert self.let_go.wait(20)

    def close(self) -> None:
        raise AssertionError("ours is in its place")


class Environment:
    """LocalStack's own word for where a function logs."""

    def get_log_group_name(self) -> str:
        raise AssertionError("ours is in its place")


class StandardQueue:
    """What was received, with the visibility timeout that is read first of all."""

    def __init__(self) -> None:
        self.visible: PriorityQueue[str] = PriorityQueue()
        self.visibility_timeout = 120

    def receive(self, number: int, wait: int | None, visibility: int | None, **_: object) -> Any:
        visibility = visibility or self.visibility_timeout
        try:
            return self.visible.get(block=bool(wait), timeout=wait), visibility
        except EmptyQueue:
            return None, visibility


class UpdateWorker:
    """Looks each second for messages that are visible now."""

    def __init__(self) -> None:
        self.periods: list[float] = []
        self.scheduler = SimpleNamespace(schedule=lambda look, period: self.periods.append(period))

    def do_update_all_queues(self) -> None: ...

    def start(self) -> None:
        self.scheduler.schedule(self.do_update_all_queues, period=1)


class RuntimeExecutor:
    """What executors inherit."""

    def __init__(self, id: str, function_version: Any) -> None:
        self.id, self.function_version = id, function_version


def modules() -> dict[str, dict[str, Any]]:
    """What is imported of LocalStack."""
    scheduler = Scheduler()

    def to_sqs_api_message(message: Any, *_: Any) -> dict[str, Any]:
        return {"Attributes": {"SentTimestamp": str(int(message.created * 1000))}}

    page = type("SqsDeveloperApi", (), {"_collect_messages": lambda page, queue, **shown: [queue, shown]})
    provider = type(
        "CloudformationProviderV2",
        (),
        {name: lambda self, context, request: request for name in ("create_change_set", "update_stack")},
    )
    return {
        f"{SERVICES}.cloudformation.engine.v2.change_set_model": {"ChangeType": SimpleNamespace(UNCHANGED=0)},
        f"{SERVICES}.cloudformation.v2.entities": {"ChangeSet": type("ChangeSet", (), {})},
        f"{SERVICES}.cloudformation.v2.provider": {"CloudformationProviderV2": provider},
        f"{SERVICES}.events.rule": {"RuleService": type("RuleService", (), {})},
        f"{SERVICES}.events.scheduler": {"JobScheduler": SimpleNamespace(instance=lambda: scheduler)},
        f"{SERVICES}.sqs": {
            "developer_api": SimpleNamespace(SqsDeveloperApi=page, to_sqs_api_message=to_sqs_api_message)
        },
        f"{SERVICES}.sqs.models": {"StandardQueue": type("StandardQueue", (StandardQueue,), {})},
        f"{SERVICES}.moto": {"MotoFallbackDispatcher": lambda provider: provider.answers},
        f"{SERVICES}.plugins": {"Service": SimpleNamespace(), "ServiceLifecycleHook": type("Hook", (), {})},
        "localstack.runtime.events": {"infra_stopping": threading.Event()},
        "localstack.aws.api.dynamodb": {"DynamodbApi": type("DynamodbApi", (), {})},
        f"{SERVICES}.sqs.provider": {"QueueUpdateWorker": type("QueueUpdateWorker", (UpdateWorker,), {})},
        INVOCATION: {"lambda_service": SimpleNamespace(store_lambda_archive=lambda *stored: [*stored])},
        f"{INVOCATION}.execution_environment": {"ExecutionEnvironment": Environment},
        f"{INVOCATION}.lambda_models": {
            "S3Code": type("S3Code", (), {}),
            "InvocationResult": lambda request_id, payload, is_error, logs: SimpleNamespace(
                request_id=request_id, payload=json.loads(payload), is_error=is_error, logs=logs
            ),
        },
        f"{INVOCATION}.runtime_executor": {"RuntimeExecutor": RuntimeExecutor},
        f"{MAPPINGS}.esm_worker": {"EsmWorker": type("EsmWorker", (EsmWorker,), {})},
        f"{MAPPINGS}.pollers.poller": {"EmptyPollResultsException": EmptyError},
        f"{MAPPINGS}.pollers.sqs_poller": {"SqsPoller": type("SqsPoller", (SqsPoller,), {})},
    }


@pytest.fixture
def localstack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Imports one of our modules as LocalStack does."""
    for name, members in modules().items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    names = [f"{OURS}.{name}" for name in ("mending", "parallel", "executor", "dynamodb")]
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield lambda name: importlib.import_module(f"{OURS}.{name}")
    for name in names:
        sys.modules.pop(name, None)


# Rules, pages, packages, stacks.


@pytest.fixture
def mending(localstack: Callable[[str], Any]) -> Any:
    """The module, when it has put its own in the place of LocalStack's."""
    mending = localstack("mending")
    mending.mend()
    return mending


def test_a_rule_fires_while_it_is_enabled_and_once_however_often_it_got_its_targets(mending: Any) -> None:
    service = mending.RuleService()
    service.rule, service.schedule_cron = SimpleNamespace(state="ENABLED"), "* * * * *"
    scheduler, fired = mending.JobScheduler.instance(), []
    for target in ("one", "other"):
        service.create_schedule_job(lambda target=target: fired.append(target))

    scheduler.fire()
    service.rule.state = "DISABLED"
    scheduler.fire()
    assert fired == ["other"]

    service.rule.state = "ENABLED"
    scheduler.fire()
    assert fired == ["other", "other"]


@pytest.mark.parametrize(
    ("delay", "deadline", "visible_at"), [(None, None, "1000"), (30, None, "1030"), (30, 1234.5, "1234")]
)
def test_the_page_of_a_queue_tells_when_a_message_is_visible(
    mending: Any, delay: int | None, deadline: float | None, visible_at: str
) -> None:
    message = SimpleNamespace(created=1000.7, delay_seconds=delay, visibility_deadline=deadline)

    shown = mending.developer_api.to_sqs_api_message(message, [], [])

    assert shown["Attributes"] == {"SentTimestamp": "1000700", "VisibleAt": visible_at}


def test_what_was_delayed_is_visible_soon_after_its_moment(mending: Any) -> None:
    worker = mending.QueueUpdateWorker()
    worker.start()

    assert min(worker.periods) <= 0.2


def test_a_message_that_was_waited_for_is_hidden_for_as_long_as_its_queue_says_then(mending: Any) -> None:
    queue = mending.StandardQueue()
    received: list[Any] = []
    waiting = threading.Thread(target=lambda: received.append(queue.receive(1, 20)))
    waiting.start()
    until(lambda: bool(queue.visible.not_empty._waiters))
    queue.visibility_timeout = 1
    queue.visible.put("a message")
    waiting.join(20)

    assert received == [("a message", 1)]
    assert queue.receive(1, 0, 5) == (None, 5)


def test_tables_are_written_by_one_request_after_the_other(localstack: Callable[[str], Any]) -> None:
    value = 0

    def add_one() -> None:
        nonlocal value
        read = value
        time.sleep(0.01)
        value = read + 1

    table = localstack("dynamodb").one_after_the_other(SimpleNamespace(answers={"UpdateItem": add_one}))
    requests = [threading.Thread(target=table["UpdateItem"]) for _ in range(5)]
    for request in requests:
        request.start()
    for request in requests:
        request.join()

    assert value == 5


def test_nothing_moves_in_a_queue_that_is_looked_at(mending: Any) -> None:
    class Mutex:
        is_held = False

        def __enter__(self) -> None:
            self.is_held = True

        def __exit__(self, *_: object) -> None:
            self.is_held = False

    class Queue:
        mutex = Mutex()

    seen: list[bool] = []
    mending._collect = lambda page, queue, **shown: seen.append(queue.mutex.is_held)
    mending.developer_api.SqsDeveloperApi()._collect_messages(Queue(), show_delayed=True)

    assert seen == [True]
    assert not Queue.mutex.is_held


@pytest.mark.parametrize(
    ("configured", "group"), [({"LogGroup": "ours"}, "ours"), ({}, "/aws/lambda/a-function")]
)
def test_a_function_logs_into_its_group(mending: Any, configured: dict[str, str], group: str) -> None:
    environment = mending.ExecutionEnvironment()
    environment.function_version = SimpleNamespace(
        id=SimpleNamespace(function_name="a-function"), config=SimpleNamespace(logging_config=configured)
    )

    assert environment.get_log_group_name() == group


def test_functions_of_the_same_bytes_share_a_package_that_stays(mending: Any) -> None:
    store = mending.lambda_service.store_lambda_archive
    first = store(b"package", "one", "a-region", "an-account")
    code = mending.S3Code()
    code.destroy()
    code.destroy_cached()

    assert store(b"package", "other", "a-region", "an-account") is first
    assert store(b"another", "other", "a-region", "an-account") is not first
    assert store(b"package", "other", "elsewhere", "an-account") is not first


def test_a_stack_keeps_the_template_that_it_had(mending: Any) -> None:
    provider = mending.CloudformationProviderV2()
    context = SimpleNamespace(account_id="an-account", region="a-region")
    provider.create_change_set(context, {"StackName": "a", "TemplateURL": "first"})
    provider.update_stack(context, {"StackName": "a", "TemplateURL": "second"})
    provider.create_change_set(context, {"StackName": "b", "TemplateURL": "other"})

    for operation in (provider.create_change_set, provider.update_stack):
        asked = operation(context, {"StackName": "a", "UsePreviousTemplate": True})
        assert asked["TemplateURL"] == "second"


@pytest.mark.parametrize("changed", [None, "parameters", "resources", "outputs"])
def test_a_change_set_has_changes_when_a_part_of_the_template_has(mending: Any, changed: str | None) -> None:
    template = SimpleNamespace(
        **{part: SimpleNamespace(change_type=int(part == changed)) for part in mending._PARTS}
    )
    change_set = mending.ChangeSet()
    change_set.update_model = SimpleNamespace(node_template=template)

    assert change_set.has_changes() == (changed is not None)


# Several batches at once.


@pytest.fixture
def parallel(localstack: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, when it has put its own in the place of LocalStack's."""
    parallel = localstack("parallel")
    monkeypatch.setattr(parallel, "PAUSE_SECONDS", 0.01)
    parallel.mend()
    return parallel


@pytest.mark.parametrize(("consumers", "at_once"), [(3, 3), (None, 1)])
def test_so_many_batches_are_worked_at_once_as_there_are_consumers(
    parallel: Any, consumers: int | None, at_once: int
) -> None:
    poller = parallel.SqsPoller(batches=10)
    worker = parallel.EsmWorker(consumers, poller)
    worker.start()
    time.sleep(0.1)
    assert poller.left == 10, "helpers begin when the poller itself has found something"

    own = threading.Thread(target=poller.poll_events)
    own.start()
    until(lambda: poller.crew.under_way == at_once)
    poller.left = 0
    poller.let_go.set()
    own.join()
    worker._shutdown_event.set()
    poller.close()

    assert poller.crew.under_way == 0
    assert worker.states == ["started"]


def test_a_mapping_is_disabled_when_its_helpers_are_done(parallel: Any) -> None:
    poller = parallel.SqsPoller(batches=2)
    worker = parallel.EsmWorker(2, poller)
    worker.start()
    own = threading.Thread(target=poller.poll_events)
    own.start()
    until(lambda: poller.crew.under_way == 2)
    worker._shutdown_event.set()
    closing = threading.Thread(target=poller.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive(), "a batch is under way"

    poller.let_go.set()
    closing.join(20)
    own.join(20)
    assert not closing.is_alive()


def test_who_was_replaced_no_longer_says_what_state_a_mapping_is_in(parallel: Any) -> None:
    before, after = (parallel.EsmWorker(None, parallel.SqsPoller(0)) for _ in range(2))
    before.start()
    before.update_esm_state_in_store("enabled")
    after.start()
    before.update_esm_state_in_store("disabled")
    after.update_esm_state_in_store("enabled")

    assert before.states == ["started", "enabled"]
    assert after.states == ["started", "enabled"]


# Functions as processes.


@pytest.fixture
def executor(
    request: pytest.FixtureRequest,
    localstack: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """An execution environment of the handler of the parameter, with a timeout of a second."""
    monkeypatch.setenv("LAMBDA_PROCESS_PYTHON", sys.executable)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    version = SimpleNamespace(
        id=SimpleNamespace(function_name="a-function", qualifier="$LATEST"),
        config=SimpleNamespace(
            runtime="python3.11",
            timeout=1,
            memory_size=512,
            code=SimpleNamespace(get_unzipped_code_location=lambda: tmp_path),
        ),
    )
    executor = localstack("executor").ProcessExecutor("an-environment", version)
    executor.start(
        {
            "_HANDLER": f"handlers.{request.param}",
            "AWS_LAMBDA_FUNCTION_NAME": "a-function",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": 512,
            "AWS_LAMBDA_LOG_GROUP_NAME": "a-group",
            "AWS_LAMBDA_LOG_STREAM_NAME": "a-stream",
        }
    )
    yield executor
    executor.stop()


def invoke(executor: Any, event: object, request_id: str = "an-id") -> Any:
    return executor.invoke(
        {"invoke-id": request_id, "invoked-function-arn": "an-arn", "payload": json.dumps(event)}
    )


def is_at_work(executor: Any) -> bool:
    """Whether another thread has it do something."""
    if executor._lock.acquire(blocking=False):
        executor._lock.release()
        return False
    return True


@pytest.mark.parametrize("executor", ["echo"], indirect=True)
def test_an_invocation_has_its_answer_and_its_log(executor: Any) -> None:
    result = invoke(executor, {"word": "first"})
    again = invoke(executor, {"word": "second"}, "other-id")

    assert not result.is_error
    assert (result.payload["word"], result.payload["id"]) == ("first", "an-id")
    lines = result.logs.splitlines()
    assert lines[0] == "START RequestId: an-id Version: $LATEST"
    assert lines[1] == "printed first"
    assert lines[-2] == "END RequestId: an-id"
    assert "Memory Size: 512 MB" in lines[-1]
    assert "Init Duration" in lines[-1]
    assert "printed first" not in again.logs
    assert "Init Duration" not in again.logs, "it was loaded before"


@pytest.mark.parametrize(
    ("executor", "kind", "words"),
    [
        ("hang", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("die", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
    ],
    indirect=["executor"],
)
def test_an_invocation_that_ends_badly_is_said_and_the_next_has_a_new_process(
    executor: Any, kind: str, words: str
) -> None:
    for _ in range(2):
        result = invoke(executor, {})
        assert result.is_error
        assert result.payload["errorType"] == kind
        assert words in result.payload["errorMessage"]
        assert words in result.logs
        assert "Init Duration" in result.logs, "it was loaded for this invocation"


@pytest.mark.parametrize("executor", ["absent"], indirect=True)
def test_a_function_that_cannot_be_loaded_says_so_at_each_invocation(executor: Any) -> None:
    for _ in range(2):
        result = invoke(executor, {})
        assert result.is_error
        assert result.payload["errorType"] == "Runtime.HandlerNotFound"


@pytest.mark.parametrize("executor", ["wait"], indirect=True)
def test_an_invocation_under_way_comes_to_its_end_before_its_version_does(
    executor: Any, tmp_path: Path
) -> None:
    executor.function_version.config.timeout = 20
    results: list[Any] = []
    event = {"for": str(tmp_path / "flag")}
    invoking = threading.Thread(target=lambda: results.append(invoke(executor, event)))
    invoking.start()
    until(lambda: is_at_work(executor))
    stopping = threading.Thread(target=executor.stop)
    stopping.start()
    stopping.join(0.2)
    assert stopping.is_alive(), "it waits"
    (tmp_path / "flag").touch()
    stopping.join(20)
    invoking.join(20)

    assert (results[0].is_error, results[0].payload) == (False, "it came")
    assert not executor._folder.exists()


@pytest.mark.parametrize("executor", ["hang"], indirect=True)
def test_when_all_stops_an_invocation_is_ended(executor: Any) -> None:
    executor.function_version.config.timeout = 60
    results: list[Any] = []
    invoking = threading.Thread(target=lambda: results.append(invoke(executor, {})))
    invoking.start()
    until(lambda: is_at_work(executor))
    sys.modules["localstack.runtime.events"].infra_stopping.set()
    executor.stop()
    invoking.join(20)

    assert results[0].payload["errorType"] == "Runtime.ExitError"
    assert not executor._folder.exists()
    assert invoke(executor, {}).is_error


@pytest.mark.parametrize("runtime", [None, "nodejs22.x"])
def test_only_python_runs_here(localstack: Callable[[str], Any], runtime: str | None) -> None:
    version = SimpleNamespace(config=SimpleNamespace(runtime=runtime))

    with pytest.raises(ValueError, match="only functions in Python"):
        localstack("executor").ProcessExecutor.prepare_version(version)
