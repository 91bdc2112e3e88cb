"""LocalStack without Docker: the pip package `localstack-core` in an environment of its own, of Python 3.13.

Plugins of ours (`vestnik_plugins`, found by their entry points beside them) run the functions as processes of
this machine, keep the server on loopback, have DynamoDB without Java, work several batches of a queue at
once, and mend what is wrong with rules.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from localstack.capabilities import LOCALSTACK_CANNOT, Capability
from localstack.emulator import GUARD, ROOT
from localstack.in_environment import InEnvironment
from localstack.ports import LOOPBACK

PLUGINS = Path(__file__).resolve().parent
_NOWHERE = f"http://{LOOPBACK}:9"  # what would be asked of the outside fails at once


class LocalStackOnHost(InEnvironment):
    """One LocalStack on loopback, whose functions run on the Python that this process is of."""

    name = "localstack"
    title = "LocalStack"
    health = "/_localstack/health"
    cannot: ClassVar[Mapping[Capability, str]] = {
        **LOCALSTACK_CANNOT,
        Capability.KEEPS_UP: "its queues and moto's tables are slow: beside other work its tests are late",
        Capability.LONG_OUTAGE: "six minutes more than CI has; it passes here, and is run on MiniStack",
    }
    python = ROOT / ".venv-localstack" / "bin" / "python"
    program = ("-I", "-u", str(GUARD), "localstack.runtime.main", str(PLUGINS))
    made_by = "make setup-localstack"

    def _settings(self) -> dict[str, str]:
        work = self._work.resolve()
        return {
            **dict.fromkeys(
                ("HTTP_PROXY", "HTTPS_PROXY", "OUTBOUND_HTTP_PROXY", "OUTBOUND_HTTPS_PROXY"), _NOWHERE
            ),
            "API_ENDPOINT": _NOWHERE,
            "ANALYTICS_API": _NOWHERE,
            # No analytics, certificate, DNS server, and not taken for a container where this is run in one.
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
            "OVERRIDE_IN_DOCKER": "0",
            "FILESYSTEM_ROOT": str(work / "root"),
            "LOCALSTACK_VOLUME_DIR": str(work / "volume"),
            "XDG_CACHE_HOME": str(work / "cache"),
            "GATEWAY_LISTEN": f"{LOOPBACK}:{self.port}",
            "LOCALSTACK_HOST": f"{LOOPBACK}:{self.port}",
            "GATEWAY_SERVER": "twisted-loopback",
            "SQS_ENDPOINT_STRATEGY": "path",
            "PROVIDER_OVERRIDE_DYNAMODB": "moto",
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "LAMBDA_PROCESS_PYTHON": str(functions_python()),
            "LAMBDA_SYNCHRONOUS_CREATE": "1",
            # After an error it looks into a queue again after a second; by itself after a minute.
            "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_ERROR_SEC": "1",
            "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
        }


def functions_python() -> Path:
    """The Python of the functions: ours, of which the package is made, without what our environment has."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Path(sys.base_exec_prefix) / "bin" / version
