"""All parts of the panel."""

from chalicelib.admin.views import account, administrators, applications, notifications

SECTIONS = (account.section, notifications.section, applications.section, administrators.section)
