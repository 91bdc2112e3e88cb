"""All parts of the panel."""

from chalicelib.admin.views import (
    account,
    administrators,
    applications,
    frequencies,
    frequency_form,
    notification,
    notifications,
    recipients,
)

SECTIONS = (
    account.section,
    notifications.section,
    notification.section,
    recipients.section,
    frequencies.section,
    frequency_form.section,
    applications.section,
    administrators.section,
)
