"""What LocalStack finds by the entry points: each loads what it stands for only when it is wanted."""

from typing import Any

from localstack.runtime import hooks
from localstack.runtime.server.core import RuntimeServerPlugin
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.plugins import aws_provider


class ProcessExecutorPlugin(RuntimeExecutorPlugin):  # type: ignore[misc]
    """LAMBDA_RUNTIME_EXECUTOR=process."""

    name = "process"

    def load(self, *_: Any, **__: Any) -> Any:
        """The class that runs functions."""
        from .executor import ProcessExecutor

        return ProcessExecutor


class LoopbackServerPlugin(RuntimeServerPlugin):  # type: ignore[misc]
    """GATEWAY_SERVER=twisted-loopback."""

    name = "twisted-loopback"

    def load(self, *_: Any, **__: Any) -> Any:
        """The server."""
        from .server import LoopbackServer

        return LoopbackServer()


@aws_provider(api="dynamodb", name="moto")  # type: ignore[untyped-decorator]
def dynamodb_by_moto() -> Any:
    """PROVIDER_OVERRIDE_DYNAMODB=moto: by what LocalStack has within it, without Java and another licence."""
    from . import dynamodb

    return dynamodb.service()


@hooks.on_infra_start()  # type: ignore[untyped-decorator]
def mend() -> None:
    """Before anything is served."""
    from . import mending, parallel, updates

    mending.mend()
    parallel.mend()
    updates.mend()
