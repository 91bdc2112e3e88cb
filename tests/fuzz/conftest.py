"""A deployment of its own: what a fuzzer does to the applications of others would be felt by other tests."""

from collections.abc import Iterator

import pytest

from tests.support.deployment import Deployment, deployed
from tests.support.smtp import ScriptedSmtp


@pytest.fixture(scope="session")
def vestnik(smtp_server: ScriptedSmtp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The deployed package, with no limits of how often one may ask."""
    with deployed(Deployment(smtp_server, tmp_path_factory.mktemp("emulator") / "emulator.log")) as vestnik:
        vestnik.deploy(RateLimitPerMinute=0, LoginAttemptsPerLogin=1000, LoginAttemptsPerSource=100_000)
        yield vestnik
