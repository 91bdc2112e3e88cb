"""One process of the API function, as Lambda runs it: posts a notification twice and says what it took.

Run by itself, without the project's environment (the package brings what the function needs):
`python -I -S posting_child.py PACKAGE AUTHORIZATION USERS KEY`, where KEY may be empty.
"""

import json
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def _event(authorization: str, users: int, key: str | None) -> str:
    """The event as API Gateway sends it: the body is a text in it."""
    body = {
        "type": "mail",
        "title": "News",
        "text": "There is something new.",
        "users": [str(uuid.uuid4()) for _ in range(users)],
    }
    headers = {"authorization": authorization, "content-type": "application/json"}
    if key:
        headers["idempotency-key"] = key
    return json.dumps(
        {
            "resource": "/api/v1/notifications",
            "path": "/api/v1/notifications",
            "httpMethod": "POST",
            "headers": headers,
            "multiValueQueryStringParameters": None,
            "pathParameters": None,
            "stageVariables": None,
            "requestContext": {"httpMethod": "POST", "resourcePath": "/api/v1/notifications"},
            "body": json.dumps(body),
            "isBase64Encoded": False,
        }
    )


def _post(app: Any, event: str) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    answer = app(json.loads(event), SimpleNamespace(aws_request_id="bench"))
    taken = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    assert answer["statusCode"] == 201, answer
    return taken


def _peak_megabytes() -> float:
    # Not ru_maxrss: a new process begins with that of the one which started it.
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    package, authorization, users, key = sys.argv[1:]
    event, first = _event(authorization, int(users), key or None), _event(authorization, 1, None)
    sys.path.insert(0, package)
    from app import app

    cold = _post(app, first)
    before = _peak_megabytes()
    measured = _post(app, event)
    found = {"cold": cold, "measured": measured, "before_mb": before, "peak_mb": _peak_megabytes()}
    sys.stderr.write(json.dumps(found))


if __name__ == "__main__":
    main()
