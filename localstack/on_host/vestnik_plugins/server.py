"""LocalStack's server on the host of GATEWAY_LISTEN: its own drops that, and listens on every interface."""

from typing import Any
from unittest import mock

from localstack.runtime.server import twisted
from localstack.utils.aws import aws_stack

# It would ask for the name "s3.127.0.0.1", which nobody knows.
aws_stack.CACHE_S3_HOSTNAME_DNS_STATUS = False


class LoopbackServer(twisted.TwistedRuntimeServer):  # type: ignore[misc]
    """Listens where it is told."""

    def register(self, gateway: Any, listen: list[Any], ssl_creds: Any = None) -> None:
        """Listen on each address, on its own interface."""
        everywhere = twisted.endpoints.TCP4ServerEndpoint
        for address in listen:

            def on_its_host(reactor: Any, port: int, host: str = address.host) -> Any:
                return everywhere(reactor, port, interface=host)

            with mock.patch.object(twisted.endpoints, "TCP4ServerEndpoint", on_its_host):
                super().register(gateway, [address], ssl_creds)
