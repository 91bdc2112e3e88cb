"""All parts of the panel."""

from chalicelib.admin.views import (
    account,
    audiences,
    notification,
    notifications,
    recipients,
)

SECTIONS = (
    account.section,
    notifications.section,
    notification.section,
    recipients.section,
    audiences.section,
)
