"""All parts of the panel."""

from chalicelib.admin.views import (
    account,
    notification,
    notifications,
    recipients,
)

SECTIONS = (
    account.section,
    notifications.section,
    notification.section,
    recipients.section,
)
