"""Which resources the API has: a new one is a module and one word here."""

from chalicelib.api import (
    applications,
    audiences,
    contacts,
    frequencies,
    notification_actions,
    notifications,
    suppressions,
    system,
    tokens,
    unsubscribes,
    users,
    users_notifications,
)
from chalicelib.api.endpoints import Endpoint

ENDPOINTS: list[Endpoint] = [
    endpoint
    for module in (
        system,
        tokens,
        applications,
        notifications,
        notification_actions,
        users_notifications,
        audiences,
        frequencies,
        unsubscribes,
        contacts,
        suppressions,
        users,
    )
    for endpoint in module.resource.endpoints
]
