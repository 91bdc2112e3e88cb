"""All parts of the panel."""

from chalicelib.admin.views import account, notifications

SECTIONS = (account.section, notifications.section)
