"""Mends in LocalStack what the deployed package and its tests rely on, and AWS does.

- A rule that is disabled does not fire; and it fires once a minute, however often it was given its targets.
- The page `/_aws/sqs/messages` tells when a message will be visible (`VisibleAt`, seconds since the epoch),
  and shows each message that is there, also one that is received at this moment.
- Who waits for messages gets them as the queue is when they come: with its visibility timeout of that moment.
- What was delayed is visible a fifth of a second after its moment at most, not a whole one.
- A function logs into the group that its LoggingConfig names.
- Functions of the same package share it: unpacked once, not once for each of them and each of their changes.
- A stack is changed with the template that it has (UsePreviousTemplate), and a change set in which nothing
  changes says so.
"""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from localstack.services.cloudformation.engine.v2.change_set_model import ChangeType
from localstack.services.cloudformation.v2.entities import ChangeSet
from localstack.services.cloudformation.v2.provider import CloudformationProviderV2
from localstack.services.events.rule import RuleService
from localstack.services.events.scheduler import JobScheduler
from localstack.services.lambda_.invocation import lambda_service
from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment
from localstack.services.lambda_.invocation.lambda_models import S3Code
from localstack.services.sqs import developer_api
from localstack.services.sqs.models import StandardQueue
from localstack.services.sqs.provider import QueueUpdateWorker

_collect = developer_api.SqsDeveloperApi._collect_messages
_to_api_message = developer_api.to_sqs_api_message
_receive = StandardQueue.receive
_start_updates = QueueUpdateWorker.start
_store_archive = lambda_service.store_lambda_archive
_archives: dict[tuple[bytes, str, str], Any] = {}
UPDATE_SECONDS = 0.2
_PARTS = ("transform", "mappings", "parameters", "conditions", "resources", "outputs")
_template_urls: dict[tuple[str, str, str], str] = {}
"""The newest template of each stack: account, region, name."""


def mend() -> None:
    """Put ours in the place of what is there."""
    RuleService.create_schedule_job = create_schedule_job
    developer_api.SqsDeveloperApi._collect_messages = collect_messages
    developer_api.to_sqs_api_message = to_api_message
    StandardQueue.receive = receive
    QueueUpdateWorker.start = start_updates
    ExecutionEnvironment.get_log_group_name = log_group_name
    lambda_service.store_lambda_archive = store_archive
    S3Code.destroy = S3Code.destroy_cached = keep
    ChangeSet.has_changes = has_changes
    for operation in ("create_change_set", "update_stack"):
        theirs = getattr(CloudformationProviderV2, operation)
        setattr(CloudformationProviderV2, operation, knowing_the_template(theirs))


def create_schedule_job(service: Any, fire: Callable[..., None]) -> None:
    """Have a rule fire by its schedule while it is enabled, and no longer by an earlier one."""
    scheduler = JobScheduler.instance()
    if before := getattr(service, "job_id", None):
        scheduler.cancel_job(before)

    def fire_if_enabled(*arguments: Any, **named: Any) -> None:
        if service.rule.state != "DISABLED":
            fire(*arguments, **named)

    service.job_id = scheduler.add_job(fire_if_enabled, service.schedule_cron)


def collect_messages(page: Any, queue: Any, **shown: bool) -> Any:
    """What lies in a queue, while nothing moves in it."""
    with queue.mutex:
        return _collect(page, queue, **shown)


def to_api_message(message: Any, *arguments: Any) -> Any:
    """A message as the page shows it, with the moment from which it is visible."""
    shown = _to_api_message(message, *arguments)
    visible_at = message.visibility_deadline or message.created + (message.delay_seconds or 0)
    shown["Attributes"]["VisibleAt"] = str(int(visible_at))
    return shown


def receive(
    queue: Any,
    num_messages: int = 1,
    wait_time_seconds: int | None = None,
    visibility_timeout: int | None = None,
    *,
    poll_empty_queue: bool = False,
) -> Any:
    """Wait until there is a message, and receive only then."""
    if wait_time_seconds and not poll_empty_queue:
        with queue.visible.not_empty:
            queue.visible.not_empty.wait_for(queue.visible._qsize, wait_time_seconds)
        wait_time_seconds = None
    return _receive(
        queue, num_messages, wait_time_seconds, visibility_timeout, poll_empty_queue=poll_empty_queue
    )


def start_updates(worker: Any) -> None:
    """Look more often for messages whose delay or visibility timeout is over."""
    _start_updates(worker)
    worker.scheduler.schedule(worker.do_update_all_queues, period=UPDATE_SECONDS)


def log_group_name(environment: Any) -> str:
    """Where a function logs."""
    version = environment.function_version
    configured = version.config.logging_config.get("LogGroup")
    return str(configured or f"/aws/lambda/{version.id.function_name}")


def store_archive(archive_file: bytes, function_name: str, region_name: str, account_id: str) -> Any:
    """The stored package; the same for the same bytes."""
    key = sha256(archive_file).digest(), region_name, account_id
    if key not in _archives:
        _archives[key] = _store_archive(archive_file, function_name, region_name, account_id)
    return _archives[key]


def keep(code: Any) -> None:
    """Other functions may have the same package: all go when LocalStack has ended."""


def knowing_the_template(operation: Callable[..., Any]) -> Callable[..., Any]:
    """An operation on a stack that knows which template it had."""

    @wraps(operation)
    def call(provider: Any, context: Any, request: dict[str, Any]) -> Any:
        stack = context.account_id, context.region, request["StackName"]
        if request.get("UsePreviousTemplate"):
            request = {**request, "TemplateURL": _template_urls[stack]}
        elif "TemplateURL" in request:
            _template_urls[stack] = request["TemplateURL"]
        return operation(provider, context, request)

    return call


def has_changes(change_set: Any) -> bool:
    """Whether any part of the template is other than it was."""
    template = change_set.update_model.node_template
    return any(getattr(template, part).change_type != ChangeType.UNCHANGED for part in _PARTS)
