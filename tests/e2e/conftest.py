"""One emulator and one deployment for all end-to-end tests."""

from collections.abc import Iterator

import pytest

from tests.support.deployment import Deployment, deployed
from tests.support.smtp import ScriptedSmtp


@pytest.fixture(scope="session")
def vestnik(smtp_server: ScriptedSmtp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The deployed package."""
    with deployed(Deployment(smtp_server, tmp_path_factory.mktemp("emulator") / "emulator.log")) as vestnik:
        yield vestnik
