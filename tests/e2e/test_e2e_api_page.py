"""The commands of docs/api.md, as a reader copies them: each is run, in their order, and does its work."""

import json
import os
import re
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib import security
from chalicelib.api.examples import USER
from chalicelib.tables import suppressions
from infra.api_reference import PAGE
from tests.support.deployment import Deployment
from tests.support.example_requests import LOGIN, OPERATIONS, PASSWORD
from tests.support.telegram import SECRET, WEBHOOK_TOKEN

pytestmark = pytest.mark.e2e

SECTION = re.compile(r"^#### (\w+ \S+)\n(.*?)(?=^####? |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)

# What curl answers is followed by its status.
PROLOGUE = "curl() { command curl --max-time 60 --write-out '\\n%{http_code}' \"$@\"; }\n"

EXAMPLE_TOKEN = "eyJhbGciOi…"


@pytest.fixture
def variables(vestnik: Deployment) -> dict[str, str]:
    """Those of the page's beginning."""
    vestnik.deploy()
    vestnik.create_administrator("reader")
    vestnik.set_channel_secret("telegram", SECRET)
    vestnik.put(
        "ADMINS_TABLE",
        {
            "login": LOGIN,
            "password_hash": security.hash_administrator_password(PASSWORD),
            "is_active": True,
            "created_at": "2026-11-23T10:00:00.000Z",
        },
    )
    suppression_id = suppressions.suppression_id("mail", "gone@example.com")
    vestnik.put(
        "SUPPRESSIONS_TABLE",
        {
            "id": suppression_id, "channel": "mail", "address": "gone@example.com", "reason": "bounced",
            "suppressed_at": "2026-11-23T10:00:00.000Z", "listed": "0",
            "listed_as": f"2026-11-23T10:00:00.000Z#{suppression_id}",
        },
    )  # fmt: skip
    link = vestnik.secret("LINK_SECRET_ARN")
    return {
        "VESTNIK": vestnik.api_url,
        "APPLICATION": vestnik.register_application("reader", "send", "read", "manage"),
        "ADMINISTRATOR": f"Bearer {vestnik.manage('token', 'reader').strip()}",
        "USER_TOKEN": vestnik.manage("user-token", USER).strip(),
        "USER_ID": USER,
        "SUPPRESSION_ID": suppression_id,
        "NUMBER": "1",
        "NAME": "order_shipped",
        "TELEGRAM_TOKEN": WEBHOOK_TOKEN,
        "TOKEN": security.sign_unsubscribe_link(link, str(uuid.uuid4()), "mail"),
    }


def test_every_command_of_the_page_works(vestnik: Deployment, variables: dict[str, str]) -> None:
    ran = []
    for name, text in SECTION.findall(PAGE.read_text("utf-8")):
        for command in BLOCK.findall(text):
            known = variables
            if name == "PATCH /api/v1/notifications/{notification_id}/":  # what is sent at once is due
                known = {**variables, "NOTIFICATION_ID": scheduled(vestnik, variables["APPLICATION"])}
            if name == "GET /api/v1/users/{user_id}/telegram_link/":  # who was asked about before is erased
                known = {**variables, "USER_ID": str(uuid.uuid4())}
            answer, status = run(command.replace(EXAMPLE_TOKEN, variables.get("REFRESH", "")), known)
            expected = next(iter(OPERATIONS[name]["responses"]))
            assert status == expected, (name, command, answer)
            variables |= learned(name, answer)
        ran.append(name)
    assert sorted(ran) == sorted(OPERATIONS)


def scheduled(vestnik: Deployment, authorization: str) -> str:
    """A notification that is sent in an hour; its id."""
    send_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"type": "mail", "title": "Soon", "text": "Soon.", "users": [USER], "send_at": send_at}
    return str(vestnik.ask("POST", "/api/v1/notifications/", body, authorization)["id"])


def run(command: str, variables: dict[str, str]) -> tuple[str, str]:
    """What a command prints, and the answer's status."""
    done = subprocess.run(
        ["bash", "-euc", PROLOGUE + command],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (command, done.stderr)
    answer, _, status = done.stdout.rpartition("\n")
    return answer, status


def learned(name: str, answer: str) -> dict[str, str]:
    """What the paths of further commands name: by the links of the schema."""
    success: dict[str, Any] = next(iter(OPERATIONS[name]["responses"].values()))
    found = {
        parameter.upper(): str(json.loads(answer)[expression.removeprefix("$response.body#/")])
        for link in success.get("links", {}).values()
        for parameter, expression in link["parameters"].items()
    }
    if name == "POST /api/v1/user_token/":
        found["REFRESH"] = json.loads(answer)["refresh"]
    return found
