"""All parts of the panel."""

from chalicelib.admin.views import (
    account,
    contacts,
    notification,
    notifications,
    recipients,
    suppressions,
    unsubscribes,
    users,
)

SECTIONS = (
    account.section,
    notifications.section,
    notification.section,
    recipients.section,
    contacts.section,
    users.section,
    unsubscribes.section,
    suppressions.section,
)
