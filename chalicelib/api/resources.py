"""Which resources the API has: a new one is a module and one word here."""

from chalicelib.api import (
    administrators,
    applications,
    audiences,
    contacts,
    frequencies,
    notification_actions,
    notifications,
    suppressions,
    system,
    telegram,
    templates,
    tokens,
    unsubscribes,
    users,
    users_notifications,
    webhooks,
)
from chalicelib.api.endpoints import Endpoint

ENDPOINTS: list[Endpoint] = [
    endpoint
    for module in (
        system,
        tokens,
        applications,
        administrators,
        notifications,
        notification_actions,
        users_notifications,
        audiences,
        frequencies,
        templates,
        unsubscribes,
        contacts,
        webhooks,
        suppressions,
        users,
        telegram,
    )
    for endpoint in module.resource.endpoints
]
