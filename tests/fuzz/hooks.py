"""What the fuzzer cannot know from a schema."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from schemathesis import GenerationMode

from chalicelib.api.examples import USER
from tests.support.example_requests import LOGIN

ADMINISTRATOR = "fuzzer"
"""By whose token everything is asked."""


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    """JSON lines are sent as the text that was drawn."""
    return str(value).encode()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Make right requests right: the wrong ones stay as they were drawn.

    An Idempotency-Key that came with another body before is a 422, and so are a cursor that was not given
    here, an audience that is not there, and a time to send at that has passed or is years ahead; a link is
    found when it was signed here; and 1.0, an integer by JSON Schema, is none to us. A template has its own
    variables, and takes no title beside them.
    """
    if (case.path_parameters or {}).get("login") == ADMINISTRATOR:
        case.path_parameters["login"] = LOGIN  # read from the list; its own token would end
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    case.body = _integers(case.body)
    if case.path == "/api/v1/notifications/" and isinstance(case.body, dict) and "audience_id" in case.body:
        del case.body["audience_id"]
        case.body["users"] = [USER]
    if (
        case.path.startswith("/api/v1/notifications/")
        and isinstance(case.body, dict)
        and "send_at" in case.body
    ):
        case.body["send_at"] = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    _fill_in(case.path, case.body)
    if case.path.endswith("/preview/"):
        case.path_parameters["name"] = "order_shipped"
    for name in [name for name in case.headers or {} if name.lower() == "idempotency-key"]:
        case.headers[name] = hashlib.sha256(repr(case.body).encode()).hexdigest()
    if case.query:
        case.query.pop("cursor", None)
    if case.path_parameters and "token" in case.path_parameters:
        case.path_parameters["token"] = os.environ["UNSUBSCRIBE_TOKEN"]


def _fill_in(path: str, body: Any) -> None:
    """Have what goes by a template name one that there is, with what it takes."""
    if not isinstance(body, dict):
        return
    if path.startswith("/api/v1/templates/"):
        body |= {"type": "mail", "version": 1, "variables": {"order": "A-1047"}}
        for name in ("title", "text", "recipient"):
            body.pop(name, None)
        return
    for said in (body, body.get("notification")):
        if isinstance(said, dict) and "template" in said:
            said |= {"template": "order_shipped@1", "variables": {"order": "A-1047"}}
            for name in ("title", "text"):
                said.pop(name, None)
        elif isinstance(said, dict):
            said.pop("variables", None)


def _integers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _integers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_integers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
