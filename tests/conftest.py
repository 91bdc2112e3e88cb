"""Fixtures that more than one folder of tests needs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from moto import mock_aws

from localstack.choice import chosen_for_tests
from tests.support.aws import World, use_test_account
from tests.support.smtp import ScriptedSmtp
from tests.support.telegram import TelegramServer
from tests.support.users_service import UsersService

if TYPE_CHECKING:
    from tests.support.deployment import Deployment

# The same examples at each run: what fails for one developer fails for all.
settings.register_profile("vestnik", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("vestnik")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs something that the chosen emulator cannot do, with the reason that stands there.

    What takes minutes comes first: nobody waits for it at the end, while other workers have nothing to do.
    """
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    cannot = chosen_for_tests().cannot
    for item in items:
        needs = {each for marker in item.iter_markers("needs") for each in marker.args}
        for capability in sorted(needs & cannot.keys(), key=lambda each: each.name):
            item.add_marker(pytest.mark.skip(reason=cannot[capability]))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The template's tables, queues and secrets in process, with time in the test's hands."""
    use_test_account(monkeypatch)
    with mock_aws():
        yield World(monkeypatch)


@pytest.fixture(scope="session")
def smtp_server() -> Iterator[ScriptedSmtp]:
    """One mail server for all tests of a deployment, which has its address."""
    with ScriptedSmtp() as server:
        yield server


@pytest.fixture
def smtp(smtp_server: ScriptedSmtp) -> Iterator[ScriptedSmtp]:
    """The mail server, which behaves unless the test says otherwise, and has no mails yet."""
    smtp_server.forget()
    yield smtp_server
    smtp_server.forget()


@pytest.fixture
def users_service() -> Iterator[UsersService]:
    """An outside users service that knows nobody yet."""
    with UsersService() as service:
        yield service


@pytest.fixture
def telegram() -> Iterator[TelegramServer]:
    """A Bot API that behaves, and has no messages yet."""
    with TelegramServer() as server:
        yield server


@pytest.fixture(scope="session")
def vestnik(smtp_server: ScriptedSmtp, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Deployment"]:
    """The package deployed to one emulator, for all end-to-end tests."""
    from tests.support.deployment import Deployment, deployed  # what most tests need not load

    with deployed(Deployment(smtp_server, tmp_path_factory.mktemp("emulator") / "emulator.log")) as vestnik:
        yield vestnik
