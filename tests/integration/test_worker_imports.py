"""What a worker may not load: each cold start would pay for it."""

import os
import subprocess
import sys

import pytest

from tests.support.factories import ENVIRONMENT

API_ONLY = (
    "pydantic",
    "jwt",
    "cryptography",
    "argon2",
    "requests",
    "httpx",
    "chalicelib.api",
    "chalicelib.outside",
    "chalicelib.directory.http",
    "chalicelib.directory.tokens",
    "chalice.local",
)
"""What only the API needs, or only a deployment with an outside users service."""
SENDING = ("aiosmtplib", "jinja2", "dns", "email_validator")
"""Libraries that only a sending needs, or the check of an address; loaded when they are used."""

CHANNELS_OWN = (
    "chalicelib.channels.ses",
    "chalicelib.channels.telegram_api",
    "chalicelib.channels.telegram_session",
    "chalicelib.channels.telegram_message",
    "chalicelib.channels.bounded_http",
    "idna",
)
"""What only a channel needs that is not used, or not yet: by default mail goes by a mail server."""

FORBIDDEN = {
    "fan_out": (*API_ONLY, "aiosmtplib", "jinja2", "dns"),
    "sweep": (*API_ONLY, "aiosmtplib", "jinja2", "dns"),
    "dead_letters": (*API_ONLY, *SENDING),
    "mail_events": (*API_ONLY, *SENDING),
    "deliver": (*API_ONLY, "dns", "chalicelib.templating.rendering", *CHANNELS_OWN),
}


def run(code: str) -> list[str]:
    """What a fresh interpreter prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.split()


@pytest.mark.parametrize("worker", FORBIDDEN)
def test_a_worker_loads_nothing_that_it_does_not_need(worker: str) -> None:
    loaded = set(run(f"import sys, chalicelib.workers.{worker}; print(*sys.modules)"))
    assert f"chalicelib.workers.{worker}" in loaded
    assert loaded.isdisjoint(FORBIDDEN[worker])


def test_where_mail_goes_by_ses_nothing_of_smtp_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ENVIRONMENT, "MAIL_BY": "ses", "AWS_DEFAULT_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(name, value)
    loaded = set(run("import sys, chalicelib.workers.deliver; print(*sys.modules)"))
    assert "chalicelib.channels.ses" in loaded
    assert loaded.isdisjoint({"chalicelib.channels.smtp", "aiosmtplib", *API_ONLY})


@pytest.mark.parametrize("worker", FORBIDDEN)
def test_how_long_a_worker_takes_beside_boto3(worker: str) -> None:
    clock = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
    clients = "import boto3; [boto3.client(name, region_name='eu-central-1') for name in ('sqs', 'dynamodb')]"
    (floor,) = map(float, run(clock.format(clients)))
    (taken,) = map(float, run(clock.format(f"{clients}; import chalicelib.workers.{worker}")))
    print(f"{worker}: {taken / floor:.2f} times boto3 with its two clients")  # noqa: T201
    assert taken > 0 < floor


@pytest.mark.parametrize("module", ["app", "chalicelib.services.frequencies", "chalicelib.services.submit"])
def test_who_takes_notifications_in_loads_no_templates_until_one_is_named(module: str) -> None:
    loaded = set(run(f"import sys, {module}; print(*sys.modules)"))
    assert loaded.isdisjoint({"chalicelib.templating.rendering", "chalicelib.services.templates"})
