"""Fixtures that more than one folder of tests needs."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from moto import mock_aws

from tests.support.aws import World, use_test_account

# The same examples at each run: what fails for one developer fails for all.
settings.register_profile("vestnik", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("vestnik")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The template's tables, queues and secrets in process, with time in the test's hands."""
    use_test_account(monkeypatch)
    with mock_aws():
        yield World(monkeypatch)
