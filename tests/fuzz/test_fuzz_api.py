"""The deployed API under schemathesis: no 5xx, and no answer that the schema does not have."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib import security
from chalicelib.api.examples import USER
from infra.package import PROJECT
from tests.fuzz.hooks import ADMINISTRATOR
from tests.support.deployment import Deployment
from tests.support.example_requests import LOGIN, OPERATIONS, PASSWORD

pytestmark = pytest.mark.e2e

SETTINGS = Path(__file__).with_name("schemathesis.toml")
FOLLOWED_LINKS = 5
"""From what one request made to the next: of so many kinds at least, or the stateful phase shows nothing."""

Fuzz = Callable[..., str]


@pytest.fixture(scope="module")
def headers(vestnik: Deployment) -> dict[str, str]:
    """Who asks -> their Authorization header."""
    vestnik.create_administrator(ADMINISTRATOR)
    vestnik.put(
        "ADMINS_TABLE",
        {
            "login": LOGIN,
            "password_hash": security.hash_administrator_password(PASSWORD),
            "is_active": True,
            "created_at": "2026-11-23T10:00:00.000Z",
        },
    )
    return {
        "administrator": f"Bearer {vestnik.manage('token', ADMINISTRATOR).strip()}",
        "application": vestnik.register_application("fuzzing", "send", "read", "manage"),
        "user": vestnik.manage("user-token", USER).strip(),
    }


@pytest.fixture(scope="module")
def token(vestnik: Deployment) -> str:
    """A link as it stands in a mail."""
    return security.sign_unsubscribe_link(vestnik.secret("LINK_SECRET_ARN"), str(uuid.uuid4()), "mail")


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_delivered(vestnik: Deployment) -> Iterator[None]:
    """The fuzzer is about what the API answers; a thousand notifications would keep both processors busy."""
    vestnik.pause("FanOutExpress")
    vestnik.pause("FanOutRegular")
    with vestnik.without_rules():
        yield


def test_the_schema_holds_for_an_administrator(fuzz: Fuzz) -> None:
    said = fuzz("administrator")
    links = re.search(r"API Links: +(\d+) covered", said)
    assert links is not None, said
    assert int(links.group(1)) >= FOLLOWED_LINKS, said


def test_the_schema_holds_for_an_application(fuzz: Fuzz) -> None:
    """The forms of requests, which the coverage phase tries, are the same for everybody."""
    fuzz("application", "--phases=examples,fuzzing,stateful")


def test_the_schema_holds_for_a_user(fuzz: Fuzz) -> None:
    own = [name for name, operation in OPERATIONS.items() if {"user": []} in operation["security"]]
    fuzz("user", *(f"--include-name={name}" for name in own), operations=len(own))


@pytest.fixture
def fuzz(vestnik: Deployment, headers: dict[str, str], token: str, tmp_path: Path) -> Fuzz:
    """Run schemathesis as somebody, over this many operations; it must find nothing. What it says."""

    def run(who: str, *options: str, operations: int = len(OPERATIONS)) -> str:
        ran = subprocess.run(
            [str(Path(sys.executable).with_name("st")), "--config-file", str(SETTINGS),
             "run", f"{vestnik.api_url}/api/schema/", "--url", vestnik.api_url,
             "--header", f"Authorization: {headers[who]}", *options],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "UNSUBSCRIBE_TOKEN": token},
        )  # fmt: skip
        said = "\n".join(line.rstrip() for line in ran.stdout.splitlines())
        assert ran.returncode == 0, said + ran.stderr
        assert f"Tested: {operations}\n" in said, said
        return said

    return run
