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
    # contacts, unsubscribes, suppressions
    _("This has to be ticked."),
    _("This is no id of a user: a UUID is."),
    _("This is no such value."),
    _("the user is erased: they have to subscribe again first"),
    _("the user is just being erased; try again in a few minutes"),
    _("this deployment asks an outside users service: contacts are kept there"),
    _("is not a mail address"),
    _("must be a whole number of at most {0} bits, and not {1}"),
    _("must be an https URL of a public host, without a user, a password and a fragment"),
    _("must be one of en, ru"),
    _("is not an IANA time zone"),
    _("is not a UUID"),
    _("at most {0} characters"),
    _("must not have control characters or line breaks"),
    _("a file has at most {0} lines"),
    _("at most {0} lines in one request"),
    _("must be a whole number"),
    _("{0} cells under {1} names"),
    _("(body): is not UTF-{0}: byte {1}"),
    _("(header): {0} comes twice"),
    _("is none of any channel's"),
    _("is none of the channel's"),
    _("there is no such suppression"),
    _("stopped by the user"),
    _("blocked by the user"),
)
