"""All parts of the panel."""

from chalicelib.admin.views import (
    account,
    administrators,
    applications,
    audiences,
    audit,
    notification,
    notification_new,
    notifications,
    recipients,
)

SECTIONS = (
    account.section,
    notifications.section,
    notification.section,
    notification_new.section,
    recipients.section,
    audiences.section,
    applications.section,
    administrators.section,
    audit.section,
)
