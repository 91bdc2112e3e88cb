"""The process of a function: loads the handler once, then answers one invocation a line.

Run by worker.py as a program, on the functions' own Python: it needs the standard library only. The
requests come on stdin (which is empty for the handler), the answers go to the file descriptor that is
named on the command line; stdout and stderr belong to the handler.
"""

import importlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from typing import IO, Any

Handler = Callable[[Any, "Context"], Any]
OWN_FRAMES = 1
"""So many frames of a traceback are those of this file."""


class Identity:
    """Nobody: only mobile clients have one."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context:
    """What a handler is told of its invocation."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.aws_request_id = request["id"]
        self.invoked_function_arn = request["arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = Identity()
        self.client_context = None
        self.tenant_id = None
        self._deadline = request["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still last."""
        return max(int((self._deadline - time.time()) * 1000), 0)

    def log(self, message: object) -> None:
        """Print, as Lambda's own does."""
        print(message, end="")


class FunctionError(Exception):
    """What went wrong, as Lambda says it."""

    def __init__(self, kind: str, message: str, cause: BaseException | None = None) -> None:
        super().__init__(message)
        frames = traceback.extract_tb(cause.__traceback__)[OWN_FRAMES:] if cause else []
        self.document = {
            "errorMessage": message,
            "errorType": kind,
            "stackTrace": traceback.format_list(frames),
        }


class LogHandler(logging.Handler):
    """Writes what a function logs in the form that Lambda gives it."""

    request_id = ""

    def emit(self, record: logging.LogRecord) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        stamp = f"{moment}.{record.msecs:03.0f}Z"
        print(f"[{record.levelname}]\t{stamp}\t{self.request_id}\t{self.format(record)}", flush=True)


def load(name: str) -> Handler:
    """The handler of that name: 'chalicelib.workers.deliver.express'."""
    module, _, function = name.rpartition(".")
    try:
        loaded = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module}': {error}"
        raise FunctionError("Runtime.ImportModuleError", message) from error
    except Exception as error:
        raise FunctionError(type(error).__name__, str(error), error) from error
    try:
        handler: Handler = getattr(loaded, function)
    except AttributeError as error:
        message = f"Handler '{function}' missing on module '{module}'"
        raise FunctionError("Runtime.HandlerNotFound", message) from error
    return handler


def answer(handler: Handler, request: dict[str, Any]) -> str:
    """What a handler returns, as JSON."""
    event = json.loads(request["event"] or "{}")
    try:
        result = handler(event, Context(request))
    except Exception as error:
        raise FunctionError(type(error).__name__, str(error), error) from error
    try:
        return json.dumps(result, default=_number)
    except (TypeError, ValueError) as error:
        message = f"Unable to marshal response: {error}"
        raise FunctionError("Runtime.MarshalError", message) from error


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def reply(replies: IO[str], work: Callable[[], str | None]) -> bool:
    """Send on what comes of it, after all that it has printed; False when it has failed."""
    try:
        message: dict[str, Any] = {"ok": True, "payload": work()}
    except FunctionError as error:
        document = error.document
        print(f"[ERROR] {document['errorType']}: {document['errorMessage']}")
        print("".join(document["stackTrace"]), end="")
        message = {"ok": False, "payload": json.dumps(document)}
    sys.stdout.flush()
    sys.stderr.flush()
    replies.write(json.dumps(message) + "\n")
    replies.flush()
    return bool(message["ok"])


def main() -> None:
    """Answer until LocalStack closes the pipe, which it also does by dying."""
    replies = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
    os.set_inheritable(replies.fileno(), False)
    requests = os.fdopen(os.dup(0), encoding="utf-8")  # what dup makes is not inherited
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    sys.argv = [""]
    log = LogHandler()
    logging.getLogger().addHandler(log)
    handlers: list[Handler] = []

    def start() -> None:
        handlers.append(load(os.environ["_HANDLER"]))

    if not reply(replies, start):
        sys.exit(1)
    for line in requests:
        request = json.loads(line)
        log.request_id = request["id"]
        if request["trace"]:
            os.environ["_X_AMZN_TRACE_ID"] = request["trace"]
        reply(replies, lambda request=request: answer(handlers[0], request))  # type: ignore[misc]


if __name__ == "__main__":
    main()
