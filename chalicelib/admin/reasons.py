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
    # frequencies
    _("there is no such notification frequency"),
    _("there is a frequency {0} already"),
    _("Somebody has changed it since you opened this page. Look at it as it is now."),
    _("another request has changed the frequency at the same moment"),
    _("the frequency is being deleted"),
    _("the notification of this frequency is not kept any more"),
    _("must be a whole number"),
    _("must be from {0} to {1} seconds"),
    _("must be after the start"),
    _("must have five fields: minute hour day month weekday"),
    _("never comes: there is no such day within {0} years"),
    _("Bad minute"),
    _("Bad hour"),
    _("Bad day-of-month"),
    _("Bad month"),
    _("Bad day-of-week"),
    _("{0} is not an IANA time zone"),
    _("it would never run before its end"),
    _(
        "too short for {0} recipients: each hundred of them is sent {1} s after the one before,"
        " so there must be at least {2} s from run to run"
    ),
    _("not every line is the id of a user"),
    _("{0} is not a UUID"),
    _("has {0} columns, and no header says which is user_id"),
    _("at least one user is needed"),
    _("users: at most {0} in one request; make an audience for more"),
    _("exactly one of users and audience_id is needed"),
    _("choose an audience, or paste its id"),
    _("there is no such audience"),
    _("the audience is open, and must be complete"),
    _("the audience is completing, and must be complete"),
    _("the audience is deleting, and must be complete"),
    _("the audience is being deleted"),
    _("there is no template {0}"),
    _("String should have at least {0} character"),
    _("String should have at most {0} characters"),
    _("must be one line, without control characters"),
    _("must be without control characters, but for tabs and line breaks"),
    _("must not be blank"),
    _("must be from {0} to {1}"),
    _("at most {0} characters by mail"),
    _("at most {0} characters by telegram"),
    _("at most {0} characters by webhook"),
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
