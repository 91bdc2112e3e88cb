"""All parts of the panel."""

from chalicelib.admin.views import account, applications, notifications

SECTIONS = (account.section, notifications.section, applications.section)
