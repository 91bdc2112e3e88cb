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
    # names, applications, administrators
    _("must be {0} to {1} of a-z, {2}-{3}, dot, dash and underscore, and begin with a letter or digit"),
    _("{0} is the name of an authorization scheme"),
    _("there is an application {0} already"),
    _("there is no such application"),
    _("there is no such scope"),
    _("choose at least one"),
    _("the password has just been changed by another request"),
    _("there is an administrator {0} already"),
    _("there is no such administrator"),
    _("there is no such role"),
    _("nobody changes their own rights: another manager has to"),
    _("the own password is changed with the old one"),
    _("Input should be a valid integer, unable to parse string as an integer"),
    _("Input should be greater than or equal to {0}"),
    _("Input should be less than or equal to {0}"),
)
