"""The services in this process, upon the tables and queues of a deployed stack."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chalicelib import queues, security, settings
from chalicelib.services import authentication, rate_limits, suppressing
from chalicelib.tables import base
from infra.deploy import function_environment
from tests.support.deployment import STACK, Deployment


@contextmanager
def as_a_function(vestnik: Deployment) -> Iterator[None]:
    """Have this process be a function of the stack, as the operator's commands are."""
    emulator = vestnik.emulator
    environment = {**function_environment(STACK, emulator.endpoint_url), **emulator.environment}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        _forget()
        yield
    _forget()


def _forget() -> None:
    """Whatever this process knows of another stack."""
    settings.current.cache_clear()
    queues.client.cache_clear()
    for module in (security,):
        module.forget_secrets()
    base.forget_connections()
    for service in (authentication, rate_limits, suppressing):
        service.forget()
