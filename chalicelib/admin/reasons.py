"""Reasons for which a form is refused, as the services give them: so that gettext finds them.

What varies in a reason, a number or what it quotes, stands as {0}, {1}, … in its pattern.
"""


def _(text: str) -> str:
    return text


REASONS = (
    _("Unknown login or wrong password."),
    _("This is not the same."),
    _("This is not your password."),
    _("must have {0} to {1} characters"),
    _("must be a date and a time"),
    _("too many failed log-ins; try again later"),
    _("there is no such page"),
)
