"""Which resources the API has: a new one is a module and one word here."""

from chalicelib.api import applications, notification_actions, notifications, system, tokens, unsubscribes
from chalicelib.api.endpoints import Endpoint

ENDPOINTS: list[Endpoint] = [
    endpoint
    for module in (system, tokens, applications, notifications, notification_actions, unsubscribes)
    for endpoint in module.resource.endpoints
]
