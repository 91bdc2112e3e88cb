"""One emulator, one deployment and one SMTP server for all end-to-end tests."""

from collections.abc import Iterator

import pytest

from infra.package import PackagingError
from infra.stack import DeploymentError
from localstack.ports import LocalError
from tests.support.deployment import Deployment
from tests.support.smtp import ScriptedSmtp


@pytest.fixture(scope="session")
def smtp_server() -> Iterator[ScriptedSmtp]:
    with ScriptedSmtp() as server:
        yield server


@pytest.fixture(scope="session")
def vestnik(smtp_server: ScriptedSmtp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The deployed package. Without it nothing here is proven, so it is a failure, not a skip."""
    deployment = Deployment(smtp_server, tmp_path_factory.mktemp("emulator") / "emulator.log")
    try:
        deployment.__enter__()
    except (LocalError, PackagingError, DeploymentError) as error:
        pytest.fail(f"the package cannot be deployed to the emulator: {error}", pytrace=False)
    yield deployment
    deployment.__exit__(None, None, None)


@pytest.fixture
def smtp(smtp_server: ScriptedSmtp) -> Iterator[ScriptedSmtp]:
    """The mail server, which behaves unless the test says otherwise, and has no mails yet."""
    smtp_server.forget()
    yield smtp_server
    smtp_server.forget()
