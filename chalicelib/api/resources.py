"""Which resources the API has: a new one is a module and one word here."""

from chalicelib.api import notifications, system, unsubscribes
from chalicelib.api.endpoints import Endpoint

ENDPOINTS: list[Endpoint] = [
    endpoint for module in (system, notifications, unsubscribes) for endpoint in module.resource.endpoints
]
