"""All parts of the panel."""

from chalicelib.admin.views import (
    account,
    administrators,
    applications,
    audiences,
    audit,
    contacts,
    frequencies,
    frequency_form,
    notification,
    notification_new,
    notifications,
    operations,
    recipients,
    suppressions,
    unsubscribes,
    users,
)

SECTIONS = (
    account.section,
    notifications.section,
    notification.section,
    notification_new.section,
    recipients.section,
    audiences.section,
    frequencies.section,
    contacts.section,
    unsubscribes.section,
    suppressions.section,
    applications.section,
    administrators.section,
    operations.section,
    audit.section,
    users.section,
    frequency_form.section,
)
